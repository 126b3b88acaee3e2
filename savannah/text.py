"""Text that PostgreSQL can store: valid UTF-8 (so no lone surrogates) without NUL."""

import re

UNSTORABLE = "NUL and lone surrogate characters are not allowed."
_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")


def holds_unstorable(text: str) -> bool:
    """Whether there is something in the text that PostgreSQL cannot store."""
    return bool(_UNSTORABLE.search(text))


def storable(value: object, length: int) -> str:
    """Return somebody else's text, cut to a column's length, without NUL, and with "?" for lone surrogates."""
    return str(value).replace("\x00", "")[:length].encode("utf-8", "replace").decode()
