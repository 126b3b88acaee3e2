"""The schema as one SQL file: what `database/customer_order_db.sql` holds."""

import re
from importlib import import_module

from django.db import connection
from django.db.migrations.executor import MigrationExecutor

from savannah.programs import connected_to, run, scratch_database

_HEADER = """\
-- The whole schema, for a PostgreSQL 14 or newer that has none of it yet:
--
--     psql -h localhost -U postgres -d customer_order_db -f database/customer_order_db.sql
--
-- It is what `python manage.py migrate` makes of an empty database, and says so in django_migrations: later migrations
-- go on from here. Written by `make schema`; a test compares the two.

\\set ON_ERROR_STOP on

BEGIN;

SET LOCAL check_function_bodies = false;
SET LOCAL client_min_messages = warning;
SET LOCAL client_encoding = 'UTF8';
SET LOCAL search_path = public;
"""
# Parts of a dump to leave out: settings of the session (some are unknown to older servers), comments with each object's
# name and owner, sequences that no row has used, PostgreSQL 17.12's pg_attver; and the prefix of the only schema, which
# is on the search path.
_NOISE = re.compile(
    r"^(SET .*;|SELECT pg_catalog\.set_config.*;|--.*|\\(un)?restrict .*"
    r"|ALTER TABLE ONLY .* SET \(pg_attver=\d+\);"
    r"|SELECT pg_catalog\.setval\(.*(, false|django_migrations.*)\);)\n"
    r"|\bpublic\.",
    re.MULTILINE,
)
_VARCHAR_LIST = re.compile(r"\((ARRAY\[(?:'[^']*'::character varying(?:, )?)+\])\)::text\[\]")
_VARCHAR = re.compile(r"\(('[^']*')::character varying\)::text")
# Only a server with pg_trgm has these. The file creates them, if possible, at its end, as the migration does.
_TRIGRAMS = re.compile(r"^(CREATE EXTENSION|COMMENT ON EXTENSION|CREATE INDEX \w+_trigrams) .*;\n", re.MULTILINE)
_MIGRATIONS = """{trigrams};

-- What Django takes as done.
INSERT INTO django_migrations (app, name, applied) VALUES
{rows};

COMMIT;
"""


def write_schema() -> str:
    """Return the SQL that turns an empty database into what our migrations produce."""
    with scratch_database() as scratch:
        with connected_to(scratch):
            executor = MigrationExecutor(connection)
            # Without what Django adds after the migrations (permissions, content types): `migrate` adds it later.
            executor.migrate(executor.loader.graph.leaf_nodes())
            applied = list(executor.recorder.migration_qs.order_by("pk").values_list("app", "name"))
        trigrams = import_module("customers.migrations.0004_finding").TRIGRAMS.rstrip()
        return "\n".join((_HEADER, dump_schema(scratch), _MIGRATIONS.format(trigrams=trigrams, rows=_rows(applied))))


def dump_schema(database: str) -> str:
    """Return a database's tables, functions and rows, normalised for reading and comparing."""
    # Specific to this one database: when the migrations ran, and the audit entries of the rights that they granted.
    left_out = ("--exclude-table-data=public.django_migrations", "--exclude-table-data=public.audit")
    options = ("--no-owner", "--no-privileges", "--column-inserts", *left_out)
    text = _TRIGRAMS.sub("", _NOISE.sub("", run("pg_dump", *options, database=database)))
    # PostgreSQL prints a list of varchar constants differently once it was restored from a dump.
    text = _VARCHAR_LIST.sub(lambda found: found[1].replace("character varying", "text"), text)
    text = _VARCHAR.sub(r"\1::text", text)
    return re.sub(r"\n{2,}", "\n\n", text).strip() + "\n"


def _rows(applied: list[tuple[str, str]]) -> str:
    return ",\n".join(f"    ('{app}', '{name}', CURRENT_TIMESTAMP)" for app, name in applied)
