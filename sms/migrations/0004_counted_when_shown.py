"""Count an SMS' segments when it is shown: generated in its row, they cost each order a sixth of PostgreSQL's time.

The version before reads the columns in the admin's list of SMS: they stay, and are for the next release to drop.
"""

from importlib import import_module

from django.db import migrations

FIRST = import_module("sms.migrations.0001_initial").DOCUMENT
COUNTED = FIRST.replace("m.segments", "sms_segments(m.body)").replace("m.encoding", "sms_encoding(m.body)")
NO_DOCUMENT = import_module("sms.migrations.0002_request_id").NO_DOCUMENT
LEAVE = "ALTER TABLE sms_messages ALTER encoding DROP EXPRESSION, ALTER segments DROP EXPRESSION"
GENERATE = """
ALTER TABLE sms_messages
    DROP encoding,
    DROP segments,
    ADD encoding varchar(5) GENERATED ALWAYS AS (sms_encoding(body)) STORED,
    ADD segments smallint GENERATED ALWAYS AS (sms_segments(body)) STORED
"""


class Migration(migrations.Migration):
    dependencies = [("sms", "0003_restorable")]

    operations = [
        migrations.RunSQL(NO_DOCUMENT, FIRST),
        migrations.RunSQL(
            LEAVE,
            GENERATE,
            state_operations=[
                migrations.RemoveField("message", "encoding"),
                migrations.RemoveField("message", "segments"),
            ],
        ),
        migrations.RunSQL(COUNTED, NO_DOCUMENT),
    ]
