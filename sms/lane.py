"""The lane to the gateway: how many messages may be on their way at once, and when none may.

Open, it lets as many pass as its window is wide. It closes when the gateway fails, is busy, or refuses all of us.
Closed, it lets one message pass now and then, to see; the first good answer opens it, and the window grows from one, a
message for each that is answered.
"""

import logging
import random
import time
from collections.abc import Collection
from dataclasses import dataclass

from sms.gateway import Reply, Says, masked

logger = logging.getLogger(__name__)

FAILURES_TO_CLOSE = 10
SILENCE_TO_CLOSE = 5.0
FIRST_PROBE_SECONDS = 1.0
LAST_PROBE_SECONDS = 3.0
BUSY_SECONDS = 5.0


@dataclass
class Closed:
    """Why the lane is closed, since when, and when the next message may try; times are monotonic."""

    reason: str
    # Someone has to act: funds, sender name, API key.
    needs_help: bool
    since: float
    next_probe: float
    probe_every: float


class Lane:
    """What one worker knows of the way to its gateway; through PostgreSQL the other workers know it too."""

    def __init__(self, width: int, *, pause_seconds: float) -> None:
        self._width = width
        self._window = float(width)
        self._pause_seconds = pause_seconds
        self._failures = 0
        self._last_answer = time.monotonic()
        self._opened_at = 0.0
        self.closed: Closed | None = None
        # Whether the other workers have yet to be told.
        self.changed = False

    @property
    def reserved(self) -> int:
        """How many of the room are for new orders alone, so that a backlog holds none of them up."""
        return 0 if self.closed else int(self._window) // 4

    def room(self, asked: Collection[float]) -> int:
        """Return how many more messages may be claimed; `asked` are the times of those that are on their way."""
        now = time.monotonic()
        self._notice_silence(asked, now)
        if self.closed is None:
            # What has hung since before the lane was closed holds nobody up.
            return max(0, int(self._window) - sum(when >= self._opened_at for when in asked))
        if now < self.closed.next_probe:
            return 0
        self.closed.next_probe = now + self.closed.probe_every
        if not self.closed.needs_help:
            self.closed.probe_every = min(self.closed.probe_every * 2, LAST_PROBE_SECONDS)
        return 1

    def answered(self, reply: Reply, asked_at: float) -> None:
        """Take note of what a reply says of the gateway."""
        now = time.monotonic()
        match reply.says:
            case Says.WORKS:
                self._works(asked_at, now)
            case Says.REFUSES:
                self._close(reply.reason, asked_at, seconds=self._pause_seconds, needs_help=True)
            case Says.BUSY:
                asked = BUSY_SECONDS if reply.retry_after is None else reply.retry_after
                # "At once" would let them all pass: a closed lane counts nobody.
                seconds = max(asked, FIRST_PROBE_SECONDS)
                # Not all workers at the same moment.
                self._close(reply.reason, asked_at, seconds=seconds * random.uniform(1, 1.2))  # noqa: S311 - no secret
            case Says.FAILS:
                self._failures += 1
                if self._failures >= FAILURES_TO_CLOSE or self.closed:
                    self._close(reply.reason, asked_at, seconds=FIRST_PROBE_SECONDS)

    def adopt(self, *, seconds: float, reason: str, needs_help: bool) -> None:
        """Learn from another worker that the gateway does not work; `seconds` until it is tried again."""
        if self.closed is None:
            now = time.monotonic()
            every = self._pause_seconds if needs_help else LAST_PROBE_SECONDS
            self.closed = Closed(reason, needs_help, now, now + seconds, every)
            self._window = 1.0

    def reopen(self) -> None:
        """Learn from another worker that the gateway works again."""
        if self.closed:
            self._opened_at = time.monotonic()
            self.closed = None

    def _notice_silence(self, asked: Collection[float], now: float) -> None:
        if self.closed is None and len(asked) >= FAILURES_TO_CLOSE:
            silent_since = max(self._last_answer, min(asked))
            if now - silent_since > SILENCE_TO_CLOSE:
                self._close(f"no answer for {SILENCE_TO_CLOSE:.0f} s", now, seconds=FIRST_PROBE_SECONDS)

    def _works(self, asked_at: float, now: float) -> None:
        self._failures = 0
        self._last_answer = now
        self._window = min(self._window + 1, self._width)
        # An answer to what was asked before the lane closed says nothing of now.
        if self.closed and asked_at >= self.closed.since:
            logger.info("SMS go on after %.0f s", now - self.closed.since)
            self.reopen()
            self.changed = True

    def _close(self, reason: str, asked_at: float, *, seconds: float, needs_help: bool = False) -> None:
        now = time.monotonic()
        if self.closed and self.closed.needs_help >= needs_help:
            if asked_at >= self.closed.since:
                self.closed.next_probe = max(self.closed.next_probe, now + seconds)
            return
        level = logging.ERROR if needs_help else logging.WARNING
        logger.log(level, "SMS are held up, next try in %.0f s: %s", seconds, masked(reason))
        self.closed = Closed(reason, needs_help, now, now + seconds, seconds)
        self._window = 1.0
        self._failures = 0
        self.changed = True
