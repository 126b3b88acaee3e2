"""How many SMS a text takes, and what they cost."""

import re

PRICE = 8000  # of one segment, in 1/10,000 KES
UNITS_PER_KES = 10_000

_BASIC = (
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?"
    "¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
)
_EXTENSION = "^{}\\[~]|€\f"
_ALL_BASIC = re.compile(f"[{re.escape(_BASIC)}]*")
_ALL_GSM_7 = re.compile(f"[{re.escape(_BASIC + _EXTENSION)}]*")


def segments(text: str) -> int:
    """The segments of `text` by GSM 03.38: 160 septets or 153 each when several, 70 or 67 UCS-2 units.

    A character of the extension table takes two septets and one outside the BMP two UCS-2 units; neither is
    split between two segments.
    """
    if len(text) <= 160 and _ALL_BASIC.fullmatch(text):
        return 1
    if _ALL_GSM_7.fullmatch(text):
        return _packed([2 if character in _EXTENSION else 1 for character in text], alone=160, together=153)
    return _packed([2 if ord(character) > 0xFFFF else 1 for character in text], alone=70, together=67)


def cost_in_kes(units: int) -> str:
    """`units` of 1/10,000 KES as the gateway writes them: `KES 0.8000`, and a bare `0` for nothing."""
    return f"KES {units // UNITS_PER_KES}.{units % UNITS_PER_KES:04d}" if units else "0"


def _packed(widths: list[int], *, alone: int, together: int) -> int:
    if sum(widths) <= alone:
        return 1
    count, room = 1, together
    for width in widths:
        if width > room:
            count, room = count + 1, together
        room -= width
    return count
