"""Tallies of orders and SMS by day, so that the overview does not count a million rows."""

from django.db import migrations, models

from accounts.roles import MANAGERS, grant

# Each transaction counts in a slot that no other one holds: none waits for another, however many place orders at once,
# and with one lock each none can be in a deadlock. The lock ends with the transaction.
FUNCTIONS = """
CREATE FUNCTION desk_slot() RETURNS smallint LANGUAGE plpgsql AS $$
DECLARE
    family CONSTANT int := 7305;
    slot int;
BEGIN
    FOR i IN 0..63 LOOP
        slot := (pg_backend_pid() + i) % 64;
        IF pg_try_advisory_xact_lock(family, slot) THEN
            RETURN slot;
        END IF;
    END LOOP;
    slot := pg_backend_pid() % 64;
    PERFORM pg_advisory_xact_lock(family, slot);
    RETURN slot;
END
$$;

CREATE FUNCTION desk_day(moment timestamptz) RETURNS date LANGUAGE sql STABLE RETURN (moment AT TIME ZONE 'UTC')::date;

-- The gateway writes what an SMS cost as "KES 0.8000".
CREATE FUNCTION desk_cost(cost text) RETURNS numeric LANGUAGE sql IMMUTABLE RETURN
    coalesce(substring(cost FROM '[0-9]+(?:[.][0-9]{1,4})?')::numeric, 0);
"""


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
CREATE FUNCTION desk_tally_{table}_{event}() RETURNS trigger LANGUAGE plpgsql AS $$
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
CREATE TRIGGER {table}_tally_{event} AFTER {event.upper()} ON {table} {referencing}
    FOR EACH STATEMENT EXECUTE FUNCTION desk_tally_{table}_{event}();
"""  # noqa: S608 - our own words
        for event, (referencing, source) in changes.items()
    )


TRIGGERS = trigger("orders", "'order'", "amount") + trigger("sms_messages", "state", "desk_cost(cost)")

WHAT_IS_THERE = """
INSERT INTO desk_tallies (day, kind, slot, number, amount)
SELECT desk_day(created_at), 'order', 0, count(*), sum(amount) FROM orders GROUP BY 1
UNION ALL
SELECT desk_day(created_at), state, 0, count(*), sum(desk_cost(cost)) FROM sms_messages GROUP BY 1, 2;
"""


class Migration(migrations.Migration):
    dependencies = [
        ("desk", "0002_finding"),
        ("orders", "0001_initial"),
        ("sms", "0001_initial"),
        ("accounts", "0002_roles"),
    ]

    operations = [
        migrations.CreateModel(
            name="Tally",
            fields=[
                (
                    "pk",
                    models.CompositePrimaryKey(
                        "day", "kind", "slot", blank=True, editable=False, primary_key=True, serialize=False
                    ),
                ),
                ("day", models.DateField()),
                ("kind", models.CharField(max_length=20)),
                ("slot", models.SmallIntegerField()),
                ("number", models.BigIntegerField()),
                ("amount", models.DecimalField(decimal_places=4, max_digits=24)),
            ],
            options={
                "verbose_name_plural": "tallies",
                "db_table": "desk_tallies",
            },
        ),
        migrations.RunSQL(FUNCTIONS, "DROP FUNCTION desk_slot, desk_day, desk_cost"),
        migrations.RunSQL(
            TRIGGERS,
            "".join(
                f"DROP FUNCTION desk_tally_{table}_{event} CASCADE;"
                for table in ("orders", "sms_messages")
                for event in ("insert", "update", "delete")
            ),
        ),
        migrations.RunSQL(WHAT_IS_THERE, migrations.RunSQL.noop),
        grant("desk.tally", view=MANAGERS),
    ]
