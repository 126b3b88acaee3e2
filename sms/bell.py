"""Notifies the workers that a message is due, right after its transaction and not within it.

NOTIFY locks the whole server's queue from the commit until the commit is on disk: within the order's transaction it
made PostgreSQL commit one order at a time, a seventh of what it can. The row guarantees the SMS, the bell only makes
it fast: if a notification is lost (this process dies, the database goes away), the workers' next poll finds the row.
"""

import logging
import threading
import time

from django.db import DatabaseError, connection, transaction

from savannah.sql import fetch_one
from sms.outbox import QUERIES

logger = logging.getLogger(__name__)

# A pause after each notification: without it, under load, this thread would never stop and slow the orders down.
REST_SECONDS = 0.01


class Bell:
    """One thread per process, which sends one notification for all messages that became due since its last one."""

    def __init__(self) -> None:
        self._due = threading.Event()
        self._start = threading.Lock()
        self._thread: threading.Thread | None = None

    def ring(self) -> None:
        """Let the thread notify the workers; return at once."""
        self._due.set()
        if self._thread is None:
            with self._start:
                if self._thread is None:
                    self._thread = threading.Thread(target=self._ring_when_due, name="sms-bell", daemon=True)
                    self._thread.start()

    def _ring_when_due(self) -> None:
        while self._due.wait():
            self._due.clear()
            try:
                fetch_one(QUERIES.announce)
            except DatabaseError:
                pass  # the worker's next poll finds the row
            except Exception:
                logger.exception("the workers could not be told")
            time.sleep(REST_SECONDS)


_bell = Bell()


def ring_when_committed() -> None:
    """Notify the workers that a message is due, as soon as the transaction that queued it is committed."""
    if connection.in_atomic_block:
        transaction.on_commit(_bell.ring)
    else:
        _bell.ring()
