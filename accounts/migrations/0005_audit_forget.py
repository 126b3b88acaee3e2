"""The audit may be kept for a time (AUDIT_KEEP_DAYS): one function deletes from it, and nothing else does."""

from django.db import migrations

# The oldest entries have the lowest ids: the primary key finds them, and no other index is kept up for that.
FUNCTIONS = """
CREATE OR REPLACE FUNCTION audit_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'DELETE' AND current_setting('savannah.audit_forgets', true) = 'yes' THEN
        RETURN NULL;
    END IF;
    RAISE EXCEPTION 'the audit is append-only' USING ERRCODE = 'insufficient_privilege';
END
$$;

-- Deletes, of the `most` oldest entries, those that are older than `age`; returns how many those were.
CREATE FUNCTION audit_forget(age interval, most integer) RETURNS integer LANGUAGE plpgsql AS $$
DECLARE
    forgotten integer;
BEGIN
    PERFORM set_config('savannah.audit_forgets', 'yes', true);
    WITH oldest AS (SELECT a.id FROM audit a ORDER BY a.id LIMIT most)
    DELETE FROM audit USING oldest WHERE audit.id = oldest.id AND audit.at < now() - age;
    GET DIAGNOSTICS forgotten = ROW_COUNT;
    PERFORM set_config('savannah.audit_forgets', 'no', true);
    RETURN forgotten;
END
$$;
"""


class Migration(migrations.Migration):
    dependencies = [
        ("accounts", "0004_identities"),
    ]

    operations = [
        migrations.RunSQL(FUNCTIONS, migrations.RunSQL.noop),
    ]
