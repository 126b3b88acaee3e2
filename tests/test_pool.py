"""The pool of connections: a statement borrows one for as long as it runs, and gets none that is dead."""

import psycopg
import pytest
from django.db import connection, transaction

from savannah.sql import ACTOR, conninfo, fetch_one, fetch_value

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
