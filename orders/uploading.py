"""Many orders at once, from CSV or NDJSON: over HTTP and by `manage.py import_orders`."""

from collections.abc import Iterable
from datetime import UTC, datetime

from django.conf import settings

from orders.placing import QUERIES, sms_template
from savannah.sql import only
from savannah.uploads import Columns, Outcome, Row, load
from sms import bell


def _read_time(text: str) -> str:
    try:
        time = datetime.fromisoformat(text)
        # The time has to be within Python's range in UTC, too, because the admin reads it back.
        return (time if time.tzinfo else time.replace(tzinfo=UTC)).astimezone(UTC).isoformat()
    except (ValueError, OverflowError):
        raise ValueError("must be a time such as 2025-09-20T11:00:00Z.") from None


COLUMNS = Columns(
    required=("customer_code", "item", "amount"),
    optional=("order_time",),
    ignored=("id", "created_at", "customer_id", "customer_name", "customer_phone", "sms_status"),
    numbers=("amount",),
    read={"order_time": _read_time},
)


def store_orders(rows: Iterable[tuple[int, Row]], *, skip: bool, notify: bool) -> Outcome:
    """Store orders; with `notify`, each queues its SMS like any other."""
    outcome = load(
        rows,
        COLUMNS,
        judge=QUERIES.judge_orders,
        merge=only(QUERIES.merge_orders, frozenset(["notify"] if notify else [])),
        skip=skip,
        template=sms_template(),
        currency=settings.SMS_CURRENCY,
        transliterate=settings.SMS_TRANSLITERATE,
    )
    if notify and outcome.created:
        bell.ring_when_committed()
    return outcome
