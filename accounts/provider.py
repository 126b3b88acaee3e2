"""The OpenID provider's decisions: what django-oauth-toolkit asks of a validator, where its own answers do not serve.

Rules: OpenID Connect Core 1.0, RFC 6749, RFC 7636 (PKCE), RFC 9068 (JWT access tokens), RFC 9700 (best practice).
"""

import hashlib
import secrets
from datetime import timedelta
from functools import cache
from typing import Any
from uuid import uuid4

import jwt
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from django.conf import settings
from django.contrib.auth.models import AbstractBaseUser
from django.http import HttpRequest
from django.utils import timezone
from oauth2_provider.models import AccessToken, RefreshToken
from oauth2_provider.oauth2_validators import OAuth2Validator
from oauth2_provider.scopes import SettingsScopes
from oauth2_provider.utils import jwk_from_pem
from oauthlib.common import Request
from oauthlib.oauth2.rfc6749.errors import CustomOAuth2Error, InvalidGrantError

from accounts.models import Application, Grant

API_AUDIENCE = f"{settings.PUBLIC_URL}/api"
# A client that repeats a refresh within this time lost a race or a reply; later, somebody else has its token.
REFRESH_RACE_SECONDS = 10


class Scopes(SettingsScopes):
    """The scopes that an application may ask for."""

    def get_available_scopes(self, application: Application | None = None, *args: Any, **kwargs: Any) -> list[str]:
        """Return every scope, or those of the application. `openid` needs somebody who signs in, and an algorithm."""
        scopes: list[str] = super().get_available_scopes()
        if application is None:
            return scopes
        allowed = application.allowed_scopes.split() or scopes
        has_id_token = application.algorithm and not application.allows_grant_type(Application.GRANT_CLIENT_CREDENTIALS)
        return [scope for scope in scopes if scope in allowed and (scope != "openid" or has_id_token)]

    def get_default_scopes(self, application: Application | None = None, *args: Any, **kwargs: Any) -> list[str]:
        """Return what a request without a scope asks for: all that the application may have, an ID token excepted.

        API scopes limit a token: only an application that was registered for some gets them without asking.
        """
        limits = set(settings.API_SCOPES) - set(application.allowed_scopes.split() if application else ())
        return [scope for scope in self.get_available_scopes(application) if scope not in {"openid", *limits}]


class Validator(OAuth2Validator):
    """The validator that OAUTH2_PROVIDER names."""

    # --- authorization: who may ask for what ---

    def is_pkce_required(self, client_id: str, request: Request) -> bool:
        """Public clients need PKCE, confidential ones may use it (the specification's flow does not)."""
        return bool(request.client.client_type == Application.CLIENT_PUBLIC)

    def validate_scopes(
        self, client_id: str, scopes: list[str], client: Application, *args: Any, **kwargs: Any
    ) -> bool:
        """A token without a scope would be good for nothing: refuse to make one."""
        return bool(scopes) and super().validate_scopes(client_id, scopes, client, *args, **kwargs)

    def validate_silent_login(self, request: Request) -> bool:
        """`prompt=none`: the authorization view answers for it, it has the session."""
        return True

    def validate_silent_authorization(self, request: Request) -> bool:
        """`prompt=none`: the authorization view answers for it, it knows the consents."""
        return True

    def save_authorization_code(self, client_id: str, code: dict[str, str], request: Request, *args: Any) -> None:
        """Keep when the user signed in beside the code."""
        super().save_authorization_code(client_id, code, request, *args)
        Grant.objects.filter(code=code["code"]).update(auth_time=request.auth_time)

    # --- token: a code or a refresh token is good for one use, also when ten processes try at once ---

    def validate_code(self, client_id: str, code: str, client: Application, request: Request, *args: Any) -> bool:
        """Lock the code until the end of the transaction (TokenView); a replay revokes what the code bought."""
        grant = Grant.objects.select_for_update().filter(code=code, application=client).first()
        if grant is None or not grant.user.is_active:
            return False
        if grant.redeemed_at:
            _revoke_family(grant.token_family)
            return False
        # oauthlib's request carries what a later step needs.
        request.grant = grant  # type: ignore[attr-defined]
        return bool(super().validate_code(client_id, code, client, request, *args))

    def get_code_challenge(self, code: str, request: Request) -> str | None:
        """Return the code's PKCE challenge; a verifier without a challenge is a downgrade (RFC 9700, section 2.1.1)."""
        challenge: str | None = super().get_code_challenge(code, request)
        if challenge is None and request.code_verifier is not None:
            raise InvalidGrantError(request=request)
        return challenge

    def invalidate_authorization_code(self, client_id: str, code: str, request: Request, *args: Any) -> None:
        """Mark the code as redeemed, and by what; it is deleted once it has expired."""
        Grant.objects.filter(pk=request.grant.pk).update(redeemed_at=timezone.now(), token_family=request.token_family)

    def validate_refresh_token(self, refresh_token: str, client: Application, request: Request, *args: Any) -> bool:
        """Lock the token; one that was rotated a moment ago is refused, one rotated longer ago ends its family."""
        checksum = hashlib.sha256(refresh_token.encode()).hexdigest()
        token = RefreshToken.objects.select_for_update().filter(token_checksum=checksum, application=client).first()
        if token is None or not token.user.is_active:
            return False
        if token.revoked and token.revoked > timezone.now() - timedelta(seconds=REFRESH_RACE_SECONDS):
            return False
        return bool(super().validate_refresh_token(refresh_token, client, request, *args))

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

    def _get_key_for_token(self, token: str) -> Any:
        try:
            return super()._get_key_for_token(token)
        except (ValueError, TypeError, KeyError, AttributeError):
            return None


def authenticated_client(request: HttpRequest) -> Application | None:
    """Return the confidential client that a form POST authenticates as (RFC 6749, section 2.3), or None."""
    asked = Request(
        request.path, "POST", request.POST.dict(), {"HTTP_AUTHORIZATION": request.META.get("HTTP_AUTHORIZATION")}
    )
    authenticated = Validator().authenticate_client(asked)
    return asked.client if authenticated and asked.client.client_type == Application.CLIENT_CONFIDENTIAL else None


def user_claims(user: AbstractBaseUser) -> dict[str, Any]:
    """Return every claim of a user that is not empty (OpenID Connect Core, section 5.1)."""
    claims = {
        "sub": str(user.pk),
        "email": getattr(user, "email", ""),
        "given_name": getattr(user, "first_name", ""),
        "family_name": getattr(user, "last_name", ""),
        "preferred_username": user.get_username(),
    }
    return {name: value for name, value in claims.items() if value}


def is_our_resource(resource: str) -> bool:
    """Whether a resource indicator (RFC 8707) names this API."""
    return resource.rstrip("/") in {settings.PUBLIC_URL, API_AUDIENCE}


def _revoke_family(family: Any) -> None:
    if family is not None:
        AccessToken.objects.filter(refresh_token__token_family=family).delete()
        RefreshToken.revoke_family(family)


def new_access_token(request: Request) -> str:
    """Return a JWT access token (RFC 9068). The API looks its checksum up: the row is the truth, not the claims."""
    user = request.user or request.client.user
    now = int(timezone.now().timestamp())
    claims = {
        "iss": settings.OIDC_ISSUER,
        "sub": str(user.pk) if user else request.client.client_id,
        "aud": API_AUDIENCE,
        "client_id": request.client.client_id,
        "scope": " ".join(request.scopes),
        "iat": now,
        "exp": now + request.expires_in,
        "jti": str(uuid4()),
    }
    key, key_id = _signing_key()
    return jwt.encode(claims, key, algorithm="RS256", headers={"typ": "at+jwt", "kid": key_id})


def new_refresh_token(request: Request) -> str:
    """Return an opaque refresh token."""
    return secrets.token_urlsafe(48)


@cache
def _signing_key() -> tuple[Any, str]:
    pem = settings.OIDC_RSA_PRIVATE_KEY
    return load_pem_private_key(pem.encode(), password=None), jwk_from_pem(pem).thumbprint()
