"""Indexes for the admin's list of SMS: newest first, all of them or those in a rare state."""

from django.db import migrations


class Migration(migrations.Migration):
    # Indexes of a big table, built while it is written to.
    atomic = False
    dependencies = [("desk", "0003_tallies")]

    operations = [
        migrations.RunSQL(
            "CREATE INDEX CONCURRENTLY sms_messages_newest_first ON sms_messages (created_at DESC, id DESC)",
            "DROP INDEX sms_messages_newest_first",
        ),
        migrations.RunSQL(
            "CREATE INDEX CONCURRENTLY sms_messages_trouble ON sms_messages (state, created_at DESC, id DESC) "
            "WHERE state NOT IN ('accepted', 'delivered')",
            "DROP INDEX sms_messages_trouble",
        ),
    ]
