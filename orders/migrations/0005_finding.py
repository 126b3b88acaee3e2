"""Finding orders by amount, item and the state of their SMS, as CSV, and by version."""

import django.db.models.functions
from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models

FUNCTIONS = """
CREATE FUNCTION order_csv(o orders, c customers, sms_status text) RETURNS text LANGUAGE sql STABLE RETURN
    concat_ws(',', o.id, csv_cell(o.item), o.amount,
              to_char(o.order_time AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'),
              to_char(o.created_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'),
              o.customer_id, csv_cell(c.code), csv_cell(c.name), c.phone_number, coalesce(sms_status, ''));

-- Another one with every change: what ETag and If-Match compare.
CREATE FUNCTION order_version(o orders) RETURNS text LANGUAGE sql STABLE RETURN
    to_hex(hashtextextended(o::text, 0))
"""

# The created_at of an SMS is that of its order: both come in one transaction.
OF_STATE = """
CREATE INDEX CONCURRENTLY sms_messages_of_orders ON sms_messages (state, created_at DESC, order_id DESC)
WHERE order_id IS NOT NULL
"""


class Migration(migrations.Migration):
    # Indexes of big tables, built while they are written to.
    atomic = False
    dependencies = [("orders", "0004_sms_status"), ("savannah", "0002_csv"), ("sms", "0001_initial")]

    operations = [
        AddIndexConcurrently("order", models.Index(fields=["amount", "id"], name="orders_by_amount")),
        AddIndexConcurrently(
            "order",
            models.Index(
                django.db.models.functions.Lower("item"),
                models.F("created_at").desc(),
                models.F("id").desc(),
                name="orders_by_item",
            ),
        ),
        migrations.RunSQL(OF_STATE, "DROP INDEX sms_messages_of_orders"),
        migrations.RunSQL(FUNCTIONS, "DROP FUNCTION order_csv, order_version"),
    ]
