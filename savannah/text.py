"""Text that PostgreSQL can store: UTF-8, and so without half a surrogate pair, and without NUL."""

import re

UNSTORABLE = "NUL and lone surrogate characters are not allowed."
_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")


def holds_unstorable(text: str) -> bool:
    """Whether there is something in the text that PostgreSQL cannot store."""
    return bool(_UNSTORABLE.search(text))


def storable(value: object, length: int) -> str:
    """Return what a column so long can hold of somebody else's text: without NUL, with "?" for lone surrogates."""
    return str(value).replace("\x00", "")[:length].encode("utf-8", "replace").decode()
