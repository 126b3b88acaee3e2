"""The lane to one gateway: how many messages may be on their way, and when none may.

Open, it lets as many pass as the window is wide. Closed - the gateway fails, is busy, or refuses all of us - it lets
one message through now and then, newest first, to see; the first good answer opens it, and the window grows from there.
"""

import logging
import random
import re
import time
from dataclasses import dataclass

from sms.gateway import Reply, Says

logger = logging.getLogger(__name__)

FAILURES_TO_CLOSE = 10
SILENCE_TO_CLOSE = 5.0
FIRST_PROBE_SECONDS = 1.0
LAST_PROBE_SECONDS = 5.0
BUSY_SECONDS = 5.0


def masked(reason: str) -> str:
    """Return a gateway's words without what may be a phone number."""
    return re.sub(r"\d{6,}", "***", reason)


@dataclass
class Closed:
    """Why the lane is closed, since when, and when the next message may try (monotonic times)."""

    reason: str
    needs_help: bool
    since: float
    next_probe: float
    probe_every: float


class Lane:
    """What one worker knows of the way to its gateway. The worker shares it with the others through PostgreSQL."""

    def __init__(self, width: int, *, pause_seconds: float) -> None:
        self._width = width
        self._window = float(width)
        self._pause_seconds = pause_seconds
        self._failures = 0
        self._last_answer = time.monotonic()
        self.closed: Closed | None = None
        # Whether the others have yet to be told.
        self.changed = False

    def room(self, asked: list[float]) -> int:
        """Return how many more messages may be claimed; `asked` are the times of those on their way."""
        now = time.monotonic()
        self._notice_silence(asked, now)
        if self.closed:
            if now < self.closed.next_probe:
                return 0
            self.closed.next_probe = now + self.closed.probe_every
            self.closed.probe_every = min(self.closed.probe_every * 2, max(LAST_PROBE_SECONDS, self._pause_seconds))
            return 1
        # What still hangs from before the lane was last closed holds nobody up.
        return int(self._window) - sum(when >= self._opened_after for when in asked)

    _opened_after = 0.0

    @property
    def reserved(self) -> int:
        """How many of the room are for new orders alone."""
        return 0 if self.closed else int(self._window) // 4

    def answered(self, reply: Reply, asked_at: float) -> None:
        """Take note of what a reply says of the gateway."""
        now = time.monotonic()
        if reply.says is Says.WORKS:
            self._works(asked_at, now)
        elif reply.says is Says.REFUSES:
            self._close(reply.reason, asked_at, seconds=self._pause_seconds, needs_help=True)
        elif reply.says is Says.BUSY:
            self._last_answer = now
            seconds = BUSY_SECONDS if reply.retry_after is None else reply.retry_after
            # Not all workers at the same moment.
            self._close(reply.reason, asked_at, seconds=seconds * random.uniform(1, 1.2))  # noqa: S311
        else:
            self._failures += 1
            if self._failures >= FAILURES_TO_CLOSE:
                self._close(reply.reason, asked_at, seconds=FIRST_PROBE_SECONDS)

    def adopt(self, *, seconds: float, reason: str, needs_help: bool) -> None:
        """Learn from another worker that the lane is closed."""
        if self.closed is None:
            now = time.monotonic()
            self.closed = Closed(reason, needs_help, now, now + seconds, LAST_PROBE_SECONDS)

    def reopen(self) -> None:
        """Learn from another worker that the gateway works again."""
        self.closed = None

    def _notice_silence(self, asked: list[float], now: float) -> None:
        if not self.closed and len(asked) >= FAILURES_TO_CLOSE:
            silent_since = max(self._last_answer, min(asked))
            if now - silent_since > SILENCE_TO_CLOSE:
                self._close(f"no answer for {SILENCE_TO_CLOSE:.0f} s", now, seconds=FIRST_PROBE_SECONDS)

    def _works(self, asked_at: float, now: float) -> None:
        self._failures = 0
        self._last_answer = now
        self._window = min(self._window + 1, self._width)
        # An answer to what was asked before it closed says nothing of now.
        if self.closed and asked_at >= self.closed.since:
            logger.info("SMS go on after %.0f s", now - self.closed.since)
            self._opened_after = self.closed.since
            self.closed = None
            self.changed = True

    def _close(self, reason: str, asked_at: float, *, seconds: float, needs_help: bool = False) -> None:
        now = time.monotonic()
        if self.closed and (asked_at < self.closed.since or needs_help <= self.closed.needs_help):
            # Known already; a probe that fails only puts the next one off when the gateway says for how long.
            self.closed.next_probe = max(
                self.closed.next_probe, now + (0 if reason == "" else min(seconds, LAST_PROBE_SECONDS))
            )
            return
        level = logging.ERROR if needs_help else logging.WARNING
        logger.log(level, "SMS are held up, next try in %.0f s: %s", seconds, masked(reason))
        self.closed = Closed(reason, needs_help, now, now + seconds, max(seconds, FIRST_PROBE_SECONDS))
        self._window = 1.0
        self._failures = 0
        self.changed = True
