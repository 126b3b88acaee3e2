"""Tallies of orders and SMS by day, so that the overview does not count a million rows; 0005_counting fills them."""

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
        grant("desk.tally", view=MANAGERS),
    ]
