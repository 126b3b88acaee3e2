"""The bounded wait: a request may wait briefly for its SMS, and never so many at once that the API stops."""

import logging
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from uuid import UUID

import psycopg
from django.conf import settings
from django.db import DatabaseError

from savannah.metrics import WAITERS
from savannah.sql import conninfo
from sms.outbox import message_state

logger = logging.getLogger(__name__)

SENT_STATES = ("accepted", "delivered")
MISSES_BEFORE_PAUSE = 3
PAUSE_SECONDS = 5.0


class Outcome:
    """The state of one message, once known; `awaited`: a request waits for it."""

    def __init__(self, message_id: UUID, room: "WaitingRoom", *, awaited: bool) -> None:
        self.message_id = message_id
        self.state = "queued"
        self.awaited = awaited
        self._room = room
        self._known = threading.Event()

    def tell(self, state: str) -> None:
        """Wake the request that waits."""
        self.state = state
        self._known.set()

    def wait(self) -> str:
        """Return the message's state; if it is awaited, wait until it is known, at most SMS_WAIT_SECONDS."""
        if self.awaited:
            known = self._known.wait(settings.SMS_WAIT_SECONDS)
            if not known:
                self.state = self._look_up()
            # A cancelled message says nothing about the gateway.
            if self.state != "cancelled":
                self._room.note(missed=not known and self.state not in SENT_STATES)
        return self.state

    def _look_up(self) -> str:
        # The notification may have been lost with the listener's connection, so read the row.
        with suppress(DatabaseError):
            return message_state(self.message_id)
        # The order is committed, even if PostgreSQL fails now, and its SMS is queued.
        return "queued"


class WaitingRoom:
    """Limits who may wait: half of the threads; after some misses in a row one request per pause, until one succeeds.

    The semaphore is the limit that matters. The other fields change without a lock: at worst a few requests too many
    wait, or none does for one pause. Each pause ends by itself, the next success resets the misses, and every enter()
    is followed by its leave(), so that _one_tries cannot stay set.
    """

    def __init__(self, seats: int) -> None:
        self._seats = threading.BoundedSemaphore(seats)
        self._misses = 0
        self._closed_until = 0.0
        self._one_tries = False

    def enter(self) -> bool:
        """Take a seat; return False if none is free, or during a pause."""
        if time.monotonic() < self._closed_until:
            return False
        if self._misses >= MISSES_BEFORE_PAUSE:
            # This request tries; the next one may try after another pause.
            self._closed_until = time.monotonic() + PAUSE_SECONDS
        seated = self._seats.acquire(blocking=False)
        if seated:
            self._one_tries = self._misses >= MISSES_BEFORE_PAUSE
            WAITERS.inc()
        return seated

    def leave(self) -> None:
        """Give the seat back."""
        self._one_tries = False
        WAITERS.dec()
        self._seats.release()

    def note(self, *, missed: bool) -> None:
        """Count a miss, or reset the count after a success."""
        self._misses = self._misses + 1 if missed else 0
        self._closed_until = time.monotonic() + PAUSE_SECONDS if self._misses >= MISSES_BEFORE_PAUSE else 0.0

    def hear_of_success(self) -> None:
        """Let one request try now, unless one does: the gateway has accepted a message of any request."""
        if not self._one_tries:
            self._closed_until = 0.0


class Listener:
    """One connection per process, which hears of every outcome and wakes the request that waits for it."""

    def __init__(self) -> None:
        self._waiting: dict[str, Outcome] = {}
        self._start = threading.Lock()
        self._thread: threading.Thread | None = None

    def register(self, outcome: Outcome) -> None:
        """Expect a notification of this outcome; the first call starts the thread that listens."""
        self._waiting[str(outcome.message_id)] = outcome
        if self._thread is None:
            self._begin()

    def forget(self, outcome: Outcome) -> None:
        """Stop expecting a notification."""
        self._waiting.pop(str(outcome.message_id), None)

    def _begin(self) -> None:
        with self._start:
            if self._thread is None:
                listening = threading.Event()
                self._thread = threading.Thread(target=self._listen, args=[listening], name="sms-outcomes", daemon=True)
                self._thread.start()
                listening.wait(1.0)

    def _listen(self, listening: threading.Event) -> None:
        while True:
            try:
                self._hear(listening)
            except psycopg.Error as error:
                logger.warning("the SMS listener lost its connection (%s)", type(error).__name__)
            except Exception:
                logger.exception("the SMS listener failed")
            time.sleep(0.5)

    def _hear(self, listening: threading.Event) -> None:
        with psycopg.connect(conninfo("savannah web"), autocommit=True) as listener:
            listener.execute("LISTEN sms_outcome")
            listening.set()
            for notice in listener.notifies():
                message_id, state = notice.payload.split(" ")
                if state in SENT_STATES:
                    _room.hear_of_success()
                outcome = self._waiting.get(message_id)
                if outcome:
                    outcome.tell(state)


_listener = Listener()
_room = WaitingRoom(max(1, settings.WEB_THREADS // 2))


@contextmanager
def for_outcome(message_id: UUID, *, wait: bool) -> Iterator[Outcome]:
    """Expect the outcome of a message that is about to be committed; do not wait without `wait` or a free seat."""
    awaited = wait and settings.SMS_WAIT_SECONDS > 0 and _room.enter()
    outcome = Outcome(message_id, _room, awaited=awaited)
    if not awaited:
        yield outcome
        return
    try:
        _listener.register(outcome)
        yield outcome
    finally:
        _listener.forget(outcome)
        _room.leave()
