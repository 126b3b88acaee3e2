"""Signing in to the pages at an OpenID provider: this service's own or another one (OIDC_RP_*, OIDC_OP_*).

mozilla-django-oidc implements the flow. This module adds what it lacks: it checks the ID token's issuer and audience,
finds users by `sub` and not by e-mail address, turns failures into a page, and renews sessions only for whole pages.
"""

import logging
from functools import cache
from typing import Any
from urllib.parse import urlencode, urlsplit

import jwt
import requests
from django.conf import settings
from django.contrib.auth import get_user_model
from django.contrib.auth.models import User
from django.core.exceptions import MiddlewareNotUsed, SuspiciousOperation
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from mozilla_django_oidc.auth import OIDCAuthenticationBackend
from mozilla_django_oidc.middleware import SessionRefresh
from mozilla_django_oidc.views import OIDCAuthenticationCallbackView, OIDCAuthenticationRequestView

from accounts.identities import sign_in_user
from accounts.issuer_keys import Keys
from accounts.issuers import LEEWAY_SECONDS, is_subject, issuer_named
from accounts.roles import RoleBackend

logger = logging.getLogger(__name__)


@cache
def provider_keys() -> Keys:
    """Return the key set of the provider, for ID tokens that are signed with one."""
    return Keys(settings.OIDC_OP_ISSUER, settings.OIDC_OP_JWKS_ENDPOINT, (settings.OIDC_RP_SIGN_ALGO,))


class Backend(OIDCAuthenticationBackend, RoleBackend):
    """Verifies the provider's answer and finds its user (OpenID Connect Core, section 3.1.3.7)."""

    def authenticate(  # type: ignore[override] # no user name and no password
        self, request: HttpRequest | None, **credentials: Any
    ) -> User | None:
        """Return the user; None for an invalid answer, and log why."""
        try:
            user: User | None = super().authenticate(request, **credentials)
        except requests.RequestException as error:
            status = getattr(error.response, "status_code", None)
            logger.warning("sign-in failed: the provider did not answer well (%s %s)", type(error).__name__, status)
        except (SuspiciousOperation, jwt.PyJWTError, ValueError, TypeError, KeyError) as error:
            logger.warning("sign-in failed: the provider's answer is not sound (%s)", type(error).__name__)
        else:
            return user
        return None

    def retrieve_matching_jwk(self, token: str) -> jwt.PyJWK:
        """Return the provider's key for the token."""
        header = jwt.get_unverified_header(token)
        key = provider_keys().find(header.get("kid"), header["alg"])
        if key is None:
            raise SuspiciousOperation("The ID token is signed with a key that the provider does not publish.")
        return key

    def _verify_jws(self, payload: str, key: Any) -> dict[str, Any]:
        """Verify signature and times, and that the token is by this provider, for this application."""
        claims: dict[str, Any] = jwt.decode(
            payload,
            key,
            algorithms=[settings.OIDC_RP_SIGN_ALGO],
            audience=settings.OIDC_RP_CLIENT_ID,
            issuer=settings.OIDC_OP_ISSUER,
            leeway=LEEWAY_SECONDS,
            options={"require": ["exp", "iat", "iss", "sub", "aud"]},
        )
        if claims.get("azp", settings.OIDC_RP_CLIENT_ID) != settings.OIDC_RP_CLIENT_ID:
            raise SuspiciousOperation("The ID token is for another application.")
        if not is_subject(claims["sub"]):
            raise SuspiciousOperation("The ID token is about nobody.")
        return claims

    def get_or_create_user(self, access_token: str, id_token: str, payload: dict[str, Any]) -> User | None:
        """Return the user of (issuer, sub); another provider's groups are mapped to roles here."""
        told = self.get_userinfo(access_token, id_token, payload)
        if told.get("sub") != payload["sub"]:
            raise SuspiciousOperation("The user information is about somebody else.")
        users = get_user_model()._default_manager
        if settings.OIDC_OP_ISSUER == settings.OIDC_ISSUER:
            return users.filter(pk=int(payload["sub"])).first()
        issuer, claims = issuer_named(settings.OIDC_OP_ISSUER), {**told, **payload}
        user_id = sign_in_user(settings.OIDC_OP_ISSUER, claims, issuer.roles_of(claims) if issuer else None)
        return users.get(pk=user_id)


def _at_public_url(request: HttpRequest) -> None:
    # The provider knows only one redirect URI, whatever host and scheme this request used.
    request.build_absolute_uri = f"{settings.PUBLIC_URL}{{}}".format  # type: ignore[method-assign]


class Begin(OIDCAuthenticationRequestView):
    """`/oidc/authenticate/`: go to the provider, but from PUBLIC_URL: the callback needs that host's session cookie."""

    def get(self, request: HttpRequest) -> HttpResponse:
        """Redirect to the provider."""
        if request.get_host() != urlsplit(settings.PUBLIC_URL).netloc:
            return HttpResponseRedirect(settings.PUBLIC_URL + request.get_full_path())
        _at_public_url(request)
        response: HttpResponse = super().get(request)
        return response


class Callback(OIDCAuthenticationCallbackView):
    """`/oidc/callback/`: back from the provider."""

    def get(self, request: HttpRequest) -> HttpResponse:
        """Sign in and go on to where the user wanted to go."""
        _at_public_url(request)
        try:
            response: HttpResponse = super().get(request)
        except SuspiciousOperation:
            return self.login_failure()  # the state is not in this browser's session
        return response

    def login_failure(self) -> HttpResponse:
        """Say that the sign-in failed, and offer to try again."""
        return render(self.request, "accounts/sign_in_failed.html", status=403)


def logout_address(request: HttpRequest) -> str | None:
    """Return the provider's sign-out URL, so that its session ends too (OpenID Connect RP-Initiated Logout 1.0).

    None if no such URL is configured, or the user signed in with a password.
    """
    id_token = request.session.get("oidc_id_token")
    if not (settings.OIDC_OP_LOGOUT_ENDPOINT and id_token):
        return None
    back = {
        "id_token_hint": id_token,
        "client_id": settings.OIDC_RP_CLIENT_ID,
        "post_logout_redirect_uri": f"{settings.PUBLIC_URL}/",
    }
    return f"{settings.OIDC_OP_LOGOUT_ENDPOINT}?{urlencode(back)}"


class Refresh(SessionRefresh):
    """When a user opens a page, asks the provider every 15 minutes whether they are still signed in there."""

    def __init__(self, get_response: Any) -> None:
        if not settings.OIDC_RP_CLIENT_ID:
            raise MiddlewareNotUsed
        super().__init__(get_response)

    def is_refreshable_url(self, request: HttpRequest) -> bool:
        """Whether this loads a whole page: not the API, not a part of a page (htmx), not a sign-in page."""
        is_page = "text/html" in request.headers.get("Accept", "") and "HX-Request" not in request.headers
        ours = request.path.startswith(("/api/", "/o/", "/accounts/", "/oidc/"))
        return is_page and not ours and bool(super().is_refreshable_url(request))

    def process_request(self, request: HttpRequest) -> HttpResponse | None:
        """Redirect to the provider and back when the check is due."""
        if self.is_refreshable_url(request):
            _at_public_url(request)
        response: HttpResponse | None = super().process_request(request)
        return response
