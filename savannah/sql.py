"""Raw SQL, in one `queries.sql` per app: each statement has a name, a line on what it does, and `:name` parameters."""

import re
from collections.abc import Mapping
from contextvars import ContextVar
from functools import lru_cache
from pathlib import Path
from typing import Any

from django.db import DEFAULT_DB_ALIAS, connection, connections
from psycopg.conninfo import make_conninfo

from savannah.postgres.base import Pool
from savannah.postgres.connection import text_of

# Who makes this request, in the audit's format; statements that write pass it to acting(:actor).
ACTOR: ContextVar[str | None] = ContextVar("ACTOR", default=None)

_HEADER = re.compile(r"^-- name: (\w+)$", re.MULTILINE)
_PARAMETER = re.compile(r"(?<![:\w]):([a-z_]+)")


class Queries:
    """The statements of one file as attributes, in psycopg's notation: `%(name)s` for `:name`."""

    def __init__(self, statements: Mapping[str, str]) -> None:
        self.statements = statements

    def __getattr__(self, name: str) -> str:
        try:
            return self.statements[name]
        except KeyError:
            raise AttributeError(f"no statement is named {name}") from None


def load_queries(beside: str) -> Queries:
    """Read the `queries.sql` in the folder of the module `beside` (its `__file__`)."""
    _, *parts = _HEADER.split(Path(beside).with_name("queries.sql").read_text())
    return Queries({name: _to_psycopg(text) for name, text in zip(parts[::2], parts[1::2], strict=True)})


def _to_psycopg(text: str) -> str:
    lines = [line for line in text.splitlines() if line and not line.startswith("--")]
    return _PARAMETER.sub(r"%(\1)s", "\n".join(lines).replace("%", "%%")).rstrip(";")


@lru_cache(maxsize=1000)
def only(statement: str, wanted: frozenset[str]) -> str:
    """Return a statement without those of its `-- if NAME ...` lines of which a name is not wanted.

    `!NAME` means that NAME must not be wanted. So one statement of `queries.sql` serves every filter and order, and
    PostgreSQL plans only what was asked for.
    """
    parts = [line.partition("-- if ") for line in statement.split("\n")]
    return "\n".join(text for text, _, names in parts if all(_is_wanted(name, wanted) for name in names.split()))


def _is_wanted(name: str, wanted: frozenset[str]) -> bool:
    return name[1:] not in wanted if name.startswith("!") else name in wanted


def fetch_one(statement: str, **parameters: Any) -> tuple[Any, ...] | None:
    """Run a statement of `queries.sql` and return its first row, or None. The parameter :actor is filled in.

    It runs on this thread's connection, if one is open, and so in its transaction. Otherwise it borrows a connection
    from the pool for this statement only.
    """
    values = {"actor": ACTOR.get(), **parameters}
    database: Any = connections[DEFAULT_DB_ALIAS]
    if database.connection is None:
        with database.wrap_database_errors:
            return _pool_of(database).run_short(lambda borrowed: borrowed.fetch_row(statement, values))
    with database.cursor() as cursor:
        cursor.execute(statement, values)
        row: tuple[Any, ...] | None = cursor.fetchone()
        return row


def fetch_text(statement: str, *, for_values: bool = False, **parameters: Any) -> tuple[bytes | None, ...] | None:
    """Like `fetch_one`, with each column as PostgreSQL's text in UTF-8, so that long texts are not decoded.

    `for_values`: on a borrowed connection, PostgreSQL plans the statement for these parameters only.
    """
    database: Any = connections[DEFAULT_DB_ALIAS]
    if database.connection is None:
        with database.wrap_database_errors:
            return _pool_of(database).run(
                lambda borrowed: borrowed.fetch_text(statement, parameters, for_values=for_values)
            )
    with database.cursor() as cursor:
        cursor.execute(statement, parameters)
        return text_of(cursor.pgresult) if cursor.rowcount else None


def _pool_of(database: Any) -> Pool:
    pool: Pool = database.pool
    if pool.closed:
        pool.open()
    return pool


def fetch_value(statement: str, **parameters: Any) -> Any:
    """Run a statement of `queries.sql` and return the first column of its first row, or None without a row."""
    row = fetch_one(statement, **parameters)
    return row[0] if row else None


def execute(statement: str, **parameters: Any) -> int:
    """Run a statement of `queries.sql` that returns no row, and return how many it has written or deleted."""
    with connection.cursor() as cursor:
        cursor.execute(statement, {"actor": ACTOR.get(), **parameters})
        count: int = cursor.rowcount
        return count


def conninfo(application_name: str) -> str:
    """Return libpq's connection string of Django's database, for connections outside of the pool (LISTEN, backups).

    `application_name` is what pg_stat_activity shows.
    """
    parameters = connection.get_connection_params()
    address = {name: str(parameters[name]) for name in _OF_LIBPQ if parameters.get(name)}
    return make_conninfo(**address, application_name=application_name)


_OF_LIBPQ = (
    *("host", "port", "dbname", "user", "password", "connect_timeout"),
    *("keepalives_idle", "keepalives_interval", "keepalives_count", "tcp_user_timeout"),
)
