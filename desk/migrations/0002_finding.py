"""Indexes for finding a customer as one types (desk/queries.sql, find_customers)."""

from django.db import migrations

INDEXES = {
    "customers_find_code": "(upper(code) text_pattern_ops)",
    "customers_find_phone": "(phone_number text_pattern_ops)",
    "customers_find_phone_end": "(reverse(phone_number) text_pattern_ops)",
    "customers_find_name": "(lower(name) text_pattern_ops)",
    "customers_find_word": "USING gin (to_tsvector('simple', name))",
}


class Migration(migrations.Migration):
    # Indexes of a big table, built while it is written to.
    atomic = False
    dependencies = [("desk", "0001_initial"), ("customers", "0001_initial")]

    operations = [
        migrations.RunSQL(
            f"CREATE INDEX CONCURRENTLY IF NOT EXISTS {name} ON customers {how}", f"DROP INDEX IF EXISTS {name}"
        )
        for name, how in INDEXES.items()
    ]
