"""Log lines: JSON for machines, text on a terminal; with the request's id, and with phone numbers masked."""

import logging
import re
from contextvars import ContextVar
from datetime import UTC, datetime
from textwrap import indent
from typing import TYPE_CHECKING, Any

import orjson

if TYPE_CHECKING:
    from django.http import HttpRequest  # not at runtime: savannah/tree.py runs without Django

# Set by the web for a request, and by the worker for the SMS of that request.
request_id: ContextVar[str] = ContextVar("request_id", default="")

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")
_CONTROL_BUT_END = re.compile(r"[\x00-\x09\x0b-\x1f\x7f-\x9f]")
_PHONE = re.compile(r"\+?\b[1-9]\d{8,14}\b")


def mask_phones(text: str) -> str:
    """Return `text` with all but the first and last three digits of each phone number hidden."""
    return _PHONE.sub(lambda phone: phone[0][:4] + "*" * (len(phone[0]) - 7) + phone[0][-3:], text)


def _escaped(found: re.Match[str]) -> str:
    return found[0].encode("unicode_escape").decode()


class Routes(logging.Filter):
    """Replaces the path by the route in Django's own lines about a request: a path may contain a secret or a code."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Change the record, and let it pass."""
        request = getattr(record, "request", None)
        if request is not None and isinstance(record.args, tuple):
            # Django escapes the path in some of its lines.
            path = request.path.encode("unicode_escape").decode()
            route = route_of(request)
            record.args = tuple(route if arg in (request.path, path) else arg for arg in record.args)
        return True


def route_of(request: "HttpRequest") -> str:
    """Return a request's route, for log lines and metrics."""
    return request.resolver_match.route if request.resolver_match else "no route"


class JSONLine(logging.Formatter):
    """One JSON object per line; `extra={"fields": {...}}` of a logging call adds fields to it."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the record as JSON."""
        line = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
            **_about(record),
        }
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return mask_phones(orjson.dumps(line, default=str).decode())


class TextLine(logging.Formatter):
    """A line for people, followed by its fields."""

    def __init__(self) -> None:
        super().__init__("{asctime} {levelname:7} {name}: {message}", style="{", datefmt="%H:%M:%S")

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - logging's name
        """Return the line with control characters escaped: clients cannot forge lines or control the terminal."""
        return _CONTROL.sub(_escaped, super().formatMessage(record))

    def formatException(self, ei: Any) -> str:  # noqa: N802 - logging's name
        """Return the traceback, indented so that none of its lines looks like a log line."""
        return indent(_CONTROL_BUT_END.sub(_escaped, super().formatException(ei)), "    ")

    def format(self, record: logging.LogRecord) -> str:
        """Return the record as text."""
        about = " ".join(f"{name}={value}" for name, value in _about(record).items())
        return mask_phones(f"{super().format(record)}  {about}" if about else super().format(record))


def _about(record: logging.LogRecord) -> dict[str, object]:
    about = {"request_id": request_id.get()} if request_id.get() else {}
    return {**about, **getattr(record, "fields", {})}
