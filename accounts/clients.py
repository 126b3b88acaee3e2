"""Registering applications: OAuth 2.0 clients (RFC 6749, section 2)."""

from dataclasses import dataclass
from urllib.parse import urlsplit

from django.conf import settings
from django.contrib.auth import get_user_model
from django.db import connection, transaction

from accounts.models import Application


@dataclass(frozen=True, kw_only=True)
class Registration:
    """What the operator specifies to register an application."""

    name: str
    redirect_uris: list[str]
    algorithm: str = Application.HS256_ALGORITHM
    public: bool = False
    client_credentials: bool = False
    device: bool = False
    scopes: str = ""
    user: str | None = None


def register(registration: Registration) -> tuple[Application, str]:
    """Register an application; return it and its secret in plain text (empty for a public one).

    Raises Django's ValidationError for an invalid registration, and User.DoesNotExist for an unknown user.
    """
    application = Application(
        name=registration.name,
        client_type=Application.CLIENT_PUBLIC if registration.public else Application.CLIENT_CONFIDENTIAL,
        authorization_grant_type=(
            Application.GRANT_CLIENT_CREDENTIALS
            if registration.client_credentials
            else Application.GRANT_DEVICE_CODE
            if registration.device
            else Application.GRANT_AUTHORIZATION_CODE
        ),
        redirect_uris=" ".join(registration.redirect_uris),
        post_logout_redirect_uris=" ".join(sorted({_origin(uri) for uri in registration.redirect_uris})),
        algorithm=registration.algorithm,
        # HS256 signs with the secret itself; the secret of any other application is stored as a hash.
        hash_client_secret=registration.algorithm != Application.HS256_ALGORITHM,
        allowed_scopes=registration.scopes,
    )
    secret = "" if registration.public else application.client_secret
    if registration.public:
        application.client_secret = ""
    with transaction.atomic():
        if registration.client_credentials:
            application.user = _service_account(registration)
        application.full_clean()
        application.save()
    return application, secret


def _origin(uri: str) -> str:
    scheme, host, *_ = urlsplit(uri)
    return f"{scheme}://{host}/"


def _service_account(registration: Registration):  # type: ignore[no-untyped-def] # the user model is a setting
    """Return the user that a machine acts as: the named one, or an account of its own that nobody can sign in to."""
    users = get_user_model()._default_manager
    if registration.user:
        return users.get_by_natural_key(registration.user)
    return users.create_user(f"service-{registration.name}"[:150])


def register_docs_client(**kwargs: object) -> None:
    """Register the public client of /api/docs/, or update its redirect URI to the service's current address."""
    if Application._meta.db_table not in connection.introspection.table_names():
        return
    Application.objects.update_or_create(
        client_id=settings.DOCS_CLIENT_ID,
        defaults={
            "name": "API documentation",
            "client_type": Application.CLIENT_PUBLIC,
            "client_secret": "",
            "authorization_grant_type": Application.GRANT_AUTHORIZATION_CODE,
            "redirect_uris": settings.DOCS_REDIRECT_URL,
            # It asks for no ID token. An algorithm here would also appear in the discovery document.
            "algorithm": Application.NO_ALGORITHM,
        },
    )
