"""Let a dump be restored: pg_restore has an empty search path, and computes the generated columns anew."""

from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [
        ("sms", "0002_request_id"),
    ]

    operations = [
        migrations.RunSQL(
            "ALTER FUNCTION sms_segments(text) SET search_path = public", "ALTER FUNCTION sms_segments(text) RESET ALL"
        ),
    ]
