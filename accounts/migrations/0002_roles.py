"""The three roles, and the one statement that knows a user's rights."""

from django.db import migrations

# Inlined by PostgreSQL, as any SQL function that is one SELECT.
RIGHTS_OF = """
CREATE FUNCTION rights_of(of_user integer, default_role text) RETURNS SETOF text LANGUAGE sql STABLE AS $$
    SELECT kind.app_label || '.' || permission.codename
    FROM auth_permission permission
    JOIN django_content_type kind ON kind.id = permission.content_type_id
    WHERE permission.id IN (
        SELECT given.permission_id
        FROM auth_user_groups member
        JOIN auth_group_permissions given ON given.group_id = member.group_id
        WHERE member.user_id = of_user
        UNION ALL
        SELECT given.permission_id
        FROM auth_group role
        JOIN auth_group_permissions given ON given.group_id = role.id
        WHERE role.name = default_role
          AND NOT EXISTS (SELECT FROM auth_user_groups member WHERE member.user_id = of_user)
        UNION ALL
        SELECT own.permission_id FROM auth_user_user_permissions own WHERE own.user_id = of_user
    )
$$
"""


class Migration(migrations.Migration):
    dependencies = [
        ("accounts", "0001_initial"),
        ("auth", "0012_alter_user_first_name_max_length"),
        ("contenttypes", "0002_remove_content_type_name"),
    ]

    operations = [
        migrations.RunSQL(
            "INSERT INTO auth_group (name) VALUES ('viewer'), ('clerk'), ('manager') ON CONFLICT DO NOTHING",
            migrations.RunSQL.noop,
        ),
        migrations.RunSQL(RIGHTS_OF, "DROP FUNCTION rights_of"),
    ]
