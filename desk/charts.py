"""Charts that the server draws as SVG: without a script or a library, and with every figure also in words."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal

WIDTH, HEIGHT = 640, 180
# LEFT is wide enough for the labels of the scale at their size on a phone.
LEFT, TOP, BOTTOM = 62, 10, 22


@dataclass(frozen=True)
class Bar:
    """One day's bar: its place and size as SVG attributes, and its figure in a sentence."""

    x: str
    y: str
    width: str
    height: str
    sentence: str


@dataclass(frozen=True)
class Chart:
    """One bar per day, and a scale with round figures."""

    bars: list[Bar]
    lines: list[tuple[float, str]]
    # x, text-anchor ("middle", or "end" for the last day), text.
    labels: list[tuple[float, str, str]]
    # The whole chart for screen readers.
    words: str
    width: int = WIDTH
    height: int = HEIGHT
    left: int = LEFT
    base: int = HEIGHT - BOTTOM


def bar_chart(figures: Sequence[tuple[date, Decimal | int]], unit: str) -> Chart:
    """Return a chart of one figure per day; `unit` is the format of a figure in its sentence ("{:,} orders")."""
    top = round_up(max((value for _, value in figures), default=0))
    step = (WIDTH - LEFT) / len(figures)
    room = HEIGHT - TOP - BOTTOM
    bars, words = [], []
    for i, (day, value) in enumerate(figures):
        height = float(value) / top * room
        # However small a figure above 0 is, its bar is visible.
        height = max(height, 2.0) if value > 0 else 0.0
        sentence = f"{day:%-d %B}: {unit.format(value)}"
        place = (LEFT + i * step + step * 0.14, HEIGHT - BOTTOM - height, step * 0.72, height)
        x, y, width, tall = (f"{number:.1f}" for number in place)
        bars.append(Bar(x, y, width, tall, sentence))
        if value > 0:
            words.append(sentence)
    lines = [(HEIGHT - BOTTOM - share * room, short(top * share)) for share in (0.5, 1)]
    every = max(1, len(figures) // 5)
    labels = [
        (LEFT + i * step + step / 2, "middle", f"{day:%-d %b}")
        for i, (day, _) in enumerate(figures[:-1])
        if (len(figures) - 1 - i) % every == 0 and i * step > 30
    ]
    labels.append((WIDTH, "end", f"{figures[-1][0]:%-d %b}"))
    return Chart(bars, lines, labels, ". ".join(words))


def round_up(value: Decimal | int) -> float:
    """Return the top of the scale: the next 1, 2, 4, 5 or 8 times a power of ten, at least 4."""
    power = 10.0
    while power < value:
        power *= 10
    return next(top for share in (0.2, 0.4, 0.5, 0.8, 1) if (top := power * share) >= max(value, 4))


def short(value: float) -> str:
    """Return a figure in a short form for the scale: 1.5k, 20M, 3bn."""
    for unit, name in ((1e9, "bn"), (1e6, "M"), (1e3, "k")):
        if value >= unit:
            return f"{value / unit:.3g}{name}"
    return f"{value:g}"


@dataclass(frozen=True)
class Part:
    """One part of a stacked bar: its state, its number, its place, and its share of the whole."""

    name: str
    tone: str
    number: int
    x: float
    width: float
    percent: str


def parts_of(numbers: Sequence[tuple[str, str, int]]) -> list[Part]:
    """Return the parts (name, tone, number) of one stacked bar, from left to right; leave out those with 0."""
    whole = sum(number for _, _, number in numbers)
    parts: list[Part] = []
    x = 0.0
    for name, tone, number in numbers:
        if number > 0:
            width = number / whole * WIDTH
            parts.append(Part(name, tone, number, x, width, percent(number, whole)))
            x += width
    return parts


def percent(part: int, whole: int) -> str:
    """Return a share in per cent; "100 %" only if it is the whole."""
    if not whole:
        return "none"
    share = 100 * part / whole
    if part < whole and share > 99.9:
        return "99.9 %"
    return f"{share:.3g} %" if share >= 0.1 or not part else "< 0.1 %"
