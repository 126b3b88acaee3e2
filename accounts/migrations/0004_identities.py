"""Users of other issuers, their roles, and those issuers' keys."""

import django.db.models.deletion
from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.db import migrations, models

from accounts.audit import audited

# `claimed`: the roles that an issuer gives, beside those that the user has here; with neither, it is the default role.
RIGHTS_OF = """
DROP FUNCTION rights_of(integer, text);
CREATE FUNCTION rights_of(of_user integer, claimed text[], default_role text) RETURNS SETOF text
LANGUAGE sql STABLE AS $$
    WITH role AS (
        SELECT member.group_id AS id FROM auth_user_groups member WHERE member.user_id = of_user
        UNION ALL
        SELECT named.id FROM auth_group named WHERE named.name = ANY (claimed)
    )
    SELECT kind.app_label || '.' || permission.codename
    FROM auth_permission permission
    JOIN django_content_type kind ON kind.id = permission.content_type_id
    WHERE permission.id IN (
        SELECT given.permission_id
        FROM auth_group_permissions given
        WHERE given.group_id IN (
            SELECT role.id FROM role
            UNION ALL
            SELECT named.id FROM auth_group named WHERE named.name = default_role AND NOT EXISTS (SELECT FROM role)
        )
        UNION ALL
        SELECT own.permission_id FROM auth_user_user_permissions own WHERE own.user_id = of_user
    )
$$
"""


class Migration(migrations.Migration):
    dependencies = [
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
        ("accounts", "0003_audit"),
    ]

    operations = [
        migrations.CreateModel(
            name="Identity",
            fields=[
                ("id", models.BigAutoField(primary_key=True, serialize=False)),
                ("issuer", models.TextField()),
                ("subject", models.TextField()),
                ("roles", ArrayField(models.TextField(), null=True)),
                (
                    "user",
                    models.OneToOneField(on_delete=django.db.models.deletion.CASCADE, to=settings.AUTH_USER_MODEL),
                ),
            ],
            options={
                "verbose_name_plural": "identities",
                "db_table": "identities",
                "constraints": [models.UniqueConstraint(fields=("issuer", "subject"), name="identities_key")],
            },
        ),
        migrations.CreateModel(
            name="IssuerKeys",
            fields=[
                ("issuer", models.TextField(primary_key=True, serialize=False)),
                ("document", models.JSONField()),
                ("fetched_at", models.DateTimeField()),
            ],
            options={"db_table": "issuer_keys"},
        ),
        audited("identities"),
        migrations.RunSQL(RIGHTS_OF, migrations.RunSQL.noop),
    ]
