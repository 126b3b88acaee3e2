"""The Bearer check (RFC 6750): one statement looks the token up, and only the database row counts.

A token of another issuer (OIDC_ISSUERS) is verified with that issuer's keys first; then its user is looked up.
"""

from collections import OrderedDict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from hashlib import sha256
from typing import Any

from django.conf import settings
from rest_framework.authentication import BaseAuthentication
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.request import Request

from accounts import issuers
from accounts.audit import actor
from accounts.identities import create_user
from accounts.throttles import count_stranger
from savannah.sql import ACTOR, fetch_one, load_queries

QUERIES = load_queries(__file__)
RESOURCE_METADATA = "/.well-known/oauth-protected-resource/api"


@dataclass(frozen=True, kw_only=True, slots=True)
class Caller:
    """The user that a token acts for, with the user's rights and the token's limits."""

    id: int
    username: str
    client_id: str | None
    is_superuser: bool
    rights: frozenset[str]
    # The API scopes that the token is limited to; empty: it may do whatever its user may.
    limits: frozenset[str]
    is_authenticated: bool = True
    is_active: bool = True

    def has_right(self, right: str) -> bool:
        """Whether the user's role gives the right ("orders.add_order"); a superuser has every one."""
        return self.is_superuser or right in self.rights


class BearerAuthentication(BaseAuthentication):
    """`Authorization: Bearer <token>`, from the header alone: never from query, form or cookie."""

    def authenticate(self, request: Request) -> tuple[Caller, frozenset[str]] | None:
        """Return the caller and the token's scopes; None without a Bearer header; raise for an invalid token."""
        token = bearer_token(request.META)
        if token is None:
            return None
        found = find_caller(token)
        if found is None:
            count_stranger(request)
            raise AuthenticationFailed
        caller, scopes = found
        name_actor(caller)
        return caller, scopes

    def authenticate_header(self, request: Request) -> str:
        """Return the challenge of a 401 (RFC 6750, section 3)."""
        given = request.META.get("HTTP_AUTHORIZATION", "").lower().startswith("bearer ")
        return challenge(error="invalid_token") if given else challenge()


def challenge(**parameters: str) -> str:
    """Return a WWW-Authenticate header (RFC 6750, section 3) with the URL of our resource metadata (RFC 9728, 5.1)."""
    told = {"realm": "api", **parameters, "resource_metadata": f"{settings.PUBLIC_URL}{RESOURCE_METADATA}"}
    return "Bearer " + ", ".join(f'{name}="{value}"' for name, value in told.items())


def bearer_token(environ: Mapping[str, str]) -> str | None:
    """Return the token of a request's Authorization header, or None where it has no Bearer token."""
    scheme, _, token = environ.get("HTTP_AUTHORIZATION", "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else None


def name_actor(caller: Caller) -> None:
    """Make the caller the actor of what this request changes, for the audit."""
    ACTOR.set(actor(user_id=caller.id, name=caller.username, client=caller.client_id))


def find_caller(token: str) -> tuple[Caller, frozenset[str]] | None:
    """Return the caller that the token acts for, and the token's scopes; None for an invalid token."""
    issuer = issuers.issuer_of(token)
    return _foreign_caller(issuer, token) if issuer else _own_caller(token)


def read_as_caller(token: str, statement: str, **parameters: Any) -> tuple[Caller, tuple[Any, ...]] | None:
    """Find the caller and the row of `statement` in one statement, which saves a round trip.

    Returns None for an invalid token or another issuer's. Does not check the caller's right to the row.
    """
    if issuers.issuer_of(token):
        return None
    row = fetch_one(_with_bearer(statement), **_as_parameters(token), **parameters)
    return (_caller(row[:_BEARER_COLUMNS])[0], row[_BEARER_COLUMNS:]) if row else None


def expected_caller(token: str) -> tuple[Caller, dict[str, str]] | None:
    """Return the caller that this process last found for a token, and the parameters of `while_bearer`.

    None for a token that it has not looked up yet, and for another issuer's. This alone authenticates nobody: meanwhile
    the token may have been revoked, or its user may have lost a right.
    """
    parameters = _as_parameters(token)
    seen = _seen.get(parameters["checksum"])
    return (seen[0], {**parameters, "bearer": seen[1]}) if seen else None


def while_bearer(statement: str) -> str:
    """Add the CTE `bearer` to a statement that begins WITH: it has a row only if the token's row has not changed.

    So the statement that does the work also checks that what `expected_caller` returned still holds.
    """
    if not statement.startswith("WITH ") or "FROM bearer" not in statement:
        raise ValueError("this statement would be run for anybody")
    bearer = f"SELECT FROM ({QUERIES.find_bearer}) found WHERE found::text = %(bearer)s"
    return statement.replace("WITH ", f"WITH bearer AS ({bearer}), ", 1)


MOST_SEEN = 5000
# By the token's SHA-256, the least recently looked up first: the caller, and the row that it was made from, as text.
_seen: OrderedDict[str, tuple[Caller, str]] = OrderedDict()
_BEARER_COLUMNS = 7


@cache
def _with_bearer(statement: str) -> str:
    return f"SELECT * FROM ({QUERIES.find_bearer}) bearer LEFT JOIN LATERAL ({statement}) asked ON true"  # noqa: S608 - both are ours


def _own_caller(token: str) -> tuple[Caller, frozenset[str]] | None:
    parameters = _as_parameters(token)
    row = fetch_one(_FIND_BEARER_AND_TEXT, **parameters)
    if row is None:
        return None
    *columns, text = row
    caller, scopes = _caller(columns)
    # Removed first, so that it moves to the end. With a default: another thread may evict it at any moment.
    _seen.pop(parameters["checksum"], None)
    _seen[parameters["checksum"]] = caller, text
    if len(_seen) > MOST_SEEN:
        _seen.popitem(last=False)
    return caller, scopes


_FIND_BEARER_AND_TEXT = f"SELECT found.*, found::text FROM ({QUERIES.find_bearer}) found"  # noqa: S608 - ours


def checksum_of(token: str) -> str:
    """Return the SHA-256 under which a token is stored."""
    return sha256(token.encode("utf-8", "replace")).hexdigest()


def _as_parameters(token: str) -> dict[str, str]:
    return {"checksum": checksum_of(token), "default_role": settings.DEFAULT_ROLE}


def _caller(row: Sequence[Any]) -> tuple[Caller, frozenset[str]]:
    user_id, username, is_superuser, scope, client_id, allowed_scopes, rights = row
    scopes = frozenset(scope.split())
    caller = Caller(
        id=user_id,
        username=username,
        client_id=client_id,
        is_superuser=is_superuser,
        rights=frozenset(rights),
        # An application registered for some API scopes stays limited to them when it asks for none.
        limits=api_scopes(scopes) or api_scopes((allowed_scopes or "").split()),
    )
    return caller, scopes


def _foreign_caller(issuer: issuers.Issuer, token: str) -> tuple[Caller, frozenset[str]] | None:
    claims = issuers.verified_claims(issuer, token)
    if claims is None:
        return None
    roles = issuer.roles_of(claims)
    wanted = {"issuer": issuer.url, "subject": claims["sub"], "roles": roles, "default_role": settings.DEFAULT_ROLE}
    row = fetch_one(QUERIES.find_foreign_user, **wanted)
    if row is None:
        create_user(issuer.url, claims, roles)
        row = fetch_one(QUERIES.find_foreign_user, **wanted)
    if row is None:
        return None
    user_id, username, is_superuser, is_active, rights = row
    if not is_active:
        return None
    scopes = issuers.scopes_of(claims)
    caller = Caller(
        id=user_id,
        username=username,
        client_id=issuers.client_of(claims),
        is_superuser=is_superuser,
        rights=frozenset(rights),
        limits=api_scopes(scopes),
    )
    return caller, scopes


def api_scopes(scopes: Iterable[str]) -> frozenset[str]:
    """Return those of the scopes that name a part of the API, as "orders:read" does."""
    return frozenset(scope for scope in scopes if scope in settings.API_SCOPES)
