"""The specification's other way to a database: `psql -f database/customer_order_db.sql`."""

import pytest
from django.core.management import call_command
from django.db import connection

from accounts.roles import VIEWERS
from savannah.management.commands.schema import SCHEMA_FILE
from savannah.programs import connected_to, run, scratch_database
from savannah.schema import dump_schema, write_schema
from savannah.sql import fetch_one


@pytest.fixture
def loaded(transactional_db):
    """A database that has seen nothing but the file."""
    with scratch_database() as scratch:
        run("psql", "--quiet", "--no-psqlrc", "-f", str(SCHEMA_FILE), database=scratch)
        yield scratch


def test_the_file_is_in_step_with_the_migrations(transactional_db):
    assert SCHEMA_FILE.read_text() == write_schema(), "A migration is not in the file yet: run `make schema`."


def test_the_file_makes_what_the_migrations_make(loaded):
    assert dump_schema(loaded) in SCHEMA_FILE.read_text()


def test_the_migrations_go_on_from_the_file(loaded):
    with connected_to(loaded):
        call_command("migrate", check_unapplied=True, verbosity=0)
        call_command("migrate", verbosity=0)
        sequence_is_ahead = "INSERT INTO auth_group (name) VALUES ('auditor 2') RETURNING id"
        assert fetch_one(sequence_is_ahead)
        for table in ("customers", "orders", "sms_messages", "auth_permission"):
            assert table in connection.introspection.table_names()
        rights = fetch_one(
            "SELECT array_agg(codename) FROM auth_permission p JOIN auth_group_permissions g ON g.permission_id = p.id "
            "JOIN auth_group r ON r.id = g.group_id WHERE r.name = %(role)s",
            role=VIEWERS[0],
        )
        assert "view_customer" in rights[0]


def test_a_program_that_fails_says_why(transactional_db):
    with pytest.raises(RuntimeError, match='relation "nothing" does not exist'):
        run("psql", "-v", "ON_ERROR_STOP=1", "-c", "SELECT * FROM nothing")
