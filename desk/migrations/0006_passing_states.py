"""Tally no SMS that is queued or being sent: those are few, soon something else, and counted for the overview."""

from importlib import import_module

import psycopg
from django.apps.registry import Apps
from django.db import migrations, transaction
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from psycopg import IsolationLevel

from savannah.management.commands.migrate import LOCK_TIMEOUT
from savannah.sql import conninfo

COUNTING = import_module("desk.migrations.0005_counting")
PASSING = "('queued', 'sending')"


def function(event: str, changes: dict[str, str]) -> str:
    """Return the SQL of a function that tallies what a statement changed: its tables of rows, each with their sign."""
    kept = f"WHERE state NOT IN {PASSING}"
    any_kept = " OR ".join(f"EXISTS (SELECT FROM {rows} {kept})" for rows in changes)
    source = " UNION ALL ".join(
        f"SELECT desk_day(created_at), state, {sign}1, {sign}desk_cost(cost) FROM {rows} {kept}"  # noqa: S608 - our own words
        for rows, sign in changes.items()
    )
    return f"""
CREATE OR REPLACE FUNCTION desk_tally_sms_messages_{event}() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    -- An order's SMS is queued, and claimed: a look is all that those cost.
    IF {any_kept} THEN
        INSERT INTO desk_tallies AS t (day, kind, slot, number, amount)
        SELECT day, kind, (SELECT desk_slot()), sum(number), sum(amount)
        FROM ({source}) AS change (day, kind, number, amount)
        GROUP BY day, kind
        HAVING sum(number) <> 0 OR sum(amount) <> 0
        ON CONFLICT (day, kind, slot) DO UPDATE
        SET number = t.number + excluded.number, amount = t.amount + excluded.amount;
    END IF;
    RETURN NULL;
END
$$;
"""  # noqa: S608 - our own words


FUNCTIONS = (
    function("insert", {"new_rows": ""})
    + function("update", {"new_rows": "", "old_rows": "-"})
    + function("delete", {"old_rows": "-"})
)

# Whoever has tallied a passing state has ended by the time the lock is there, and nobody begins to.
CHANGE = f"""
SET LOCAL lock_timeout = '{LOCK_TIMEOUT}';
LOCK TABLE sms_messages IN SHARE ROW EXCLUSIVE MODE;
DELETE FROM desk_tallies WHERE kind IN {PASSING};
"""  # noqa: S608 - our own words

# In a slot that no trigger counts in.
WHAT_PASSES = f"""
INSERT INTO desk_tallies (day, kind, slot, number, amount)
SELECT desk_day(created_at), state, 64, count(*), sum(desk_cost(cost)) FROM sms_messages WHERE state IN {PASSING}
GROUP BY 1, 2
"""  # noqa: S608 - our own words


def leave_out(apps: Apps, editor: BaseDatabaseSchemaEditor) -> None:
    with transaction.atomic(), editor.connection.cursor() as cursor:
        cursor.execute(CHANGE + FUNCTIONS)


def take_in(apps: Apps, editor: BaseDatabaseSchemaEditor) -> None:
    """As 0005_counting: what comes after one moment by triggers, what was before by a snapshot of that moment."""
    triggers: str = COUNTING.trigger("sms_messages", "state", "desk_cost(cost)")
    with psycopg.connect(conninfo("savannah migrate")) as counter:
        counter.isolation_level = IsolationLevel.REPEATABLE_READ
        with transaction.atomic(), editor.connection.cursor() as cursor:
            cursor.execute(CHANGE + triggers)
            # The snapshot: while the lock is held, nobody writes.
            counter.execute("SELECT 1")
        counter.execute(WHAT_PASSES)


class Migration(migrations.Migration):
    # The lock is held for a moment only, backwards as well, and nobody waits for the counting there.
    atomic = False
    dependencies = [("desk", "0005_counting")]

    operations = [migrations.RunPython(leave_out, take_in)]
