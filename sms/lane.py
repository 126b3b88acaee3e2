"""The lane to the gateway: how many messages may be in flight at once, and when sending has to stop.

While it is open, its window limits the messages in flight. It closes when the gateway fails, is busy, or refuses all of
our messages. While it is closed, it lets one message through from time to time, as a probe. The first success opens it;
then the window starts at one and grows by one with each success.
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
    """Why the lane is closed, since when, and when the next probe may go; times are monotonic."""

    reason: str
    # Someone has to act (funds, sender name, API key); otherwise it recovers by itself.
    needs_help: bool
    since: float
    next_probe: float
    probe_every: float


class Lane:
    """What one worker knows about its gateway; it shares this with the other workers through PostgreSQL."""

    def __init__(self, width: int, *, pause_seconds: float) -> None:
        self._width = width
        self._window = float(width)
        self._pause_seconds = pause_seconds
        self._failures = 0
        self._last_answer = time.monotonic()
        self._opened_at = 0.0
        self.closed: Closed | None = None
        # Whether the other workers must still be told that it closed or opened.
        self.changed = False

    @property
    def reserved(self) -> int:
        """How many places are only for new orders, so that a backlog does not delay them."""
        return 0 if self.closed else int(self._window) // 4

    def room(self, asked: Collection[float]) -> int:
        """Return how many more messages may be claimed; `asked` has the start time of each send in flight."""
        now = time.monotonic()
        self._notice_silence(asked, now)
        if self.closed is None:
            # Sends from before the lane last opened may hang, and must not take the places of others.
            return max(0, int(self._window) - sum(when >= self._opened_at for when in asked))
        if now < self.closed.next_probe:
            return 0
        self.closed.next_probe = now + self.closed.probe_every
        if not self.closed.needs_help:
            self.closed.probe_every = min(self.closed.probe_every * 2, LAST_PROBE_SECONDS)
        return 1

    def answered(self, reply: Reply, asked_at: float) -> None:
        """Record what a reply says about the gateway."""
        now = time.monotonic()
        match reply.says:
            case Says.WORKS:
                self._works(asked_at, now)
            case Says.REFUSES:
                self._close(reply.reason, asked_at, seconds=self._pause_seconds, needs_help=True)
            case Says.BUSY:
                asked = BUSY_SECONDS if reply.retry_after is None else reply.retry_after
                # With 0 seconds all messages would pass: a closed lane does not count the sends in flight.
                seconds = max(asked, FIRST_PROBE_SECONDS)
                # Random, so that the workers do not all try at the same moment.
                self._close(reply.reason, asked_at, seconds=seconds * random.uniform(1, 1.2))  # noqa: S311 - no secret
            case Says.FAILS:
                self._failures += 1
                if self._failures >= FAILURES_TO_CLOSE or self.closed:
                    self._close(reply.reason, asked_at, seconds=FIRST_PROBE_SECONDS)

    def adopt(self, *, seconds: float, reason: str, needs_help: bool) -> None:
        """Learn from another worker that the gateway does not work, and may be tried again in `seconds`."""
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
        # A reply to a send from before the lane closed does not say that the gateway works now.
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
        # /readyz shows it to everybody.
        reason = masked(reason)
        logger.log(level, "SMS are held up, next try in %.0f s: %s", seconds, reason)
        self.closed = Closed(reason, needs_help, now, now + seconds, seconds)
        self._window = 1.0
        self._failures = 0
        self.changed = True
