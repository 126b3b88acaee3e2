"""Consents: which application a user has let in, and for what. They last until the user withdraws them."""

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
# Not a scope, but what a token without any of the API's may do.
EVERYTHING = "everything"
DESCRIPTIONS: dict[str, str] = {**oauth2_settings.SCOPES, EVERYTHING: "Do all that you may do here"}


@dataclass(frozen=True)
class LetIn:
    """An application that a user has let in."""

    application_id: int
    application: str
    scopes_descriptions: list[str]


def asked_for(allowed_scopes: str, scopes: Sequence[str]) -> list[str]:
    """Return what a request for the scopes is really for, by an application that may ask for `allowed_scopes`.

    Who asks for no part of the API gets all that the application may have of it (accounts/bearer.py): less is more.
    """
    implied = () if api_scopes(scopes) else api_scopes(allowed_scopes.split()) or (EVERYTHING,)
    return [*scopes, *sorted(implied)]


def describe(names: Sequence[str]) -> list[str]:
    """Return what `asked_for` returned in words, for people."""
    return [DESCRIPTIONS[name] for name in names if name in DESCRIPTIONS]


def keep_consent(user_id: int, application: Application, scopes: Sequence[str]) -> None:
    """Remember that the user has let the application do this, beside what they have let it do before."""
    wanted = asked_for(application.allowed_scopes, scopes)
    fetch_one(QUERIES.keep_consent, user=user_id, application=application.pk, scopes=wanted)


def need_not_ask(user_id: int, application: Application, scopes: Sequence[str], redirect_uri: str) -> bool:
    """Whether the user has let the application do all this, and it is sure that it is the same one that asks.

    A public client has nothing to show for itself but where its codes go, and without TLS anybody may be there (RFC
    6749, section 10.2; RFC 8252, section 8.6).
    """
    secret = application.client_type == Application.CLIENT_CONFIDENTIAL
    if not (secret or redirect_uri.startswith(("https://", f"{settings.PUBLIC_URL}/"))):
        return False
    wanted = asked_for(application.allowed_scopes, scopes)
    return bool(fetch_value(QUERIES.has_consented, user=user_id, application=application.pk, scopes=wanted))


def let_in_by(user_id: int) -> list[LetIn]:
    """Return the applications that the user has let in, by name; also those that only hold tokens, as devices do."""
    with connection.cursor() as cursor:
        rows = cursor.execute(QUERIES.list_consents, {"user": user_id}).fetchall()
    return [LetIn(key, name, describe(scopes)) for key, name, scopes in rows]


def withdraw(user_id: int, application: Application) -> None:
    """Ask again the next time, and end every token that the application has of the user."""
    with transaction.atomic():
        fetch_one(QUERIES.withdraw_consent, user=user_id, application=application.pk)
        end_tokens(application, user_id)


@method_decorator(never_cache, name="dispatch")
class Consents(Checked, LoginRequiredMixin, Page, TemplateView):
    """`/o/consents/`: the applications that a person has let in (`let_in`), each with a button to shut it out."""

    template_name = "oauth2_provider/consents.html"
    login_url = reverse_lazy("login")

    def get_context_data(self, **context: Any) -> dict[str, Any]:
        """List them."""
        return super().get_context_data(**context, let_in=let_in_by(signed_in_id(self.request)))

    def post(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        """Shut one out."""
        key = request.POST.get("application", "")
        application = Application.objects.filter(pk=key).first() if re.fullmatch("[0-9]{1,18}", key) else None
        if application:
            withdraw(signed_in_id(request), application)
        return HttpResponseRedirect(request.path)
