"""The OpenID provider's decisions: what django-oauth-toolkit asks of a validator, where its own answers do not serve.

Rules: OpenID Connect Core 1.0, RFC 6749, RFC 7636 (PKCE), RFC 9068 (JWT access tokens), RFC 9700 (best practice).
"""

import secrets
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import jwt
from django.conf import settings
from django.contrib.auth import get_user_model
from django.contrib.auth.models import AbstractBaseUser
from django.core.exceptions import ObjectDoesNotExist
from django.db import DataError, transaction
from django.http import HttpRequest
from django.utils import timezone
from oauth2_provider.models import AccessToken, RefreshToken
from oauth2_provider.oauth2_validators import OAuth2Validator
from oauth2_provider.scopes import SettingsScopes
from oauthlib.common import Request
from oauthlib.oauth2.rfc6749.errors import CustomOAuth2Error, InvalidGrantError, InvalidScopeError

from accounts.bearer import api_scopes, checksum_of
from accounts.keys import keys
from accounts.models import Application, Grant
from savannah.sql import fetch_one, fetch_value, load_queries

QUERIES = load_queries(__file__)

API_AUDIENCE = f"{settings.PUBLIC_URL}/api"
# A client that repeats a refresh within this time lost a race or a reply; later, somebody else has its token.
REFRESH_RACE_SECONDS = 10
# Counted from when the access token beside it expires.
REFRESH_LIFETIME = timedelta(seconds=settings.REFRESH_TOKEN_SECONDS)


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

    def _load_application(self, client_id: str | None, request: Request) -> Application | None:
        """Return the application; PostgreSQL holds none whose id has a NUL, and objects to the question."""
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
        """A token without a scope would be good for nothing: refuse to make one."""
        return bool(scopes) and super().validate_scopes(client_id, scopes, client, *args, **kwargs)

    def validate_grant_type(
        self, client_id: str, grant_type: str, client: Application, request: Request, *args: Any, **kwargs: Any
    ) -> bool:
        """An application asks by the grant that it was registered for; a machine, while its account is active."""
        if grant_type == "client_credentials" and not (client.user and client.user.is_active):
            return False
        return bool(super().validate_grant_type(client_id, grant_type, client, request, *args, **kwargs))

    def validate_silent_login(self, request: Request) -> bool:
        """`prompt=none`: the authorization view answers for it, it has the session."""
        return True

    def validate_silent_authorization(self, request: Request) -> bool:
        """`prompt=none`: the authorization view answers for it, it knows the consents."""
        return True

    def save_authorization_code(self, client_id: str, code: dict[str, str], request: Request, *args: Any) -> None:
        """Keep the code as its SHA-256, with when the user signed in; no redirect URI where the request named none."""
        checksum = checksum_of(code["code"])
        super().save_authorization_code(client_id, {**code, "code": checksum}, request, *args)
        Grant.objects.filter(code=checksum).update(
            auth_time=request.auth_time, redirect_uri=request.redirect_uri if request.names_redirect_uri else ""
        )

    # --- token: a code or a refresh token is good for one use, also when ten processes try at once ---

    def get_authorization_code_scopes(
        self, client_id: str, code: str, redirect_uri: str, request: Request
    ) -> list[str]:
        """Return the scopes of a code as the client sends it: whether an ID token is due, before all else."""
        scopes: list[str] = super().get_authorization_code_scopes(client_id, checksum_of(code), redirect_uri, request)
        return scopes

    def validate_code(self, client_id: str, code: str, client: Application, request: Request, *args: Any) -> bool:
        """Lock the code until the end of the transaction (TokenView); a replay revokes what the code bought."""
        # What oauthlib asks for from here on is the code as it is kept.
        request.code = checksum_of(code)  # type: ignore[attr-defined]
        grant = Grant.objects.select_for_update().filter(code=request.code, application=client).first()
        if grant is None or not grant.user.is_active:
            return False
        if grant.redeemed_at:
            end_family(grant.token_family)
            return False
        # oauthlib's request carries what a later step needs.
        request.grant = grant  # type: ignore[attr-defined]
        return bool(super().validate_code(client_id, request.code, client, request, *args))

    def confirm_redirect_uri(
        self, client_id: str, code: str, redirect_uri: str, client: Application, request: Request, *args: Any
    ) -> bool:
        """The redirect URI that the authorization request named has to be named again (RFC 6749, section 4.1.3)."""
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
        """Mark the code as redeemed, and by what; it is deleted once it has expired."""
        Grant.objects.filter(pk=request.grant.pk).update(redeemed_at=timezone.now(), token_family=request.token_family)

    def validate_refresh_token(self, refresh_token: str, client: Application, request: Request, *args: Any) -> bool:
        """One request at a time rotates a family. A token that was rotated a moment ago is refused, as the loser of a
        race or the retry of a lost answer; one that was rotated longer ago is in two hands, and ends its family.
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
        """Return the scopes of the token before. A refresh may ask for fewer; not for none of the API's where there
        were some, since a token without any may do everything.
        """
        scopes: str = super().get_original_scopes(refresh_token, request, *args) or ""
        if request.scope and api_scopes(scopes.split()) and not api_scopes(request.scope.split()):
            raise InvalidScopeError(request=request)
        return scopes

    def validate_device_code(self, client_id: str, device_code: str, request: Request) -> str | None:
        """Return what a device is told that asks whether it was let in (RFC 8628, section 3.5)."""
        found = fetch_one(QUERIES.poll_device, checksum=checksum_of(device_code), client_id=client_id)
        if found is None:
            return None
        status: str | None
        status, user_id, scope = found
        if status == "authorized":
            user = get_user_model()._default_manager.get(pk=user_id)
            if not user.is_active:
                return "access_denied"
            # What the token is made of.
            request.user, request.scopes = user, scope.split()  # type: ignore[attr-defined]
        return status

    def revoke_token(
        self, token: str, token_type_hint: str | None, request: Request, *args: Any, **kwargs: Any
    ) -> None:
        """End all that came of the same sign-in as a token of the client's own; others' are not looked at."""
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
        """ID tokens are not kept: nothing asks for them again (`read_id_token` verifies what a client shows us)."""

    def _load_id_token(self, token: str) -> None:
        return None


@dataclass(frozen=True)
class IDToken:
    """Whom an ID token of ours is about, and which application has it."""

    application: Application
    user: AbstractBaseUser


def read_id_token(token: str) -> IDToken | None:
    """Return what an `id_token_hint` says if it is ours, expired or not; else None."""
    try:
        header = jwt.get_unverified_header(token)
        audience = str(jwt.decode(token, options={"verify_signature": False})["aud"])
        application = Application.objects.exclude(algorithm="").get(client_id=audience)
        known = {key.id: key.private.public_key() for key in keys()}
        claims = jwt.decode(
            token,
            known[header["kid"]] if application.algorithm == "RS256" else application.client_secret,
            algorithms=[application.algorithm],
            audience=application.client_id,
            issuer=settings.OIDC_ISSUER,
            options={"verify_exp": False},
        )
        return IDToken(application, get_user_model()._default_manager.get(pk=claims["sub"]))
    except (jwt.PyJWTError, KeyError, ValueError, RecursionError, ObjectDoesNotExist, DataError):
        return None


def calling_client(request: HttpRequest) -> Application | None:
    """Return the application that a form POST comes from (RFC 6749, section 2.3), if it proves it as it has to."""
    asked = Request(
        request.path, "POST", request.POST.dict(), {"HTTP_AUTHORIZATION": request.META.get("HTTP_AUTHORIZATION")}
    )
    validator = Validator()
    if validator.client_authentication_required(asked):
        proved = validator.authenticate_client(asked)
    else:
        proved = validator.authenticate_client_id(asked.client_id, asked)
    return asked.client if proved else None


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


def end_family(family: UUID | None) -> None:
    """Revoke every refresh token of a family and the access tokens beside them, whatever is being rotated just now."""
    if family is not None:
        fetch_one(QUERIES.lock_family, family=str(family))
        RefreshToken.revoke_family(family)


def end_tokens(application: Application, user_id: int) -> None:
    """End every token that an application has of a user, and what it has yet to redeem: codes, devices let in."""
    fetch_one(QUERIES.end_tokens, application=application.pk, user=user_id)


def describe_token(token: str, client: Application) -> dict[str, Any] | None:
    """Return what a client's own token is good for (RFC 7662, section 2.2); None if for nothing."""
    checksum = checksum_of(token)
    access = AccessToken.objects.filter(token_checksum=checksum, application=client).first()
    expires = access.expires if access else None
    if access is None:
        refresh = RefreshToken.objects.filter(token_checksum=checksum, application=client, revoked=None).first()
        access = refresh.access_token if refresh else None
        expires = access.expires + REFRESH_LIFETIME if access else None
    user = (access.user or client.user) if access else None
    if not (access and expires and expires > timezone.now() and user and user.is_active):
        return None
    return {
        "active": True,
        "scope": access.scope,
        "client_id": client.client_id,
        "sub": str(user.pk),
        "username": user.get_username(),
        "exp": int(expires.timestamp()),
        "iss": settings.OIDC_ISSUER,
        **({"token_type": "Bearer", "aud": API_AUDIENCE} if access.token_checksum == checksum else {}),
    }


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
    key = keys()[0]
    return jwt.encode(claims, key.private, algorithm="RS256", headers={"typ": "at+jwt", "kid": key.id})


def new_refresh_token(request: Request) -> str:
    """Return an opaque refresh token."""
    return secrets.token_urlsafe(48)
