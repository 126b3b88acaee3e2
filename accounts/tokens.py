"""Tokens: making, reading, describing and ending them (RFC 9068, RFC 7662)."""

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
from django.db import DataError
from django.utils import timezone
from oauth2_provider.models import AccessToken, RefreshToken
from oauthlib.common import Request

from accounts.bearer import checksum_of
from accounts.keys import keys
from accounts.models import Application
from savannah.sql import fetch_one, load_queries

QUERIES = load_queries(__file__)

API_AUDIENCE = f"{settings.PUBLIC_URL}/api"
# Counted from the expiry of the access token that was issued with it.
REFRESH_LIFETIME = timedelta(seconds=settings.REFRESH_TOKEN_SECONDS)


@dataclass(frozen=True)
class IDToken:
    """The user of an ID token of ours, and the application that it was issued to."""

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
    """Revoke the refresh and access tokens of a family. Locks it, so that a rotation at the same time cannot escape."""
    if family is not None:
        fetch_one(QUERIES.lock_family, family=str(family))
        RefreshToken.revoke_family(family)


def end_tokens(application: Application, user_id: int) -> None:
    """End every token that an application has for a user, and the codes and device requests not redeemed yet."""
    fetch_one(QUERIES.end_tokens, application=application.pk, user=user_id)


def describe_token(token: str, client: Application) -> dict[str, Any] | None:
    """Return the introspection of a client's own token (RFC 7662, section 2.2); None if it is not valid."""
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
    """Return a JWT access token (RFC 9068). The API looks up its checksum: the row counts, not the claims."""
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
