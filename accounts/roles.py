"""Roles: Django groups that give rights (Django's permissions) on what each app keeps.

viewer looks, clerk records and corrects, manager also deletes and reads the audit. A user in no group has DEFAULT_ROLE.
Migrations make them; from then on they are the operator's, who may change them in the admin.
"""

from collections.abc import Sequence
from functools import partial
from typing import Any

from django.conf import settings
from django.contrib.auth.backends import ModelBackend
from django.contrib.auth.models import Permission, User
from django.db import migrations
from django.db.models import Q, QuerySet

MANAGERS = ("manager",)
CLERKS = ("clerk", *MANAGERS)
VIEWERS = ("viewer", *CLERKS)


def grant(model: str, **roles_by_action: Sequence[str]) -> migrations.RunPython:
    """Return the migration step that gives roles their rights on `model`: `grant("shop.sale", view=VIEWERS)`."""
    return migrations.RunPython(partial(_grant, model, roles_by_action), migrations.RunPython.noop, elidable=False)


def _grant(model: str, roles_by_action: dict[str, Sequence[str]], apps: Any, schema_editor: Any) -> None:
    app_label, name = model.split(".")
    # Django itself makes content types and permissions only after the last migration, and then finds these.
    kind, _ = apps.get_model("contenttypes", "ContentType").objects.get_or_create(app_label=app_label, model=name)
    permissions, groups = (apps.get_model("auth", model).objects for model in ("Permission", "Group"))
    for action, roles in roles_by_action.items():
        permission, _ = permissions.get_or_create(
            content_type=kind, codename=f"{action}_{name}", defaults={"name": f"Can {action} {name}"}
        )
        for role in roles:
            groups.get(name=role).permissions.add(permission)


class RoleBackend(ModelBackend):
    """Django's own rules for pages: a user has the rights of their groups, or of DEFAULT_ROLE when in none."""

    def _get_group_permissions(self, user_obj: User) -> QuerySet[Permission]:
        in_a_group = user_obj.groups.exists()
        of_roles = Q(group__user=user_obj) if in_a_group else Q(group__name=settings.DEFAULT_ROLE)
        return Permission.objects.filter(of_roles)
