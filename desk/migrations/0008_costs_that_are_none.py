"""Tally no cost that no SMS can have: a sum that overflows would let no outcome of any SMS be recorded."""

from django.db import migrations

COST = """
CREATE OR REPLACE FUNCTION desk_cost(cost text) RETURNS numeric LANGUAGE sql IMMUTABLE RETURN
    coalesce(substring(cost FROM '{amount}')::numeric, 0)
"""
# "KES 0.8000"; a number of ten digits and more before the point is none, nor is a part of it.
AMOUNT = "(?<![0-9.])[0-9]{1,9}(?![0-9])(?:[.][0-9]{1,4})?"
BEFORE = "[0-9]+(?:[.][0-9]{1,4})?"


class Migration(migrations.Migration):
    dependencies = [("desk", "0007_rare_states")]

    operations = [migrations.RunSQL(COST.format(amount=AMOUNT), COST.format(amount=BEFORE))]
