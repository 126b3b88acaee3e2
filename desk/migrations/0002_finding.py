"""Indexes for finding a customer as one types (desk/queries.sql, find_customers)."""

from django.db import migrations

from savannah.indexes import index

INDEXES = {
    "customers_find_code": "customers (upper(code) text_pattern_ops)",
    "customers_find_phone": "customers (phone_number text_pattern_ops)",
    "customers_find_phone_end": "customers (reverse(phone_number) text_pattern_ops)",
    "customers_find_name": "customers (lower(name) text_pattern_ops)",
    "customers_find_word": "customers USING gin (to_tsvector('simple', name))",
}


class Migration(migrations.Migration):
    # Indexes of a big table, built while it is written to.
    atomic = False
    dependencies = [("desk", "0001_initial"), ("customers", "0001_initial")]

    operations = [index(name, definition) for name, definition in INDEXES.items()]
