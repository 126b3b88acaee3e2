"""Who guesses passwords waits: django-axes counts in PostgreSQL, this is what it says."""

from typing import Any

from django.conf import settings
from django.contrib.auth.forms import AuthenticationForm
from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render


class LockedOut(AuthenticationForm):
    """The sign-in form that lets nobody in, and says for how long."""

    def clean(self) -> dict[str, Any]:
        """Refuse without a look at the password."""
        minutes = settings.AXES_COOLOFF_TIME.seconds // 60
        raise ValidationError(f"Too many wrong passwords. Try again in {minutes} minutes.")


def locked_out(request: HttpRequest, *of_axes: object) -> HttpResponse:
    """Return the sign-in page, with 429 and when to come back."""
    context = {"form": LockedOut(request, request.POST), "next": request.POST.get("next", "")}
    page = render(request, "accounts/login.html", context, status=429)
    page["Retry-After"] = str(settings.AXES_COOLOFF_TIME.seconds)
    return page


def for_the_log(username: str, ip_address: str, user_agent: str, path_info: str, request: HttpRequest) -> str:
    """Return what the log may say of who tried: the name may be a password in the wrong field."""
    return f"somebody at {ip_address}"


def names_nobody(request: HttpRequest, credentials: dict[str, Any] | None) -> bool:
    """Whether an attempt is no guess at a password, but an answer of the provider that the pages sign in at."""
    return not (credentials or {}).get("username")
