"""Roles: Django groups that give rights (Django's permissions) on what each app keeps.

A viewer reads, a clerk also creates and changes, a manager also deletes and reads the audit. A user in no group has
DEFAULT_ROLE, unless another issuer's groups decide the roles. Migrations create the roles; operators may change them in
the admin.
"""

from collections.abc import Sequence
from functools import partial
from typing import Any

from django.conf import settings
from django.contrib.auth.backends import ModelBackend
from django.contrib.auth.models import User
from django.db import migrations, transaction
from django.http import HttpRequest

from savannah.sql import fetch_value, load_queries

QUERIES = load_queries(__file__)
MANAGERS = ("manager",)
CLERKS = ("clerk", *MANAGERS)
VIEWERS = ("viewer", *CLERKS)


def grant(model: str, **roles_by_action: Sequence[str]) -> migrations.RunPython:
    """Return the migration step that gives roles their rights on `model`: `grant("shop.sale", view=VIEWERS)`."""
    return migrations.RunPython(partial(_grant, model, roles_by_action), migrations.RunPython.noop, elidable=False)


def _grant(model: str, roles_by_action: dict[str, Sequence[str]], apps: Any, schema_editor: Any) -> None:
    app_label, name = model.split(".")
    # Django creates content types and permissions only after the last migration; it then finds these.
    kind, _ = apps.get_model("contenttypes", "ContentType").objects.get_or_create(app_label=app_label, model=name)
    permissions, groups = (apps.get_model("auth", model).objects for model in ("Permission", "Group"))
    for action, roles in roles_by_action.items():
        permission, _ = permissions.get_or_create(
            content_type=kind, codename=f"{action}_{name}", defaults={"name": f"Can {action} {name}"}
        )
        for role in roles:
            groups.get(name=role).permissions.add(permission)


class RoleBackend(ModelBackend):
    """Gives pages the same rights as the API."""

    def authenticate(
        self, request: HttpRequest | None, username: str | None = None, password: str | None = None, **others: Any
    ) -> User | None:
        """Check the password. Django may rehash it with a newer algorithm; that must not end the user's tokens."""
        with transaction.atomic():
            fetch_value(QUERIES.keep_tokens, rehashed="yes")
            user = super().authenticate(request, username, password, **others)
            # Any other change of a password in this transaction ends the user's tokens again.
            fetch_value(QUERIES.keep_tokens, rehashed="")
            return user

    def get_all_permissions(self, user_obj: Any, obj: Any = None) -> set[str]:
        """Return the rights of the user's roles, or of DEFAULT_ROLE when they have none; a superuser has every one."""
        if not user_obj.is_active or user_obj.is_anonymous or obj is not None or user_obj.is_superuser:
            return super().get_all_permissions(user_obj, obj)
        if not hasattr(user_obj, "_rights"):
            user_obj._rights = set(
                fetch_value(QUERIES.find_rights, user_id=user_obj.pk, default_role=settings.DEFAULT_ROLE)
            )
        rights: set[str] = user_obj._rights
        return rights
