"""Keep the tallies of 0003_tallies from now on, and count what is there, however much that is, while orders come in."""

import psycopg
from django.apps.registry import Apps
from django.db import migrations, transaction
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from psycopg import IsolationLevel

from savannah.management.commands.migrate import LOCK_TIMEOUT
from savannah.sql import conninfo


def trigger(table: str, kind: str, amount: str) -> str:
    """Return the SQL that keeps the tallies of a table: what a statement added and took away, day by day."""

    def rows(name: str, sign: str) -> str:
        return f"SELECT desk_day(created_at), {kind}, {sign}1, {sign}{amount} FROM {name}"  # noqa: S608 - our own words

    changes = {
        "insert": ("REFERENCING NEW TABLE AS new_rows", rows("new_rows", "")),
        "update": (
            "REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows",
            f"{rows('new_rows', '')} UNION ALL {rows('old_rows', '-')}",
        ),
        "delete": ("REFERENCING OLD TABLE AS old_rows", rows("old_rows", "-")),
    }
    return "".join(
        f"""
CREATE OR REPLACE FUNCTION desk_tally_{table}_{event}() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO desk_tallies AS t (day, kind, slot, number, amount)
    SELECT day, kind, (SELECT desk_slot()), sum(number), sum(amount)
    FROM ({source}) AS change (day, kind, number, amount)
    GROUP BY day, kind
    HAVING sum(number) <> 0 OR sum(amount) <> 0
    ON CONFLICT (day, kind, slot) DO UPDATE
    SET number = t.number + excluded.number, amount = t.amount + excluded.amount;
    RETURN NULL;
END
$$;
CREATE OR REPLACE TRIGGER {table}_tally_{event} AFTER {event.upper()} ON {table} {referencing}
    FOR EACH STATEMENT EXECUTE FUNCTION desk_tally_{table}_{event}();
"""  # noqa: S608 - our own words
        for event, (referencing, source) in changes.items()
    )


TRIGGERS = trigger("orders", "'order'", "amount") + trigger("sms_messages", "state", "desk_cost(cost)")

# In a slot that no trigger counts in.
WHAT_IS_THERE = """
INSERT INTO desk_tallies (day, kind, slot, number, amount)
SELECT desk_day(created_at), 'order', 64, count(*), sum(amount) FROM orders GROUP BY 1
UNION ALL
SELECT desk_day(created_at), state, 64, count(*), sum(desk_cost(cost)) FROM sms_messages GROUP BY 1, 2
"""

BEGIN_TO_COUNT = f"""
SET LOCAL lock_timeout = '{LOCK_TIMEOUT}';
LOCK TABLE orders, sms_messages IN SHARE ROW EXCLUSIVE MODE;
DELETE FROM desk_tallies;
{TRIGGERS}
"""  # noqa: S608 - our own words


def count(apps: Apps, editor: BaseDatabaseSchemaEditor) -> None:
    """Count every row once: what comes after one moment by triggers, what was before by a snapshot of that moment."""
    with psycopg.connect(conninfo("savannah migrate")) as counter:
        counter.isolation_level = IsolationLevel.REPEATABLE_READ
        with transaction.atomic(), editor.connection.cursor() as cursor:
            cursor.execute(BEGIN_TO_COUNT)
            # The snapshot: while the lock is held, nobody writes.
            counter.execute("SELECT 1")
        counter.execute(WHAT_IS_THERE)


def stop(apps: Apps, editor: BaseDatabaseSchemaEditor) -> None:
    for table in ("orders", "sms_messages"):
        for event in ("insert", "update", "delete"):
            editor.execute(f"DROP FUNCTION desk_tally_{table}_{event} CASCADE")


class Migration(migrations.Migration):
    # Counting takes long, and nobody waits for it.
    atomic = False
    dependencies = [("desk", "0004_lists")]

    operations = [migrations.RunPython(count, stop)]
