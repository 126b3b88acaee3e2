"""What the web side asks of the outbox."""

from uuid import UUID

from savannah.sql import fetch_one, fetch_value, load_queries

QUERIES = load_queries(__file__)
# What a worker's listening connection calls itself: one for each worker that is ready to send.
LISTENER_NAME = "savannah sms worker"


def message_state(message_id: UUID) -> str:
    """Return the state of a message; one that is gone was cancelled."""
    return fetch_value(QUERIES.get_state, id=message_id) or "cancelled"


def oldest_due_seconds() -> float | None:
    """Return for how many seconds the oldest open message has been due, or None when none is."""
    seconds: float | None = fetch_value(QUERIES.oldest_due_seconds)
    return seconds


def count_workers() -> int:
    """Return how many workers, on whatever host, listen for messages."""
    workers: int = fetch_value(QUERIES.count_workers, name=LISTENER_NAME)
    return workers


def read_figures() -> str:
    """Return the figures of /metrics as JSON text."""
    figures: str = fetch_value(QUERIES.read_figures, name=LISTENER_NAME)
    return figures


def resend(message_id: UUID) -> bool:
    """Queue a message again; False when that is not possible: it is on its way, withdrawn, or its number opted out."""
    everything = dict.fromkeys(("states", "older_than", "newer_than"))
    count, _ = fetch_one(QUERIES.resend, ids=[message_id], started="infinity", chunk=1, **everything) or (0, None)
    return bool(count)


def cancel(message_id: UUID) -> bool:
    """Call a message off; False when it is too late."""
    return fetch_value(QUERIES.cancel, id=message_id) is not None
