"""The id of the request that a message comes from, for the log lines of whoever sends it."""

from importlib import import_module

from django.db import migrations, models

DOCUMENT = import_module("sms.migrations.0001_initial").DOCUMENT
NO_DOCUMENT = "DROP FUNCTION sms_document, sms_time"


class Migration(migrations.Migration):
    dependencies = [
        ("sms", "0001_initial"),
    ]

    operations = [
        # PostgreSQL 17.12 adds no column with a default to a table whose rows an SQL function takes.
        migrations.RunSQL(NO_DOCUMENT, DOCUMENT),
        migrations.AddField(
            model_name="message",
            name="request_id",
            field=models.CharField(db_default="", editable=False, max_length=64),
        ),
        migrations.RunSQL(DOCUMENT, NO_DOCUMENT),
    ]
