"""Django's PostgreSQL backend for the embedded server in the data folder, which the first connection starts."""

import atexit
import threading
from functools import cache
from typing import Any

from django.conf import settings
from django.db import connections

from savannah.embedded.server import ensure_database, start_server
from savannah.postgres.base import DatabaseWrapper as PostgresWrapper


class DatabaseWrapper(PostgresWrapper):
    """At the first connection, starts the embedded server unless it runs, and creates the database."""

    def get_connection_params(self) -> dict[str, Any]:
        """Return psycopg's parameters, with the embedded server's socket folder as the host."""
        with _starting:
            return {**super().get_connection_params(), "host": _ready_server()}


# Threads that connect at the same time must start only one server; the wheel's file lock does not work between threads.
_starting = threading.Lock()


@cache
def _ready_server() -> str:
    socket_dir = start_server(settings.DATA_DIR)
    # What is registered last ends first: the pool before the server. A connection that the pool is still opening would
    # be logged as lost.
    atexit.register(_close_pool)
    ensure_database(socket_dir, settings.POSTGRES_DB)
    return socket_dir


def _close_pool() -> None:
    connections["default"].close_pool()  # type: ignore[attr-defined]
