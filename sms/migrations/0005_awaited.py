"""Know which messages a request waits for."""

from importlib import import_module

from django.db import migrations, models

COUNTED = import_module("sms.migrations.0004_counted_when_shown").COUNTED
NO_DOCUMENT = import_module("sms.migrations.0002_request_id").NO_DOCUMENT


class Migration(migrations.Migration):
    dependencies = [("sms", "0004_counted_when_shown")]

    operations = [
        # PostgreSQL 17.12 adds no column with a default to a table whose rows an SQL function takes.
        migrations.RunSQL(NO_DOCUMENT, COUNTED),
        migrations.AddField("message", "awaited", models.BooleanField(db_default=False, editable=False)),
        migrations.RunSQL(COUNTED, NO_DOCUMENT),
    ]
