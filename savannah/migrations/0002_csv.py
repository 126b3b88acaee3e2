"""A cell of a CSV download (RFC 4180)."""

from django.db import migrations

# Always in quotes, so that no separator of a locale splits it. A spreadsheet runs what begins with = + - @:
# an apostrophe before it makes it a text. One more where there are some already: an upload takes just one away again.
CSV_CELL = r"""
CREATE FUNCTION csv_cell(value text) RETURNS text LANGUAGE sql IMMUTABLE RETURN
    '"' || CASE WHEN value ~ '^''*[-=+@\t\r\n]' THEN '''' ELSE '' END || replace(value, '"', '""') || '"'
"""


class Migration(migrations.Migration):
    dependencies = [("savannah", "0001_throttles")]

    operations = [migrations.RunSQL(CSV_CELL, "DROP FUNCTION csv_cell")]
