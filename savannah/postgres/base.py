"""Django's PostgreSQL backend, with a pool that checks a connection by its socket, without asking the server."""

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
# On an SSD, and in memory, a page from anywhere costs hardly more than the next one. With PostgreSQL's own 4, for hard
# disks, a list may read 400,000 rows in a row instead of 7,000 by an index (docs/performance.md).
PLAN_FOR_SSD = "SET random_page_cost = 1.1"


class Pool(ConnectionPool[Connection]):
    """A process's connections. Short statements take turns: as many run at the same time as half of the connections.

    PostgreSQL gets more done with fewer concurrent statements, and waiting for a turn costs a request less than waiting
    for a connection (docs/performance.md). No statement waits for its turn longer than PATIENCE_SECONDS, because those
    that run may be blocked by a lock.
    """

    def __init__(self, *, max_size: int, **options: Any) -> None:
        super().__init__(max_size=max_size, **options)
        self._turns: SimpleQueue[None] = SimpleQueue()
        for _ in range(max(1, max_size // 2)):
            self._turns.put(None)

    def run(self, statement: Callable[[Connection], Row]) -> Row:
        """Run a statement on a connection that is borrowed for it; PoolTimeout when none becomes free."""
        connection = self.getconn()
        try:
            return statement(connection)
        finally:
            self.putconn(connection)

    def run_short(self, statement: Callable[[Connection], Row]) -> Row:
        """Like `run`, when it is this statement's turn, or after waiting PATIENCE_SECONDS for it."""
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
        """The process's pool, created at its first use; as Django creates it, except for its class and its check."""
        if self.alias == NO_DB_ALIAS:
            return None
        if self.alias not in self._connection_pools:
            pool = Pool(
                connection_class=Connection,
                kwargs={**self.get_connection_params(), "autocommit": True},
                open=False,
                configure=self._configure,
                check=raise_if_closed,
                **self.settings_dict["OPTIONS"]["pool"],
            )
            # If several threads create a pool at the same time, the first one is kept. An unopened pool costs nothing.
            self._connection_pools.setdefault(self.alias, pool)
        return self._connection_pools[self.alias]

    def _configure(self, connection: psycopg.Connection) -> None:
        connection.execute(PLAN_FOR_SSD)
        self._configure_connection(connection)


def raise_if_closed(connection: psycopg.Connection) -> None:
    """Raise OperationalError when the server has closed the connection, so that the pool takes another one.

    libpq reads what has arrived, without waiting. This takes 2 us; psycopg_pool's own check, an empty query, takes a
    round trip. The first read may return the server's last message, so that only the second one finds the end.
    """
    connection.pgconn.consume_input()
    connection.pgconn.consume_input()
