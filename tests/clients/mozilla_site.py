"""A site that signs its users in by mozilla-django-oidc, with the specification's variables: PORT is its own.

`python mozilla_site.py`; the environment names the provider (OIDC_OP_*) and the client (OIDC_RP_*).
"""

import os
import secrets
import tempfile
from pathlib import Path
from urllib.parse import urlencode

import django
from django.conf import settings
from django.core.management import call_command
from django.http import HttpRequest, JsonResponse
from django.urls import include, path

settings.configure(
    ALLOWED_HOSTS=["localhost"],
    ROOT_URLCONF=__name__,
    SECRET_KEY=secrets.token_urlsafe(40),
    DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": Path(tempfile.mkdtemp()) / "db"}},
    INSTALLED_APPS=["django.contrib.auth", "django.contrib.contenttypes", "django.contrib.sessions"],
    MIDDLEWARE=[
        "django.contrib.sessions.middleware.SessionMiddleware",
        "django.contrib.auth.middleware.AuthenticationMiddleware",
        "mozilla_django_oidc.middleware.SessionRefresh",
    ],
    # The provider is on the same host: cookies do not tell ports apart.
    SESSION_COOKIE_NAME="mozilla_site",
    AUTHENTICATION_BACKENDS=["mozilla_django_oidc.auth.OIDCAuthenticationBackend"],
    # After a moment it asks the provider again, by prompt=none.
    OIDC_RENEW_ID_TOKEN_EXPIRY_SECONDS=2,
    OIDC_STORE_ACCESS_TOKEN=True,
    # To log out at the provider, too.
    OIDC_STORE_ID_TOKEN=True,
    OIDC_OP_LOGOUT_URL_METHOD=f"{__name__}.logout_address",
    LOGIN_REDIRECT_URL="/",
    LOGOUT_REDIRECT_URL="/",
    USE_TZ=True,
    **{name: value for name, value in os.environ.items() if name.startswith(("OIDC_RP_", "OIDC_OP_"))},
)
django.setup()


def who(request: HttpRequest) -> JsonResponse:
    """Say who is signed in, and with which token."""
    email = request.user.email if request.user.is_authenticated else ""
    return JsonResponse({"email": email, "token": request.session.get("oidc_access_token")})


def logout_address(request: HttpRequest) -> str:
    """Return where a log-out goes on to: the provider ends its session, and leads back here."""
    back = {
        "id_token_hint": request.session["oidc_id_token"],
        "post_logout_redirect_uri": request.build_absolute_uri("/"),
    }
    return f"{os.environ['LOGOUT']}?{urlencode(back)}"


urlpatterns = [path("oidc/", include("mozilla_django_oidc.urls")), path("", who)]

if __name__ == "__main__":
    call_command("migrate", verbosity=0)
    call_command("runserver", os.environ["PORT"], "--noreload", "--nothreading")
