"""Many customers at once, from CSV or NDJSON: over HTTP and by `manage.py import_customers`."""

from collections.abc import Iterable

from customers.phones import PHONE_RULE, to_e164
from savannah.sql import load_queries
from savannah.uploads import Columns, Outcome, Row, load

QUERIES = load_queries(__file__)


def _read_phone(text: str) -> str:
    number = to_e164(text)
    if number is None:
        raise ValueError(PHONE_RULE)
    return number


COLUMNS = Columns(
    required=("code", "name", "phone_number"),
    ignored=("id", "created_at", "updated_at"),
    read={"phone_number": _read_phone},
)


def store_customers(rows: Iterable[tuple[int, Row]], *, skip: bool, update: bool) -> Outcome:
    """Store new customers. A code that is taken is refused, or with `update` gets the new name and phone number."""
    return load(rows, COLUMNS, judge=QUERIES.judge_customers, merge=QUERIES.merge_customers, skip=skip, update=update)
