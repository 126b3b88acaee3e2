"""The OpenID provider's rules: overrides of django-oauth-toolkit's validator where its defaults are not enough.

Standards: OpenID Connect Core 1.0, RFC 6749, RFC 7636 (PKCE), RFC 9068 (JWT access tokens), RFC 9700 (best practice).
"""

from datetime import timedelta
from typing import Any
from uuid import UUID

from django.conf import settings
from django.contrib.auth import get_user_model
from django.db import transaction
from django.http import HttpRequest
from django.utils import timezone
from oauth2_provider.models import AccessToken, RefreshToken
from oauth2_provider.oauth2_validators import OAuth2Validator
from oauth2_provider.scopes import SettingsScopes
from oauthlib.common import Request
from oauthlib.oauth2.rfc6749.errors import CustomOAuth2Error, InvalidGrantError, InvalidScopeError

from accounts.bearer import api_scopes, checksum_of
from accounts.models import Application, Grant
from accounts.tokens import end_family, is_our_resource, user_claims
from savannah.sql import fetch_one, fetch_value, load_queries

QUERIES = load_queries(__file__)

# A client that reuses a refresh token within this time lost a race or a reply; later, the token was stolen.
REFRESH_RACE_SECONDS = 10


class Scopes(SettingsScopes):
    """The scopes that an application may ask for."""

    def get_available_scopes(self, application: Application | None = None, *args: Any, **kwargs: Any) -> list[str]:
        """Return every scope, or those of the application. `openid` needs a user who signs in, and an algorithm."""
        scopes: list[str] = super().get_available_scopes()
        if application is None:
            return scopes
        allowed = application.allowed_scopes.split() or scopes
        has_id_token = application.algorithm and not application.allows_grant_type(Application.GRANT_CLIENT_CREDENTIALS)
        return [scope for scope in scopes if scope in allowed and (scope != "openid" or has_id_token)]

    def get_default_scopes(self, application: Application | None = None, *args: Any, **kwargs: Any) -> list[str]:
        """Return the scopes of a request that names none: all that the application may have, except `openid`.

        API scopes limit a token: only an application that was registered for some gets them by default.
        """
        limits = set(settings.API_SCOPES) - set(application.allowed_scopes.split() if application else ())
        return [scope for scope in self.get_available_scopes(application) if scope not in {"openid", *limits}]


class Validator(OAuth2Validator):
    """The validator that OAUTH2_PROVIDER names."""

    def _load_application(self, client_id: str | None, request: Request) -> Application | None:
        """Return the application; none for an id with a NUL, for which PostgreSQL would raise an error."""
        if client_id and "\x00" in client_id:
            return None
        application: Application | None = super()._load_application(client_id, request)
        return application

    # --- authorization: who may ask for what ---

    def is_pkce_required(self, client_id: str, request: Request) -> bool:
        """Public clients need PKCE, confidential ones may use it (the specification's flow does not)."""
        return bool(request.client.client_type == Application.CLIENT_PUBLIC)

    def validate_scopes(
        self, client_id: str, scopes: list[str], client: Application, *args: Any, **kwargs: Any
    ) -> bool:
        """Refuse a request without any scope: its token would be useless."""
        return bool(scopes) and super().validate_scopes(client_id, scopes, client, *args, **kwargs)

    def validate_grant_type(
        self, client_id: str, grant_type: str, client: Application, request: Request, *args: Any, **kwargs: Any
    ) -> bool:
        """Allow only the grant that the application is registered for; a machine only while its account is active."""
        if grant_type == "client_credentials" and not (client.user and client.user.is_active):
            return False
        return bool(super().validate_grant_type(client_id, grant_type, client, request, *args, **kwargs))

    def validate_silent_login(self, request: Request) -> bool:
        """Always True: the authorization view handles `prompt=none`, since it has the session."""
        return True

    def validate_silent_authorization(self, request: Request) -> bool:
        """Always True: the authorization view handles `prompt=none`, since it knows the consents."""
        return True

    def save_authorization_code(self, client_id: str, code: dict[str, str], request: Request, *args: Any) -> None:
        """Store the code as its SHA-256, with the time of sign-in; the redirect URI only if the request named one."""
        checksum = checksum_of(code["code"])
        super().save_authorization_code(client_id, {**code, "code": checksum}, request, *args)
        Grant.objects.filter(code=checksum).update(
            auth_time=request.auth_time, redirect_uri=request.redirect_uri if request.names_redirect_uri else ""
        )

    # --- token: a code or a refresh token can be used once, also when ten processes try at the same time ---

    def get_authorization_code_scopes(
        self, client_id: str, code: str, redirect_uri: str, request: Request
    ) -> list[str]:
        """Return the scopes of a code as the client sent it: oauthlib asks for them before it validates the code."""
        scopes: list[str] = super().get_authorization_code_scopes(client_id, checksum_of(code), redirect_uri, request)
        return scopes

    def validate_code(self, client_id: str, code: str, client: Application, request: Request, *args: Any) -> bool:
        """Lock the code until the transaction ends (endpoints.Token); a replay revokes the tokens that it gave."""
        # From here on, oauthlib asks for the code in its stored form.
        request.code = checksum_of(code)  # type: ignore[attr-defined]
        grant = Grant.objects.select_for_update().filter(code=request.code, application=client).first()
        if grant is None or not grant.user.is_active:
            return False
        if grant.redeemed_at:
            end_family(grant.token_family)
            return False
        # Later steps read it from oauthlib's request.
        request.grant = grant  # type: ignore[attr-defined]
        return bool(super().validate_code(client_id, request.code, client, request, *args))

    def confirm_redirect_uri(
        self, client_id: str, code: str, redirect_uri: str, client: Application, request: Request, *args: Any
    ) -> bool:
        """Require the redirect URI of the authorization request again, if it named one (RFC 6749, section 4.1.3)."""
        named: str = request.grant.redirect_uri
        same = redirect_uri == (named or client.default_redirect_uri)
        if not same or (named and request.using_default_redirect_uri):
            raise InvalidGrantError("The redirect_uri is not the authorization request's.", request=request)
        return True

    def get_code_challenge(self, code: str, request: Request) -> str | None:
        """Return the code's PKCE challenge; a verifier without a challenge is a downgrade (RFC 9700, section 2.1.1)."""
        challenge: str | None = super().get_code_challenge(code, request)
        if challenge is None and request.code_verifier is not None:
            raise InvalidGrantError(request=request)
        return challenge

    def invalidate_authorization_code(self, client_id: str, code: str, request: Request, *args: Any) -> None:
        """Mark the code as redeemed, with the family of its tokens. Upkeep deletes it after it has expired."""
        Grant.objects.filter(pk=request.grant.pk).update(redeemed_at=timezone.now(), token_family=request.token_family)

    def validate_refresh_token(self, refresh_token: str, client: Application, request: Request, *args: Any) -> bool:
        """Let one request at a time rotate a family. A token rotated within REFRESH_RACE_SECONDS is only refused: its
        client lost a race or an answer. One rotated earlier counts as stolen, and ends its family.
        """
        checksum = checksum_of(refresh_token)
        family = fetch_value(QUERIES.find_family, checksum=checksum, application=client.pk)
        if family is None:
            return False
        fetch_one(QUERIES.lock_family, family=family)
        token = RefreshToken.objects.filter(token_checksum=checksum, application=client).select_related("user").first()
        if token is None or not token.user.is_active:
            return False
        if token.revoked and token.revoked > timezone.now() - timedelta(seconds=REFRESH_RACE_SECONDS):
            return False
        return bool(super().validate_refresh_token(refresh_token, client, request, *args))

    def get_original_scopes(self, refresh_token: str, request: Request, *args: Any) -> str:
        """Return the scopes of the previous token. A refresh may ask for fewer, but not drop all API scopes:
        a token without any has full access.
        """
        scopes: str = super().get_original_scopes(refresh_token, request, *args) or ""
        if request.scope and api_scopes(scopes.split()) and not api_scopes(request.scope.split()):
            raise InvalidScopeError(request=request)
        return scopes

    def validate_device_code(self, client_id: str, device_code: str, request: Request) -> str | None:
        """Return the answer to a device that polls for its tokens (RFC 8628, section 3.5)."""
        found = fetch_one(QUERIES.poll_device, checksum=checksum_of(device_code), client_id=client_id)
        if found is None:
            return None
        status: str | None
        status, user_id, scope = found
        if status == "authorized":
            user = get_user_model()._default_manager.get(pk=user_id)
            if not user.is_active:
                return "access_denied"
            # The tokens are made from these.
            request.user, request.scopes = user, scope.split()  # type: ignore[attr-defined]
        return status

    def revoke_token(
        self, token: str, token_type_hint: str | None, request: Request, *args: Any, **kwargs: Any
    ) -> None:
        """End the whole family of a token, if it is this client's own; ignore other clients' tokens."""
        checksum = checksum_of(token)
        with transaction.atomic():
            family = fetch_value(QUERIES.find_family, checksum=checksum, application=request.client.pk)
            end_family(UUID(family) if family else None)
            AccessToken.objects.filter(token_checksum=checksum, application=request.client).delete()

    def _create_refresh_token(self, request: Request, *args: Any) -> RefreshToken:
        token: RefreshToken = super()._create_refresh_token(request, *args)
        request.token_family = token.token_family  # type: ignore[attr-defined]
        return token

    def _validate_resource_uris(self, request: Request, resources: list[str]) -> None:
        """Tokens are for this API alone: any other resource is an invalid_target (RFC 8707, section 2)."""
        for resource in resources:
            if not is_our_resource(resource):
                raise CustomOAuth2Error(error="invalid_target", description="Unknown resource.", request=request)

    # --- tokens ---

    def get_additional_claims(self, request: Request) -> dict[str, Any]:
        """Return the user's claims; which of them an ID token shows depends on its scopes."""
        return user_claims(request.user)

    def get_id_token_dictionary(self, token: Any, token_handler: Any, request: Request) -> tuple[dict[str, Any], Any]:
        """Return the claims and the expiry of an ID token. After a refresh it has no auth_time: nobody signed in."""
        claims, expires = super().get_id_token_dictionary(token, token_handler, request)
        grant = getattr(request, "grant", None)
        del claims["auth_time"]
        if grant is not None and grant.auth_time is not None:
            claims["auth_time"] = grant.auth_time
        return claims, expires

    def _save_id_token(self, *args: Any, **kwargs: Any) -> None:
        """Store nothing: ID tokens are never looked up (`read_id_token` verifies what a client shows us)."""

    def _load_id_token(self, token: str) -> None:
        return None


def calling_client(request: HttpRequest) -> Application | None:
    """Return the application that sent a form, if it authenticates as it must (RFC 6749, section 2.3); else None."""
    asked = Request(
        request.path, "POST", request.POST.dict(), {"HTTP_AUTHORIZATION": request.META.get("HTTP_AUTHORIZATION")}
    )
    validator = Validator()
    if validator.client_authentication_required(asked):
        proved = validator.authenticate_client(asked)
    else:
        proved = validator.authenticate_client_id(asked.client_id, asked)
    return asked.client if proved else None
