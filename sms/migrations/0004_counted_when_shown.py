"""Count an SMS' segments when it is shown: kept in its row, they cost each order a sixth of PostgreSQL's time."""

from importlib import import_module

from django.db import migrations

DOCUMENT = import_module("sms.migrations.0001_initial").DOCUMENT.replace(
    "CREATE FUNCTION", "CREATE OR REPLACE FUNCTION"
)
COUNTED = DOCUMENT.replace("m.segments", "sms_segments(m.body)").replace("m.encoding", "sms_encoding(m.body)")


class Migration(migrations.Migration):
    dependencies = [("sms", "0003_restorable")]

    operations = [
        migrations.RunSQL(COUNTED, migrations.RunSQL.noop),
        migrations.RemoveField("message", "encoding"),
        migrations.RemoveField("message", "segments"),
        migrations.RunSQL(migrations.RunSQL.noop, DOCUMENT),
    ]
