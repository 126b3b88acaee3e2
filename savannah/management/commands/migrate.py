"""`manage.py migrate`, while the service runs: one process at a time, and without blocking requests for long."""

import time
from typing import Any

import psycopg
from django.core.management.commands.migrate import Command as DjangoMigrate
from django.db import OperationalError, connection

import savannah.sql
from savannah.sql import load_queries

QUERIES = load_queries(savannah.sql.__file__)
PAUSES = (1, 2, 4, 8, 15, 30)
# Less than PostgreSQL's deadlock_timeout (1 s): in a deadlock with a request, the migration gives up first.
LOCK_TIMEOUT = "800ms"


class Command(DjangoMigrate):
    """Django's migrate with a lock timeout and retries; it waits while another process migrates.

    While a change of a table waits for its lock, all later statements on that table wait behind it. A migration that is
    not atomic builds an index CONCURRENTLY: it blocks nobody, so it may wait without a limit.
    """

    def handle(self, *args: Any, **options: Any) -> None:
        """Migrate; completed migrations stay applied when a later one has to be retried."""
        with connection.cursor() as cursor:
            cursor.execute(QUERIES.lock_migrations)
            cursor.execute(QUERIES.look_for_deadlocks_first)
            try:
                self._migrate(*args, **options)
            finally:
                cursor.execute(QUERIES.unlock_migrations)

    def migration_progress_callback(self, action: str, migration: Any = None, fake: bool = False) -> None:
        """Set how long the migration that starts may wait for a lock."""
        if action in {"apply_start", "unapply_start"}:
            with connection.cursor() as cursor:
                cursor.execute(QUERIES.limit_lock_waits, {"limit": LOCK_TIMEOUT if migration.atomic else "0"})
        super().migration_progress_callback(action, migration, fake)

    def _migrate(self, *args: Any, **options: Any) -> None:
        for pause in PAUSES:
            try:
                super().handle(*args, **options)
            except OperationalError as error:
                if not isinstance(error.__cause__, (psycopg.errors.LockNotAvailable, psycopg.errors.DeadlockDetected)):
                    raise
                self.stderr.write(f"A table is busy; trying again in {pause} s.")
                time.sleep(pause)
            else:
                return
        super().handle(*args, **options)
