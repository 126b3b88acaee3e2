"""The accounts app."""

from django.apps import AppConfig
from django.contrib.auth.signals import user_logged_in
from django.db.models.signals import post_migrate
from django.http import HttpRequest
from django.utils import timezone


class AccountsConfig(AppConfig):
    """Who may call."""

    name = "accounts"

    def ready(self) -> None:
        """Note in each session when its user signed in (OpenID's auth_time); register the client of /api/docs/."""
        from accounts import openapi  # noqa: F401, PLC0415 - registers itself
        from accounts.clients import register_docs_client  # noqa: PLC0415 - models are not there before

        post_migrate.connect(register_docs_client, sender=self, dispatch_uid="accounts.register_docs_client")
        user_logged_in.connect(_note_sign_in, dispatch_uid="accounts.note_sign_in")


def _note_sign_in(sender: object, request: HttpRequest, **kwargs: object) -> None:
    request.session["auth_time"] = int(timezone.now().timestamp())
