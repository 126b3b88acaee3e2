"""How often somebody asked lately (savannah/throttle.py)."""

from django.db import migrations

# Unlogged: a count that a crash loses costs nothing, and writing it waits for no disk.
THROTTLES = "CREATE UNLOGGED TABLE throttles (key text PRIMARY KEY, due timestamptz NOT NULL)"


class Migration(migrations.Migration):
    initial = True

    dependencies = []

    operations = [migrations.RunSQL(THROTTLES, "DROP TABLE throttles")]
