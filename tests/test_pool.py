"""The pool of connections: a statement borrows one for as long as it runs, and gets none that is dead."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import psycopg
import pytest
from django.db import OperationalError, connection, transaction

from conftest import eventually
from savannah.postgres import base
from savannah.sql import ACTOR, conninfo, fetch_one, fetch_text, fetch_value

WHICH = "SELECT pg_backend_pid()"


@pytest.fixture
def no_connection(transactional_db):
    """This thread holds no connection, as a request does that has just begun."""
    connection.close()


@pytest.mark.usefixtures("no_connection")
def test_a_statement_holds_its_connection_only_while_it_runs():
    assert fetch_value(WHICH)
    assert connection.connection is None


@pytest.mark.usefixtures("no_connection")
def test_within_a_transaction_a_statement_is_a_part_of_it():
    with transaction.atomic():
        fetch_one("SELECT set_config('savannah.actor', %(actor)s, true)")
        assert fetch_value("SELECT current_setting('savannah.actor')") == (ACTOR.get() or "")


@pytest.mark.usefixtures("no_connection")
def test_a_connection_that_the_server_has_closed_is_not_handed_out():
    dead = fetch_value(WHICH)
    with psycopg.connect(conninfo("savannah test"), autocommit=True) as operator:
        operator.execute("SELECT pg_terminate_backend(%s, 5000)", [dead])
    assert fetch_value(WHICH) != dead


@pytest.mark.django_db(transaction=True)
def test_a_statement_outlives_what_a_rollback_takes_along():
    with connection.cursor() as cursor:
        held = connection.connection
        assert held.fetch_row(WHICH, {})
        with transaction.atomic():
            for _ in range(10):  # until psycopg has prepared it
                cursor.execute("SELECT %s::int", [1])
            transaction.set_rollback(True)
        assert held.fetch_row(WHICH, {})


@pytest.mark.usefixtures("no_connection")
def test_a_statement_whose_columns_a_migration_has_changed_is_prepared_anew():
    with psycopg.connect(conninfo("savannah test"), autocommit=True) as operator:
        operator.execute("CREATE TABLE widened AS SELECT 'abc'::varchar(3) AS code")
        try:
            assert fetch_value("SELECT code FROM widened") == "abc"
            operator.execute("ALTER TABLE widened ALTER code TYPE varchar(30)")
            assert fetch_value("SELECT code FROM widened") == "abc"
        finally:
            operator.execute("DROP TABLE widened")


@pytest.fixture
def deadlocked_once() -> Iterator[str]:
    """A statement that PostgreSQL ends for a deadlock the first time, and lets through the second time."""
    with psycopg.connect(conninfo("savannah test"), autocommit=True) as operator:
        operator.execute("CREATE SEQUENCE tries")
        operator.execute(DEADLOCK)
        yield "SELECT deadlocked_once()"
        operator.execute("DROP FUNCTION deadlocked_once; DROP SEQUENCE tries")


DEADLOCK = """
CREATE FUNCTION deadlocked_once() RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
    try CONSTANT bigint := nextval('tries');
BEGIN
    IF try = 1 THEN
        RAISE 'deadlock detected' USING ERRCODE = 'deadlock_detected';
    END IF;
    RETURN try;
END
$$
"""


@pytest.mark.usefixtures("no_connection")
def test_a_statement_that_a_deadlock_has_undone_is_run_again(deadlocked_once):
    assert fetch_value(deadlocked_once) == 2


@pytest.mark.usefixtures("no_connection")
def test_a_transaction_that_a_deadlock_has_undone_is_not(deadlocked_once):
    with pytest.raises(OperationalError), transaction.atomic():
        fetch_value(deadlocked_once)


@pytest.fixture
def held_up():
    """Short statements that wait for a lock, as many as may run at once; what lets them go on."""
    wait, turns = (
        "SELECT pg_advisory_xact_lock_shared(4711)",
        connection.settings_dict["OPTIONS"]["pool"]["max_size"] // 2,
    )
    with psycopg.connect(conninfo("savannah test"), autocommit=True) as holder, ThreadPoolExecutor(turns) as threads:
        holder.execute("SELECT pg_advisory_lock(4711)")
        try:
            statements = [threads.submit(fetch_one, wait) for _ in range(turns)]
            eventually(lambda: holder.execute(WAITING).fetchone() == (turns,))
            yield lambda: holder.execute("SELECT pg_advisory_unlock(4711)")
        finally:
            # A test that fails before shall not hang.
            holder.execute("SELECT pg_advisory_unlock_all()")
        assert all(statement.result(60) for statement in statements)


WAITING = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND objid = 4711 AND NOT granted"


@pytest.mark.usefixtures("no_connection")
def test_short_statements_leave_half_of_the_connections_to_lists(held_up, monkeypatch):
    monkeypatch.setattr(base, "PATIENCE_SECONDS", 30.0)
    with ThreadPoolExecutor(1) as threads:
        short = threads.submit(fetch_value, WHICH)
        assert fetch_text(WHICH)
        assert not short.done()
        held_up()
        assert short.result(60)


@pytest.mark.usefixtures("no_connection")
def test_statements_that_a_lock_holds_up_keep_no_other_from_running(held_up):
    assert [fetch_value(WHICH) for _ in range(2)]
    held_up()
