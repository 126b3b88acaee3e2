"""Withdraw the SMS of a deleted order in any state: `sms resend` sent again what was accepted or undelivered."""

from django.db import migrations

TRIGGER = """
CREATE OR REPLACE TRIGGER sms_withdraw_with_order BEFORE UPDATE OF order_id ON sms_messages
    FOR EACH ROW
    WHEN (NEW.order_id IS NULL AND OLD.order_id IS NOT NULL AND {})
    EXECUTE FUNCTION sms_withdraw_with_order();
"""


class Migration(migrations.Migration):
    dependencies = [("sms", "0008_no_guess")]

    operations = [
        migrations.RunSQL(
            # What was cancelled before stays so when the order is restored: it is not the deletion that called it off.
            TRIGGER.format("OLD.state <> 'cancelled'"),
            TRIGGER.format("OLD.state IN ('queued', 'sending', 'unknown')"),
        ),
    ]
