"""Finds customers while somebody types."""

import re
from typing import Any

from django.conf import settings

from desk.sql import QUERIES, fetch_all

_DIGITS = re.compile(r"[\d\s()./+-]+")
_LIKE_SIGNS = re.compile(r"([\\%_])")


def find_customers(text: str, limit: int) -> list[dict[str, Any]]:
    """Return the customers whose code, name or phone number fits the typed `text` (queries.sql); best matches first."""
    text = " ".join(text.replace("\x00", "").split())[:100]
    if not text:
        return []
    begins = _LIKE_SIGNS.sub(r"\\\1", text)
    words = " & ".join(f"'{word}':*" for word in re.findall(r"\w+", text)) or None
    phone = to_international(text)
    digits = re.sub(r"\D", "", text)
    return fetch_all(
        QUERIES.find_customers,
        begins=f"{begins}%",
        phone_begins=f"{phone}%" if phone else None,
        phone_ends=f"%{digits}" if phone and len(digits) >= 4 else None,
        words=words if len(text) >= 3 else None,
        limit=limit,
    )


def to_international(text: str) -> str | None:
    """Return a typed phone number with its calling code; None if the text is no phone number.

    Customers say 0712 345 678: DESK_CALLING_CODE replaces the leading 0.
    """
    if not _DIGITS.fullmatch(text):
        return None
    digits = re.sub(r"\D", "", text)
    if digits.startswith("0") and not text.lstrip().startswith("+"):
        digits = settings.DESK_CALLING_CODE + digits.lstrip("0")
    return f"+{digits}" if digits else None
