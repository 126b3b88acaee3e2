"""PostgreSQL's plans of prepared statements, which the service uses."""

from collections.abc import Iterator, Mapping
from typing import Any

import psycopg
from django.db import connection


def explained(text: str, values: Mapping[str, Any], *, mode: str) -> dict[str, Any]:
    """Execute a statement of queries.sql in the current transaction, and return its plan (EXPLAIN, FORMAT JSON).

    `mode` is a plan_cache_mode: force_generic_plan, or force_custom_plan.
    """
    used = [name for name in values if f"%({name})s" in text]
    numbered = text % {name: f"${number}" for number, name in enumerate(used, 1)}
    with psycopg.ClientCursor(connection.connection) as cursor:
        cursor.execute(f"SET LOCAL plan_cache_mode = {mode}")
        cursor.execute(f"PREPARE asked AS {numbered}")
        given = ", ".join(f"%({name})s" for name in used)
        cursor.execute(f"EXPLAIN (ANALYZE, FORMAT JSON) EXECUTE asked({given})", values)
        plan = cursor.fetchone()[0][0]["Plan"]
        cursor.execute("DEALLOCATE asked")
    return plan


def steps(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Each step of a plan."""
    yield plan
    for part in plan.get("Plans", []):
        yield from steps(part)
