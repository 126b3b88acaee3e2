"""Signing in with a password, signing out, and the sign-out that an application asks for."""

from typing import Any

from django.conf import settings
from django.contrib.auth.forms import AuthenticationForm
from django.contrib.auth.views import LoginView, LogoutView
from django.http import HttpRequest, HttpResponse
from oauth2_provider.exceptions import (
    ClientIdMissmatch,
    InvalidIDTokenError,
    InvalidOIDCClientError,
    InvalidOIDCRedirectURIError,
)
from oauth2_provider.views.oidc import RPInitiatedLogoutView

from accounts.bearer import checksum_of
from accounts.guards import Checked, Page
from accounts.lockout import locked_out
from accounts.models import Application
from accounts.relying import logout_address
from accounts.tokens import IDToken, end_tokens, read_id_token
from savannah.throttle import client_network, take


class SignInForm(AuthenticationForm):
    """A user name and a password. A refusal does not say whether there is such a user."""

    error_messages = dict.fromkeys(
        ("invalid_login", "inactive"), "That user name and password do not go together. Capital letters count."
    )


class SignIn(Page, LoginView):
    """`/accounts/login/`."""

    form_class = SignInForm
    template_name = "accounts/login.html"

    def post(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        """Check the password, unless there were too many attempts from this address, or for this user name."""
        limit = settings.SIGN_INS_PER_MINUTE
        # Counted by checksum: the field may hold a password by mistake.
        name = checksum_of(request.POST.get("username", ""))
        counted = (f"sign-in {client_network(request)}", f"sign-in as {name}")
        if limit and any(take(key, per_minute=limit) for key in counted):
            return locked_out(request)
        response: HttpResponse = super().post(request, *args, **kwargs)
        return response


class SignOut(Page, LogoutView):
    """`/accounts/logout/`, by POST; also signs out at the OpenID provider where the user signed in."""

    template_name = "accounts/signed_out.html"

    def post(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        """Sign out, and redirect to the provider or to the desk."""
        self.next_page = logout_address(request)
        response: HttpResponse = super().post(request, *args, **kwargs)
        return response


class Logout(Checked, Page, RPInitiatedLogoutView):
    """`/o/logout/` (OpenID Connect RP-Initiated Logout 1.0): ends the session and this application's tokens."""

    def validate_logout_request_user(self, id_token_hint: str | None, client_id: str | None) -> IDToken | None:
        """Return whom the ID token names; refuse a token that is not ours, or that is another application's."""
        if not id_token_hint:
            return None
        told = read_id_token(id_token_hint)
        if told is None:
            raise InvalidIDTokenError
        if client_id and told.application.client_id != client_id:
            raise ClientIdMissmatch
        return told

    def get_request_application(self, id_token: IDToken | None, client_id: str | None) -> Application | None:
        """Return the application that asks, from its client id or its hint; None without either."""
        if not client_id:
            return id_token.application if id_token else None
        application = Application.objects.filter(client_id=client_id).first()
        if application is None:
            raise InvalidOIDCClientError
        return application

    def validate_post_logout_redirect_uri(self, application: Application | None, address: str | None) -> None:
        """Refuse an address that is invalid, or that the application has not registered."""
        try:
            super().validate_post_logout_redirect_uri(application, address)
        except ValueError:
            raise InvalidOIDCRedirectURIError from None

    def do_logout(
        self,
        application: Application | None = None,
        post_logout_redirect_uri: str | None = None,
        state: str | None = None,
        token_user: Any = None,
    ) -> HttpResponse:
        """Sign the user out here, and end the user's tokens of the application that asked."""
        user_id = (token_user or self.request.user).pk
        if application and user_id:
            end_tokens(application, user_id)
        response: HttpResponse = super().do_logout(application, post_logout_redirect_uri, state, token_user)
        return response
