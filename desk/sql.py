"""The desk's statements, and rows as dictionaries, for the templates."""

from typing import Any
from uuid import UUID

from django.db import connection, transaction

from savannah.sql import fetch_value, load_queries

QUERIES = load_queries(__file__)


def fetch_all(statement: str, **parameters: Any) -> list[dict[str, Any]]:
    """Run a statement and return its rows by column name."""
    with connection.cursor() as cursor:
        cursor.execute(statement, parameters)
        names = [column.name for column in cursor.description]
        return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]


def fetch_row(statement: str, **parameters: Any) -> dict[str, Any] | None:
    """Run a statement and return its first row by column name, or None."""
    rows = fetch_all(statement, **parameters)
    return rows[0] if rows else None


def delete_customer(customer_id: UUID) -> UUID | None:
    """Delete a customer with all orders, to be restored within a day; return the id for that, None if there is none."""
    with transaction.atomic():
        fetch_value(QUERIES.hold_customer, id=customer_id)
        way_back: UUID | None = fetch_value(QUERIES.delete_customer, id=customer_id)
        return way_back
