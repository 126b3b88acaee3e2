"""Indexes of big tables, built while the service writes to them."""

from collections.abc import Sequence

from django.db.migrations.operations.base import Operation
from django.db.migrations.operations.special import RunSQL

# What a build that broke off has left: it serves no query, and stands in the way of the next attempt.
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
    """Return the statements that build an index, given what follows ON; each on its own, in no transaction.

    An index that is there already is left alone: a migration that broke off goes on where it was.
    """
    return _DROP_INVALID.format(name=name), f"CREATE INDEX CONCURRENTLY IF NOT EXISTS {name} ON {definition}"


def index(name: str, definition: str, state: Sequence[Operation] = ()) -> RunSQL:
    """Return the operation that builds an index, for a migration with `atomic = False`.

    `state` is the AddIndex of an index that a model names.
    """
    return RunSQL(building(name, definition), f"DROP INDEX IF EXISTS {name}", state_operations=state)


def no_index(name: str, definition: str, state: Sequence[Operation] = ()) -> RunSQL:
    """Return the operation that drops an index which another one makes needless; backwards, it is built again.

    `state` is the RemoveIndex of an index that a model named.
    """
    return RunSQL(
        f"DROP INDEX CONCURRENTLY IF EXISTS {name}", list(building(name, definition)), state_operations=list(state)
    )
