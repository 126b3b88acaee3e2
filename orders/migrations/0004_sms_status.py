"""An order as the API shows it, with the state of its SMS at the end."""

from django.db import migrations

# Null where there is no SMS. order_document(o, c) is what precedes it, in the specification's order.
ORDER_WITH_SMS = """
CREATE FUNCTION order_document(o orders, c customers, sms_status text) RETURNS text LANGUAGE sql STABLE RETURN
    left(order_document(o, c), -1) || ', "sms_status" : ' || coalesce('"' || sms_status || '"', 'null') || '}'
"""


class Migration(migrations.Migration):
    dependencies = [("orders", "0003_audit")]

    operations = [migrations.RunSQL(ORDER_WITH_SMS, "DROP FUNCTION order_document(orders, customers, text)")]
