"""Log lines: JSON for machines, text on a terminal; with the id of the request they are about, without phones."""

import logging
import re
from contextvars import ContextVar
from datetime import UTC, datetime

import orjson

# Set by the web for a request, and by the worker for the SMS of that request.
request_id: ContextVar[str] = ContextVar("request_id", default="")

_PHONE = re.compile(r"\+?\b[1-9]\d{8,14}\b")


def mask_phones(text: str) -> str:
    """Return `text` with all but the first and last three digits of each phone number hidden."""
    return _PHONE.sub(lambda phone: phone[0][:4] + "*" * (len(phone[0]) - 7) + phone[0][-3:], text)


class JSONLine(logging.Formatter):
    """One JSON object a line; what a call gives as `extra={"fields": {...}}` becomes fields of it."""

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
    """A line for a person, and its fields behind it."""

    def __init__(self) -> None:
        super().__init__("{asctime} {levelname:7} {name}: {message}", style="{", datefmt="%H:%M:%S")

    def format(self, record: logging.LogRecord) -> str:
        """Return the record as text."""
        about = " ".join(f"{name}={value}" for name, value in _about(record).items())
        return mask_phones(f"{super().format(record)}  {about}" if about else super().format(record))


def _about(record: logging.LogRecord) -> dict[str, object]:
    about = {"request_id": request_id.get()} if request_id.get() else {}
    return {**about, **getattr(record, "fields", {})}
