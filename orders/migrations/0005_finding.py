"""Finding orders by amount, item and the state of their SMS, as CSV, and by version."""

import django.db.models.functions
from django.db import migrations, models

from savannah.indexes import index

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
OF_STATE = "sms_messages (state, created_at DESC, order_id DESC) WHERE order_id IS NOT NULL"

BY_AMOUNT = models.Index(fields=["amount", "id"], name="orders_by_amount")
BY_ITEM = models.Index(
    django.db.models.functions.Lower("item"),
    models.F("created_at").desc(),
    models.F("id").desc(),
    name="orders_by_item",
)


class Migration(migrations.Migration):
    # Indexes of big tables, built while they are written to.
    atomic = False
    dependencies = [("orders", "0004_sms_status"), ("savannah", "0002_csv"), ("sms", "0001_initial")]

    operations = [
        index("orders_by_amount", "orders (amount, id)", [migrations.AddIndex("order", BY_AMOUNT)]),
        index(
            "orders_by_item", "orders (lower(item), created_at DESC, id DESC)", [migrations.AddIndex("order", BY_ITEM)]
        ),
        index("sms_messages_of_orders", OF_STATE),
        migrations.RunSQL(FUNCTIONS, "DROP FUNCTION order_csv, order_version"),
    ]
