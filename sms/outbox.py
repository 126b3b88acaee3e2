"""The outbox as the web processes use it, and what they share with the worker."""

from collections.abc import Sequence
from uuid import UUID

from django.conf import settings

from savannah.sql import fetch_one, fetch_value, load_queries

QUERIES = load_queries(__file__)
# The application_name of a worker's listening connection: counting these connections counts the workers.
LISTENER_NAME = "savannah sms worker"


def hold_seconds() -> float | None:
    """Return how many seconds an unknown message waits for a report before it is sent again; None: never again."""
    return float(settings.SMS_UNKNOWN_HOLD_SECONDS) if settings.SMS_RESEND_UNKNOWN else None


def message_state(message_id: UUID) -> str:
    """Return the state of a message; "cancelled" if the row is gone."""
    return fetch_value(QUERIES.get_state, id=message_id) or "cancelled"


def oldest_due_seconds() -> float | None:
    """Return for how many seconds the oldest open message has been due, or None if none is due."""
    seconds: float | None = fetch_value(QUERIES.oldest_due_seconds)
    return seconds


def count_workers() -> int:
    """Return how many workers, on any host, listen for messages."""
    workers: int = fetch_value(QUERIES.count_workers, name=LISTENER_NAME)
    return workers


def read_figures() -> str:
    """Return the figures of /metrics as JSON text."""
    figures: str = fetch_value(QUERIES.read_figures, name=LISTENER_NAME)
    return figures


def holds_up() -> list[dict[str, object]]:
    """Return the current pauses of sending: reason, needs_help, since, next_try; empty if there are none."""
    pauses: list[dict[str, object]] = fetch_value(QUERIES.list_pauses)
    return pauses


def record_report(*, provider_id: str, status: str, phone_number: str, failure_reason: str, network_code: str) -> None:
    """Store a delivery report once, and update its message if it is known already."""
    fetch_one(
        QUERIES.record_report,
        provider_id=provider_id,
        status=status,
        phone_number=phone_number,
        failure_reason=failure_reason,
        network_code=network_code,
    )


def record_opt_out(*, phone_number: str, sender_id: str) -> None:
    """Store that this number (E.164) gets no more SMS; cancel what is queued for it."""
    fetch_one(QUERIES.opt_out, phone_number=phone_number, sender_id=sender_id)


def resend(message_ids: Sequence[UUID]) -> int:
    """Queue these messages again, except those queued, being sent, withdrawn or opted out; return how many."""
    count: int = fetch_value(QUERIES.resend_messages, ids=list(message_ids))
    return count


def cancel(message_id: UUID) -> bool:
    """Cancel a message; return False if it is no longer queued."""
    return fetch_value(QUERIES.cancel, id=message_id) is not None
