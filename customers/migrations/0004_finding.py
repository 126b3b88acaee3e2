"""Finding customers by sort and search, as CSV, and by version."""

from django.apps.registry import Apps
from django.db import migrations, models
from django.db.backends.base.schema import BaseDatabaseSchemaEditor

from savannah.indexes import building, index

FUNCTIONS = """
CREATE FUNCTION customer_csv(c customers) RETURNS text LANGUAGE sql STABLE RETURN
    concat_ws(',', c.id, csv_cell(c.code), csv_cell(c.name), c.phone_number,
              to_char(c.created_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'),
              to_char(c.updated_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'));

-- Another one with every change: what ETag and If-Match compare.
CREATE FUNCTION customer_version(c customers) RETURNS text LANGUAGE sql STABLE RETURN
    to_hex(hashtextextended(c::text, 0))
"""

# Any part of the three, where PostgreSQL has trigrams; where it has not, search finds beginnings.
AVAILABLE = "SELECT FROM pg_available_extensions WHERE name = 'pg_trgm'"
EXTENSION = "CREATE EXTENSION IF NOT EXISTS pg_trgm"
ANY_PART = """customers
            USING gin ((code || ' ' || name || ' ' || phone_number) gin_trgm_ops)"""
# For the SQL file of the schema, whose tables are empty.
TRIGRAMS = f"""
DO $$
BEGIN
    IF EXISTS ({AVAILABLE}) THEN
        {EXTENSION};
        CREATE INDEX customers_search_trigrams ON {ANY_PART};
    END IF;
END
$$
"""
# The desk finds by them as well (desk/migrations).
BEGINNINGS = {"code": "upper(code)", "name": "lower(name)", "phone": "phone_number"}


def index_any_part(apps: Apps, editor: BaseDatabaseSchemaEditor) -> None:
    with editor.connection.cursor() as cursor:
        cursor.execute(AVAILABLE)
        if cursor.fetchone() is not None:
            for statement in (EXTENSION, *building("customers_search_trigrams", ANY_PART)):
                cursor.execute(statement)


def forget_any_part(apps: Apps, editor: BaseDatabaseSchemaEditor) -> None:
    editor.execute("DROP INDEX IF EXISTS customers_search_trigrams")


class Migration(migrations.Migration):
    # Indexes of a big table, built while it is written to.
    atomic = False
    dependencies = [("customers", "0003_audit"), ("savannah", "0002_csv")]

    operations = [
        index(
            "customers_by_name",
            "customers (name, id)",
            [migrations.AddIndex("customer", models.Index(fields=["name", "id"], name="customers_by_name"))],
        ),
        migrations.RunPython(index_any_part, forget_any_part),
        *(index(f"customers_find_{what}", f"customers ({how} text_pattern_ops)") for what, how in BEGINNINGS.items()),
        migrations.RunSQL(FUNCTIONS, "DROP FUNCTION customer_csv, customer_version"),
    ]
