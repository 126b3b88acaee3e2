"""Finding customers by sort and search, as CSV, and by version."""

from django.db import migrations, models

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
TRIGRAMS = """
DO $$
BEGIN
    IF EXISTS (SELECT FROM pg_available_extensions WHERE name = 'pg_trgm') THEN
        CREATE EXTENSION IF NOT EXISTS pg_trgm;
        CREATE INDEX customers_search_trigrams ON customers
            USING gin ((code || ' ' || name || ' ' || phone_number) gin_trgm_ops);
    END IF;
END
$$
"""
# The desk finds by them as well (desk/migrations).
BEGINNINGS = {"code": "upper(code)", "name": "lower(name)", "phone": "phone_number"}


class Migration(migrations.Migration):
    dependencies = [("customers", "0003_audit"), ("savannah", "0002_csv")]

    operations = [
        migrations.AddIndex("customer", models.Index(fields=["name", "id"], name="customers_by_name")),
        migrations.RunSQL(FUNCTIONS, "DROP FUNCTION customer_csv, customer_version"),
        migrations.RunSQL(TRIGRAMS, "DROP INDEX IF EXISTS customers_search_trigrams"),
        *(
            migrations.RunSQL(
                f"CREATE INDEX IF NOT EXISTS customers_find_{what} ON customers ({how} text_pattern_ops)",
                f"DROP INDEX IF EXISTS customers_find_{what}",
            )
            for what, how in BEGINNINGS.items()
        ),
    ]
