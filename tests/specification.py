"""docs/specification.md, read by a program: its endpoints with their examples, its commands and its variables."""

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent

DOCUMENT = (ROOT / "docs" / "specification.md").read_text()
BLOCK = re.compile(r"^```(\w*)\n(.*?)^```", re.DOTALL | re.MULTILINE)


@dataclass(frozen=True)
class Example:
    """One endpoint: its title, what to send, and what comes back (`answer` is None where nothing is shown)."""

    title: str
    method: str
    path: str
    body: dict[str, Any] | None
    status: int
    answer: Any

    def __str__(self) -> str:
        return self.title


def examples() -> list[Example]:
    """Return every endpoint that the document describes, in its order."""
    return [_example(title, text) for title, text in _sections() if _endpoint(text)]


def error_examples() -> dict[int, dict[str, str]]:
    """Return the bodies of "Error Responses" by status."""
    errors = [(title, text) for title, text in _sections() if re.match(r"\d{3} ", title)]
    return {int(title[:3]): json.loads(_block(text, "json")) for title, text in errors}


def section(title: str) -> str:
    """Return the text under a heading of any level, up to the next heading."""
    return dict(_sections())[title]


def blocks(language: str) -> list[str]:
    """Return the contents of the document's blocks in a language ("bash", "dotenv", "text"; "" for none)."""
    return [text for name, text in BLOCK.findall(DOCUMENT) if name == language]


def commands() -> list[str]:
    """Return every command line of the document, comments left out and continued lines joined."""
    lines = "\n".join(blocks("bash")).replace("\\\n", " ").splitlines()
    return [re.sub(r"\s+", " ", line.split("  #")[0]).strip() for line in lines if line and not line.startswith("#")]


def variables() -> set[str]:
    """Return the name of every variable that the document sets."""
    text = "\n".join(blocks("dotenv") + blocks("bash"))
    return set(re.findall(r"^(?:export )?([A-Z][A-Z_]+)=", text, re.MULTILINE))


def _sections() -> list[tuple[str, str]]:
    without_code = BLOCK.sub(lambda found: re.sub(r"^#", "\0", found[0], flags=re.MULTILINE), DOCUMENT)
    parts = re.split(r"^#+ (.*)\n", without_code, flags=re.MULTILINE)
    return [(title, text.replace("\0", "#")) for title, text in zip(parts[1::2], parts[2::2], strict=True)]


def _endpoint(text: str) -> re.Match[str] | None:
    return re.match(r"\n\*\*([A-Z]+)\*\* `(/\S+)`\n", text)


def _example(title: str, text: str) -> Example:
    method, path = _endpoint(text).groups()
    request, _, response = text.partition("**Response")
    body = _block(request, "json")
    status = re.match(r"[^\n]*?(\d{3})", response)
    answer = _block(response, "json")
    return Example(
        title,
        method,
        path,
        body=json.loads(body) if body else None,
        status=int(status[1]) if status else 200,
        answer=json.loads(answer) if answer else None,
    )


def _block(text: str, language: str) -> str:
    return next((content for name, content in BLOCK.findall(text) if name == language), "")
