"""Pictures of figures, drawn by the server as SVG: no script, no library, and every figure is also in words."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal

WIDTH, HEIGHT = 640, 180
# On a phone the scale is written as large as the left margin takes.
LEFT, TOP, BOTTOM = 62, 10, 22


@dataclass(frozen=True)
class Bar:
    """One day's bar: where it stands, as SVG writes it, and what it says."""

    x: str
    y: str
    width: str
    height: str
    sentence: str


@dataclass(frozen=True)
class Chart:
    """Bars by day over a scale of round figures."""

    bars: list[Bar]
    lines: list[tuple[float, str]]
    # Each with where its text has its middle or, of the last day, its end.
    labels: list[tuple[float, str, str]]
    # The whole picture for who does not see it.
    words: str
    width: int = WIDTH
    height: int = HEIGHT
    left: int = LEFT
    base: int = HEIGHT - BOTTOM


def bar_chart(figures: Sequence[tuple[date, Decimal | int]], unit: str) -> Chart:
    """Return a chart of one figure a day; `unit` follows or precedes each figure in its sentence."""
    top = round_up(max((value for _, value in figures), default=0))
    step = (WIDTH - LEFT) / len(figures)
    room = HEIGHT - TOP - BOTTOM
    bars, words = [], []
    for i, (day, value) in enumerate(figures):
        height = float(value) / top * room
        # A day with something on it is seen, however little.
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
    """Return the top of the scale: the next of 1, 2, 4, 5 or 8 times a power of ten, at least 4."""
    power = 10.0
    while power < value:
        power *= 10
    return next(top for share in (0.2, 0.4, 0.5, 0.8, 1) if (top := power * share) >= max(value, 4))


def short(value: float) -> str:
    """Return a figure as short as a scale needs it: 1.5k, 20M, 3bn."""
    for unit, name in ((1e9, "bn"), (1e6, "M"), (1e3, "k")):
        if value >= unit:
            return f"{value / unit:.3g}{name}"
    return f"{value:g}"


@dataclass(frozen=True)
class Part:
    """A part of a whole: its share of the bar, and what it says."""

    name: str
    tone: str
    number: int
    x: float
    width: float
    percent: str


def parts_of(numbers: Sequence[tuple[str, str, int]]) -> list[Part]:
    """Return the parts (name, tone, number) as they stand side by side on one bar; those of nothing are left out."""
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
    """Return a share in per cent; 100 % only when it is all."""
    if not whole:
        return "none"
    share = 100 * part / whole
    if part < whole and share > 99.9:
        return "99.9 %"
    return f"{share:.3g} %" if share >= 0.1 or not part else "< 0.1 %"
