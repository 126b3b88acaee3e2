"""Index the SMS in a rare state without those that are queued or being sent: every SMS is that once."""

from django.db import migrations

from savannah.indexes import index, no_index


class Migration(migrations.Migration):
    # Indexes of a big table, built while it is written to.
    atomic = False
    dependencies = [("desk", "0006_passing_states")]

    operations = [
        index(
            "sms_messages_rare",
            "sms_messages (state, created_at DESC, id DESC) "
            "WHERE state NOT IN ('queued', 'sending', 'accepted', 'delivered')",
        ),
        no_index(
            "sms_messages_trouble",
            "sms_messages (state, created_at DESC, id DESC) WHERE state NOT IN ('accepted', 'delivered')",
        ),
    ]
