"""Find the messages of a phone that were sent once more: a report may be of the first time."""

from django.db import migrations, models

from savannah.indexes import index

DOUBLED = models.Index(
    fields=["phone_number"], condition=models.Q(possible_duplicate=True), name="sms_messages_doubled_phone"
)


class Migration(migrations.Migration):
    # An index of a big table, built while it is written to.
    atomic = False
    dependencies = [("sms", "0006_awaited_first")]

    operations = [
        index(
            DOUBLED.name,
            "sms_messages (phone_number) WHERE possible_duplicate",
            [migrations.AddIndex("message", DOUBLED)],
        ),
    ]
