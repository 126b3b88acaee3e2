"""Consents: which scopes a user has granted to which application. They last until the user withdraws them."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.contrib.auth.mixins import LoginRequiredMixin
from django.db import connection, transaction
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse_lazy
from django.utils.decorators import method_decorator
from django.views.decorators.cache import never_cache
from django.views.generic import TemplateView
from oauth2_provider.settings import oauth2_settings

from accounts.bearer import api_scopes
from accounts.guards import Checked, Page, signed_in_id
from accounts.models import Application
from accounts.tokens import end_tokens
from savannah.sql import fetch_one, fetch_value, load_queries

QUERIES = load_queries(__file__)
# Not a scope: it stands for the full access of a token that has no API scope.
EVERYTHING = "everything"
DESCRIPTIONS: dict[str, str] = {**oauth2_settings.SCOPES, EVERYTHING: "Do all that you may do here"}


@dataclass(frozen=True)
class AllowedApplication:
    """An application that may act for a user, and what it may do."""

    application_id: int
    application: str
    scopes_descriptions: list[str]


def asked_for(allowed_scopes: str, scopes: Sequence[str]) -> list[str]:
    """Return what a request for `scopes` really grants to an application that may ask for `allowed_scopes`.

    A request without any API scope grants all API scopes that the application is registered for; if there are none, it
    grants everything (accounts/bearer.py).
    """
    implied = () if api_scopes(scopes) else api_scopes(allowed_scopes.split()) or (EVERYTHING,)
    return [*scopes, *sorted(implied)]


def describe(names: Sequence[str]) -> list[str]:
    """Return the result of `asked_for` in words, for people."""
    return [DESCRIPTIONS[name] for name in names if name in DESCRIPTIONS]


def keep_consent(user_id: int, application: Application, scopes: Sequence[str]) -> None:
    """Store that the user grants these scopes to the application, in addition to earlier ones."""
    wanted = asked_for(application.allowed_scopes, scopes)
    fetch_one(QUERIES.keep_consent, user=user_id, application=application.pk, scopes=wanted)


def need_not_ask(user_id: int, application: Application, scopes: Sequence[str], redirect_uri: str) -> bool:
    """Whether the user has granted all these scopes before, and it is certain that the same application asks.

    Only its redirect URI identifies a public client, and without TLS anybody may receive the code there (RFC 6749,
    section 10.2; RFC 8252, section 8.6).
    """
    secret = application.client_type == Application.CLIENT_CONFIDENTIAL
    if not (secret or redirect_uri.startswith(("https://", f"{settings.PUBLIC_URL}/"))):
        return False
    wanted = asked_for(application.allowed_scopes, scopes)
    return bool(fetch_value(QUERIES.has_consented, user=user_id, application=application.pk, scopes=wanted))


def applications_allowed_by(user_id: int) -> list[AllowedApplication]:
    """Return the applications that may act for the user, by name; also those with tokens but no consent (devices)."""
    with connection.cursor() as cursor:
        rows = cursor.execute(QUERIES.list_consents, {"user": user_id}).fetchall()
    return [AllowedApplication(key, name, describe(scopes)) for key, name, scopes in rows]


def withdraw(user_id: int, application: Application) -> None:
    """Delete the consent, and end every token that the application has for the user."""
    with transaction.atomic():
        fetch_one(QUERIES.withdraw_consent, user=user_id, application=application.pk)
        end_tokens(application, user_id)


@method_decorator(never_cache, name="dispatch")
class Consents(Checked, LoginRequiredMixin, Page, TemplateView):
    """`/o/consents/`: the applications that may act for a person (`applications`), each with a button to end that."""

    template_name = "oauth2_provider/consents.html"
    login_url = reverse_lazy("login")

    def get_context_data(self, **context: Any) -> dict[str, Any]:
        """Add the applications."""
        return super().get_context_data(**context, applications=applications_allowed_by(signed_in_id(self.request)))

    def post(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        """Withdraw the access of one application."""
        key = request.POST.get("application", "")
        application = Application.objects.filter(pk=key).first() if re.fullmatch("[0-9]{1,18}", key) else None
        if application:
            withdraw(signed_in_id(request), application)
        return HttpResponseRedirect(request.path)
