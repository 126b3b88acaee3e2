"""The service's own statements, for peers that run the same SQL."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
_NAME = re.compile(r"^-- name: (\w+)$", re.MULTILINE)
_PARAMETER = re.compile(r"(?<![:\w]):([a-z_]+)")


def statement(app: str, name: str) -> str:
    """Return one statement of an app's queries.sql, as it stands there."""
    _, *parts = _NAME.split((ROOT / app / "queries.sql").read_text())
    text = dict(zip(parts[::2], parts[1::2], strict=True))[name]
    return "\n".join(line for line in text.splitlines() if line and not line.startswith("--"))


def with_values(text: str, **values: str) -> str:
    """Return the statement with SQL in place of the parameters that are named."""
    return _PARAMETER.sub(lambda found: values.get(found[1], found[0]), text)
