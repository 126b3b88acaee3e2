"""The audit: who changed what, and when, written by PostgreSQL as it changes, and never changed itself."""

from django.db import migrations, models

from accounts.audit import audited
from accounts.roles import MANAGERS, grant

# No key refers to what it tells of: it outlasts the user, the order and the application.
TABLE = """
CREATE TABLE audit (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at timestamptz NOT NULL DEFAULT now(),
    actor_id integer,
    actor text,
    client text,
    action text NOT NULL,
    subject text NOT NULL,
    subject_id text,
    before jsonb,
    after jsonb
);
CREATE INDEX audit_of_subject ON audit (subject, subject_id);

CREATE FUNCTION audit_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'the audit is append-only' USING ERRCODE = 'insufficient_privilege';
END
$$;
CREATE TRIGGER audit_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON audit
    FOR EACH STATEMENT EXECUTE FUNCTION audit_append_only();
"""

# A statement says who acts by acting(:actor) wherever it evaluates it: the setting lasts until the transaction ends,
# and triggers fire after the statement. What nobody is named for, as in an operator's psql, the database user did.
FUNCTIONS = """
CREATE FUNCTION acting(actor text) RETURNS text LANGUAGE sql AS $$
    SELECT set_config('savannah.actor', actor, true)
$$;

CREATE FUNCTION audit_note(action text, subject text, subject_id text, before jsonb, after jsonb) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
    actor jsonb := nullif(current_setting('savannah.actor', true), '')::jsonb;
BEGIN
    INSERT INTO audit (actor_id, actor, client, action, subject, subject_id, before, after)
    VALUES ((actor ->> 'id')::integer, coalesce(actor ->> 'name', 'database user ' || session_user), actor ->> 'client',
            action, subject, subject_id, before, after);
END
$$;

-- Of an updated row, what changed; of any other, all of it. TG_ARGV: columns to leave out, to mask, to hide, as arrays.
CREATE FUNCTION audit_change() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    before jsonb := CASE WHEN TG_OP <> 'INSERT' THEN to_jsonb(OLD) - TG_ARGV[0]::text[] END;
    after jsonb := CASE WHEN TG_OP <> 'DELETE' THEN to_jsonb(NEW) - TG_ARGV[0]::text[] END;
    row_id text := coalesce(after ->> 'id', before ->> 'id');
    unchanged text[];
    name text;
BEGIN
    IF TG_OP = 'UPDATE' THEN
        SELECT array_agg(key) INTO unchanged FROM jsonb_each(after) WHERE value = before -> key;
        unchanged := coalesce(unchanged, '{}');
        before := before - unchanged;
        after := after - unchanged;
        IF after = '{}' THEN
            RETURN NULL;
        END IF;
    ELSE
        before := before - 'id';
        after := after - 'id';
    END IF;
    FOREACH name IN ARRAY TG_ARGV[1]::text[] LOOP
        before := audit_mask(before, name);
        after := audit_mask(after, name);
    END LOOP;
    FOREACH name IN ARRAY TG_ARGV[2]::text[] LOOP
        before := CASE WHEN before ? name THEN before || jsonb_build_object(name, '***') ELSE before END;
        after := CASE WHEN after ? name THEN after || jsonb_build_object(name, '***') ELSE after END;
    END LOOP;
    PERFORM audit_note(lower(TG_OP), TG_TABLE_NAME, row_id, before, after);
    RETURN NULL;
END
$$;

-- A phone number so that it can be told from another one and not be called: +2547*****678.
CREATE FUNCTION audit_mask(fields jsonb, name text) RETURNS jsonb LANGUAGE sql IMMUTABLE AS $$
    SELECT CASE WHEN fields ? name
        THEN fields || jsonb_build_object(name, left(fields ->> name, 5) || '*****' || right(fields ->> name, 3))
        ELSE fields
    END
$$;

-- A role or a right, given or taken away: by name, in the history of the user or the role that it is of.
CREATE FUNCTION audit_grant() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    link jsonb := CASE TG_OP WHEN 'DELETE' THEN to_jsonb(OLD) ELSE to_jsonb(NEW) END;
    given jsonb;
BEGIN
    IF TG_TABLE_NAME = 'auth_user_groups' THEN
        SELECT jsonb_build_object('role', g.name) INTO given
        FROM auth_group g
        WHERE g.id = (link ->> 'group_id')::integer;
    ELSE
        SELECT jsonb_build_object('right', kind.app_label || '.' || p.codename) INTO given
        FROM auth_permission p JOIN django_content_type kind ON kind.id = p.content_type_id
        WHERE p.id = (link ->> 'permission_id')::integer;
    END IF;
    PERFORM audit_note(
        CASE TG_OP WHEN 'DELETE' THEN 'revoke' ELSE 'grant' END,
        CASE TG_TABLE_NAME WHEN 'auth_group_permissions' THEN 'auth_group' ELSE 'auth_user' END,
        coalesce(CASE TG_TABLE_NAME WHEN 'auth_group_permissions' THEN link ->> 'group_id' END, link ->> 'user_id'),
        CASE TG_OP WHEN 'DELETE' THEN given END,
        CASE TG_OP WHEN 'DELETE' THEN NULL ELSE given END
    );
    RETURN NULL;
END
$$;
CREATE TRIGGER auth_user_groups_audit AFTER INSERT OR DELETE ON auth_user_groups
    FOR EACH ROW EXECUTE FUNCTION audit_grant();
CREATE TRIGGER auth_user_user_permissions_audit AFTER INSERT OR DELETE ON auth_user_user_permissions
    FOR EACH ROW EXECUTE FUNCTION audit_grant();
CREATE TRIGGER auth_group_permissions_audit AFTER INSERT OR DELETE ON auth_group_permissions
    FOR EACH ROW EXECUTE FUNCTION audit_grant();

-- An entry as the API shows it.
CREATE FUNCTION audit_document(a audit) RETURNS text LANGUAGE sql STABLE RETURN
    json_build_object(
        'id', a.id,
        'at', to_char(a.at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'),
        'actor', a.actor,
        'actor_id', a.actor_id,
        'client', a.client,
        'action', a.action,
        'subject', a.subject,
        'subject_id', a.subject_id,
        'before', a.before,
        'after', a.after
    )::text;
"""


class Migration(migrations.Migration):
    dependencies = [
        ("accounts", "0002_roles"),
    ]

    operations = [
        migrations.RunSQL(TABLE, "DROP TABLE audit; DROP FUNCTION audit_append_only()"),
        migrations.CreateModel(
            name="AuditEntry",
            fields=[
                ("id", models.BigAutoField(primary_key=True, serialize=False)),
                ("at", models.DateTimeField()),
                ("actor_id", models.IntegerField(null=True)),
                ("actor", models.TextField(null=True)),
                ("client", models.TextField(null=True)),
                ("action", models.TextField()),
                ("subject", models.TextField()),
                ("subject_id", models.TextField(null=True)),
                ("before", models.JSONField(null=True)),
                ("after", models.JSONField(null=True)),
            ],
            options={
                "verbose_name_plural": "audit",
                "db_table": "audit",
                "ordering": ("-id",),
                "managed": False,
                "default_permissions": ("view",),
            },
        ),
        migrations.RunSQL(FUNCTIONS, migrations.RunSQL.noop),
        audited("applications", left_out=("created", "updated"), hidden=("client_secret",)),
        audited("auth_user", left_out=("last_login", "date_joined"), hidden=("password",)),
        audited("auth_group"),
        grant("accounts.auditentry", view=MANAGERS),
    ]
