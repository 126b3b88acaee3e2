"""Django's PostgreSQL backend with its pool, and a check of pooled connections that asks the socket, not the server."""

from collections.abc import Callable
from queue import Empty, SimpleQueue
from typing import Any, ClassVar, TypeVar

import psycopg
from django.db.backends.base.base import NO_DB_ALIAS
from django.db.backends.postgresql.base import DatabaseWrapper as PostgresWrapper
from psycopg_pool import ConnectionPool

from savannah.postgres.connection import Connection

Row = TypeVar("Row")

PATIENCE_SECONDS = 0.25


class Pool(ConnectionPool[Connection]):
    """A process's connections. Short statements take turns: half of the connections are for those that have one.

    PostgreSQL does more with fewer statements at once, and to wait for a turn costs a request less than to wait for a
    connection does (docs/performance.md). It is no more than good manners: those whose turn is over may be held up by
    somebody's lock, so that nobody waits for them for long.
    """

    def __init__(self, *, max_size: int, **options: Any) -> None:
        super().__init__(max_size=max_size, **options)
        self._turns: SimpleQueue[None] = SimpleQueue()
        for _ in range(max(1, max_size // 2)):
            self._turns.put(None)

    def run(self, statement: Callable[[Connection], Row]) -> Row:
        """Run a statement on a connection that is borrowed for just as long; PoolTimeout when none comes free."""
        connection = self.getconn()
        try:
            return statement(connection)
        finally:
            self.putconn(connection)

    def run_short(self, statement: Callable[[Connection], Row]) -> Row:
        """As `run`, when it is this statement's turn, or after PATIENCE_SECONDS without one."""
        try:
            self._turns.get(timeout=PATIENCE_SECONDS)
        except Empty:
            return self.run(statement)
        try:
            return self.run(statement)
        finally:
            self._turns.put(None)


class DatabaseWrapper(PostgresWrapper):
    """Hands out no connection that its server has closed."""

    # django-stubs leaves these two out.
    _connection_pools: ClassVar[dict[str, Pool]]
    _configure_connection: Callable[[psycopg.Connection], None]

    @property
    def pool(self) -> Pool | None:
        """The process's pool, made when first asked for, as Django makes it but for the check."""
        if self.alias == NO_DB_ALIAS:
            return None
        if self.alias not in self._connection_pools:
            pool = Pool(
                connection_class=Connection,
                kwargs={**self.get_connection_params(), "autocommit": True},
                open=False,
                configure=self._configure_connection,
                check=raise_if_closed,
                **self.settings_dict["OPTIONS"]["pool"],
            )
            # Of several threads that come here at once, the first one's stays: a pool that is not open costs nothing.
            self._connection_pools.setdefault(self.alias, pool)
        return self._connection_pools[self.alias]


def raise_if_closed(connection: psycopg.Connection) -> None:
    """Raise OperationalError when the server has closed the connection, for the pool to take another one.

    libpq reads what has come in, without waiting: 2 us, where psycopg_pool's own check, an empty query, takes a round
    trip. What it reads first may be the server's farewell, so that only the second time it meets the end.
    """
    connection.pgconn.consume_input()
    connection.pgconn.consume_input()
