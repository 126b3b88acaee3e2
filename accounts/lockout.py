"""The answer after too many wrong passwords; django-axes counts them in PostgreSQL."""

from typing import Any

from django.conf import settings
from django.contrib.auth.forms import AuthenticationForm
from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render


class LockedOut(AuthenticationForm):
    """A sign-in form that always fails, and says how long to wait."""

    def clean(self) -> dict[str, Any]:
        """Refuse without checking the password."""
        minutes = settings.AXES_COOLOFF_TIME.seconds // 60
        raise ValidationError(f"Too many wrong passwords. Try again in {minutes} minutes.")


def locked_out(request: HttpRequest, *of_axes: object) -> HttpResponse:
    """Return the sign-in page with 429 and Retry-After."""
    context = {"form": LockedOut(request, request.POST), "next": request.POST.get("next", "")}
    page = render(request, "accounts/login.html", context, status=429)
    page["Retry-After"] = str(settings.AXES_COOLOFF_TIME.seconds)
    return page


def for_the_log(username: str, ip_address: str, user_agent: str, path_info: str, request: HttpRequest) -> str:
    """Return how the log names the client. It omits the user name, which may be a password in the wrong field."""
    return f"somebody at {ip_address}"


def names_nobody(request: HttpRequest, credentials: dict[str, Any] | None) -> bool:
    """Whether an attempt has no user name: then it is a sign-in through the OpenID provider, and not counted."""
    return not (credentials or {}).get("username")
