"""The accounts app."""

from django.apps import AppConfig
from django.contrib.auth.signals import user_logged_in, user_logged_out, user_login_failed
from django.db.models.signals import post_migrate
from django.http import HttpRequest
from django.utils import timezone


class AccountsConfig(AppConfig):
    """Users, OAuth applications, tokens and roles."""

    name = "accounts"

    def ready(self) -> None:
        """Record sign-ins in the session (OpenID's auth_time) and in the audit; register the client of /api/docs/."""
        from accounts import audit, issuers, openapi  # noqa: F401, PLC0415 - models are not loaded before; openapi registers itself
        from accounts.clients import register_docs_client  # noqa: PLC0415 - models are not loaded before

        issuers.check_settings()
        post_migrate.connect(register_docs_client, sender=self, dispatch_uid="accounts.register_docs_client")
        user_logged_in.connect(_note_sign_in, dispatch_uid="accounts.note_sign_in")
        user_logged_in.connect(audit.note_sign_in, dispatch_uid="accounts.audit.sign_in")
        user_logged_out.connect(audit.note_sign_out, dispatch_uid="accounts.audit.sign_out")
        user_login_failed.connect(audit.note_failed_sign_in, dispatch_uid="accounts.audit.sign_in_failed")


def _note_sign_in(sender: object, request: HttpRequest, **kwargs: object) -> None:
    request.session["auth_time"] = int(timezone.now().timestamp())
