"""Find the messages that a request waits for before all others."""

from django.db import migrations, models

from savannah.indexes import index

AWAITED = models.Index(
    fields=["created_at"],
    condition=models.Q(awaited=True, state="queued", attempts=0),
    name="sms_messages_awaited",
)


class Migration(migrations.Migration):
    # An index of a big table, built while it is written to.
    atomic = False
    dependencies = [("sms", "0005_awaited")]

    operations = [
        index(
            AWAITED.name,
            "sms_messages (created_at) WHERE awaited AND attempts = 0 AND state = 'queued'",
            [migrations.AddIndex("message", AWAITED)],
        ),
    ]
