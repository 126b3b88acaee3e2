"""Indexes of big tables, built while the service writes to them."""

from collections.abc import Sequence

from django.db.migrations.operations.base import Operation
from django.db.migrations.operations.special import RunSQL

# An interrupted build leaves an invalid index: no query uses it, and IF NOT EXISTS would keep it.
_DROP_INVALID = """
DO $$
BEGIN
    IF EXISTS (SELECT FROM pg_index WHERE indexrelid = to_regclass('{name}') AND NOT indisvalid) THEN
        DROP INDEX {name};
    END IF;
END
$$
"""


def building(name: str, definition: str) -> tuple[str, str]:
    """Return the statements that build an index; `definition` is what follows ON. Run each outside of a transaction.

    A valid index that exists already is kept, so that an interrupted migration can continue where it was.
    """
    return _DROP_INVALID.format(name=name), f"CREATE INDEX CONCURRENTLY IF NOT EXISTS {name} ON {definition}"


def index(name: str, definition: str, state: Sequence[Operation] = ()) -> RunSQL:
    """Return the operation that builds an index, for a migration with `atomic = False`.

    `state` is the AddIndex of an index that a model names.
    """
    return RunSQL(building(name, definition), f"DROP INDEX IF EXISTS {name}", state_operations=state)


def no_index(name: str, definition: str, state: Sequence[Operation] = ()) -> RunSQL:
    """Return the operation that drops a redundant index; its reverse builds the index again.

    `state` is the RemoveIndex of an index that a model named.
    """
    return RunSQL(
        f"DROP INDEX CONCURRENTLY IF EXISTS {name}", list(building(name, definition)), state_operations=list(state)
    )
