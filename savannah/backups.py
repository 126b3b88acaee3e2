"""Backups: a consistent dump while the service runs, verified by a trial restore; and restoring a dump."""

import os
import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path

import psycopg
from django.db import DatabaseError, connection
from psycopg import IsolationLevel, sql

from savannah.programs import administer, run, scratch_database, start
from savannah.sql import conninfo, load_queries

QUERIES = load_queries(__file__)
Say = Callable[[str], object]

_PROGRESS = re.compile(r'(?:dumping contents of|processing data for) table "(?:public\.)?([^"]+)"')


class BackupError(Exception):
    """What went wrong, in a sentence."""


def back_up(path: Path, say: Say) -> Mapping[str, int]:
    """Write a dump to `path` (pg_dump's custom format), verify it by a trial restore, return each table's row count.

    Only its owner can read the file, which gets its final name after the trial restore has succeeded. Rows are counted
    in the dump's own snapshot, so concurrent writes are neither dumped nor counted.
    """
    draft = path.with_name(f"{path.name}.unproven")
    os.close(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600))
    with psycopg.connect(conninfo("savannah backup")) as snapshot:
        snapshot.isolation_level = IsolationLevel.REPEATABLE_READ
        (name,) = snapshot.execute("SELECT pg_export_snapshot()").fetchone() or ("",)
        rows = _count_rows(snapshot)
        say(f"Dumping {sum(rows.values()):,} rows of {len(rows)} tables to {draft}.")
        options = ("--format=custom", "--no-owner", "--no-privileges", f"--snapshot={name}", f"--file={draft}")
        _follow("pg_dump", *options, rows=rows, say=say)
    say(f"Dumped {draft.stat().st_size:,} bytes. Restoring them on trial.")
    with scratch_database() as scratch:
        _load(draft, scratch, rows=rows, say=say)
        found = _count_rows_of(scratch)
    if found != rows:
        different = sorted(table for table in {*rows, *found} if rows.get(table) != found.get(table))
        raise BackupError(f"The trial gave other rows in {', '.join(different)}; {draft} is kept to look at.")
    draft.replace(path)
    return rows


def restore(path: Path, say: Say) -> str:
    """Load a dump into a new database, then swap it with ours; return the new name of our old database.

    A failure leaves our database unchanged. The swap terminates all connections; clients reconnect.
    """
    ours = connection.settings_dict["NAME"]
    stamp = f"{datetime.now(UTC):%Y%m%d_%H%M%S}"
    new, old = f"{ours}_restored_{stamp}", f"{ours}_before_{stamp}"
    administer("CREATE DATABASE {} TEMPLATE template0", new)
    try:
        _load(path, new, rows={}, say=say)
    except BackupError:
        administer("DROP DATABASE {} WITH (FORCE)", new)
        raise
    say(f"Restored {sum(_count_rows_of(new).values()):,} rows. Putting them in place.")
    try:
        _exchange(ours, new, old)
    except DatabaseError as error:
        administer("ALTER DATABASE {} ALLOW_CONNECTIONS true", ours)
        administer("DROP DATABASE {} WITH (FORCE)", new)
        raise BackupError(f"The databases could not be exchanged: {error}") from None
    return old


def _exchange(ours: str, new: str, old: str) -> None:
    """Give our database the name `old`, and the new one the name of ours."""
    connection.close()
    connection.close_pool()  # type: ignore[attr-defined]
    administer("ALTER DATABASE {} ALLOW_CONNECTIONS false", ours)
    with connection._nodb_cursor() as cursor:
        cursor.execute(QUERIES.cut_connections, {"database": ours})
    # Sent as one message, this is one transaction: our name always exists, so no process creates an empty database.
    administer(
        "ALTER DATABASE {} RENAME TO {}; ALTER DATABASE {} RENAME TO {}; ALTER DATABASE {} ALLOW_CONNECTIONS true",
        *(ours, old),
        *(new, ours),
        old,
    )


def _load(path: Path, database: str, *, rows: Mapping[str, int], say: Say) -> None:
    _follow("pg_restore", "--exit-on-error", "--no-owner", f"--dbname={database}", str(path), rows=rows, say=say)
    run("psql", "--quiet", "--command", "ANALYZE", database=database)


def _follow(name: str, *arguments: str, rows: Mapping[str, int], say: Say) -> None:
    """Run pg_dump or pg_restore, and report the table it is working on."""
    process = start(name, "--verbose", *arguments)
    last = ""
    with process:
        for last in process.stderr or ():
            if found := _PROGRESS.search(last):
                table = found[1]
                say(f"  {table}: {rows[table]:,} rows" if table in rows else f"  {table}")
    if process.returncode:
        raise BackupError(f"{name}: {last.strip()}")


def _count_rows_of(database: str) -> dict[str, int]:
    with psycopg.connect(conninfo("savannah backup"), dbname=database) as restored:
        return _count_rows(restored)


def _count_rows(snapshot: psycopg.Connection) -> dict[str, int]:
    tables = [table for (table,) in snapshot.execute(QUERIES.list_tables)]
    count = sql.SQL("SELECT count(*) FROM {}")
    rows = ((table, snapshot.execute(count.format(sql.Identifier(table))).fetchone()) for table in tables)
    return {table: row[0] for table, row in rows if row}
