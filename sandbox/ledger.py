"""The append-only record of every accepted message."""

import fcntl
import json
import os
import time
from collections import defaultdict, deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import Any

KEPT_IN_MEMORY = 200_000


@dataclass(frozen=True, slots=True)
class Message:
    """What the gateway accepted for one recipient. cost: as the gateway writes it, `KES 0.8000`."""

    to: str
    sender: str
    text: str
    message_id: str
    cost: str
    parts: int
    status_code: int


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of the ledger. sequence: from 1, without gaps. accepted_at: seconds since 1970."""

    sequence: int
    accepted_at: float
    message: Message

    def as_json(self) -> dict[str, Any]:
        """The entry as the ledger file and the control API show it."""
        message = self.message
        return {
            "sequence": self.sequence,
            "accepted_at": self.accepted_at,
            "accepted_at_iso": datetime.fromtimestamp(self.accepted_at, UTC).isoformat(),
            "to": message.to,
            "from": message.sender,
            "text": message.text,
            "messageId": message.message_id,
            "cost": message.cost,
            "parts": message.parts,
            "statusCode": message.status_code,
        }


class Ledger:
    """Accepted messages: all of them in the file, if there is one, and the latest in memory."""

    def __init__(self, path: Path | None = None, *, kept: int = KEPT_IN_MEMORY) -> None:
        """Read what `path` holds already and lock it; the latest `kept` entries stay in memory.

        Raises OSError when the file cannot be used, BlockingIOError when another stand-in is using it.
        """
        self.path = path
        self.total = 0
        self.unreadable_lines = 0
        self._kept = kept
        self._entries: deque[Entry] = deque()
        self._by_number: defaultdict[str, deque[Entry]] = defaultdict(deque)
        self._file: int | None = None
        self._torn = False
        if path is not None:
            self._file = _open_and_lock(path)
            self._read_back(path)

    def append(self, messages: Sequence[Message]) -> list[Entry]:
        """Write `messages` with one write(2), so that killing the process loses none; return their entries.

        Raises OSError when the file cannot take them; then none of them is accepted.
        """
        now = time.time()
        entries = [Entry(self.total + place, now, message) for place, message in enumerate(messages, 1)]
        if self._file is not None:
            self._write(self._file, b"".join(json.dumps(entry.as_json()).encode() + b"\n" for entry in entries))
        for entry in entries:
            self._remember(entry)
        return entries

    def entries(
        self, *, to: str | None = None, since: float | None = None, after: int | None = None, limit: int = 200
    ) -> list[Entry]:
        """Entries in memory, oldest first.

        to: a number in E.164. since: accepted at or after this epoch second. after: a sequence number; the
        first `limit` entries past it are returned. Without `after` the latest `limit` are returned.
        """
        newest_first = self._newest_first(to=to, since=since, after=after)
        if after is None:
            return list(islice(newest_first, limit))[::-1]
        return list(newest_first)[::-1][:limit]

    def count(self, to: str | None = None) -> int:
        """How many messages were ever accepted; for one number, how many of those in memory are for it."""
        if to is None:
            return self.total
        return len(self._by_number[to]) if to in self._by_number else 0

    def close(self) -> None:
        """Close the file, which releases its lock."""
        if self._file is not None:
            os.close(self._file)
            self._file = None

    def _newest_first(self, *, to: str | None, since: float | None, after: int | None) -> Iterator[Entry]:
        entries = self._entries if to is None else self._by_number.get(to, ())
        for entry in reversed(entries):
            if (after is not None and entry.sequence <= after) or (since is not None and entry.accepted_at < since):
                return
            yield entry

    def _remember(self, entry: Entry) -> None:
        self.total = entry.sequence
        self._entries.append(entry)
        self._by_number[entry.message.to].append(entry)
        if len(self._entries) > self._kept:
            oldest = self._entries.popleft()
            of_its_number = self._by_number[oldest.message.to]
            of_its_number.popleft()
            if not of_its_number:
                del self._by_number[oldest.message.to]

    def _write(self, file: int, lines: bytes) -> None:
        if self._torn:
            lines = b"\n" + lines
        # Until this write is known to be complete, the next one must begin with a newline.
        self._torn = True
        written = os.write(file, lines)
        if written < len(lines):
            raise OSError(f"only {written} of {len(lines)} bytes were written to {self.path}")
        self._torn = False

    def _read_back(self, path: Path) -> None:
        with path.open("rb") as file:
            latest = deque(file, maxlen=self._kept)
        self._torn = bool(latest) and not latest[-1].endswith(b"\n")
        for line in latest:
            entry = _entry_of(line)
            if entry is None:
                self.unreadable_lines += 1
            else:
                self._remember(entry)


def _open_and_lock(path: Path) -> int:
    path.parent.mkdir(parents=True, exist_ok=True)
    file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(file)
        raise
    return file


def _entry_of(line: bytes) -> Entry | None:
    try:
        known = json.loads(line)
        message = Message(
            to=known["to"],
            sender=known["from"],
            text=known["text"],
            message_id=known["messageId"],
            cost=known["cost"],
            parts=known["parts"],
            status_code=known["statusCode"],
        )
        return Entry(known["sequence"], known["accepted_at"], message)
    except (ValueError, KeyError, TypeError):
        return None
