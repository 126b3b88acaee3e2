"""Indexes for the admin's list of SMS: newest first, all of them or those in a rare state."""

from django.db import migrations

from savannah.indexes import index


class Migration(migrations.Migration):
    # Indexes of a big table, built while it is written to.
    atomic = False
    dependencies = [("desk", "0003_tallies")]

    operations = [
        index("sms_messages_newest_first", "sms_messages (created_at DESC, id DESC)"),
        index(
            "sms_messages_trouble",
            "sms_messages (state, created_at DESC, id DESC) WHERE state NOT IN ('accepted', 'delivered')",
        ),
    ]
