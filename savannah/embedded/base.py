"""Django's PostgreSQL backend, in front of a server in the data folder that starts with the first connection."""

import threading
from functools import cache
from typing import Any

from django.conf import settings

from savannah.embedded.server import ensure_database, start_server
from savannah.postgres.base import DatabaseWrapper as PostgresWrapper


class DatabaseWrapper(PostgresWrapper):
    """Finds (and when need be starts) the embedded server, and makes the database at the first connection."""

    def get_connection_params(self) -> dict[str, Any]:
        """Return psycopg's parameters, with the embedded server's socket folder as the host."""
        with _starting:
            return {**super().get_connection_params(), "host": _ready_server()}


# Threads that connect at once start one server: the wheel's own file lock does not hold between threads.
_starting = threading.Lock()


@cache
def _ready_server() -> str:
    socket_dir = start_server(settings.DATA_DIR)
    ensure_database(socket_dir, settings.POSTGRES_DB)
    return socket_dir
