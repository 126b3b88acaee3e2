"""The Bearer check (RFC 6750): one statement, and the database row is the truth."""

from dataclasses import dataclass
from hashlib import sha256

from rest_framework.authentication import BaseAuthentication
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.request import Request

from savannah.sql import fetch_one, load_queries

QUERIES = load_queries(__file__)


@dataclass(frozen=True)
class Caller:
    """The user that a token acts for."""

    id: int
    username: str
    is_authenticated: bool = True
    is_active: bool = True


class BearerAuthentication(BaseAuthentication):
    """`Authorization: Bearer <token>`, from the header alone: never from query, form or cookie."""

    def authenticate(self, request: Request) -> tuple[Caller, frozenset[str]] | None:
        """Return the caller and the token's scopes; None without a Bearer header; raise for a token that is no good."""
        scheme, _, token = request.META.get("HTTP_AUTHORIZATION", "").partition(" ")
        if scheme.lower() != "bearer":
            return None
        row = fetch_one(QUERIES.find_bearer, checksum=sha256(token.strip().encode("utf-8", "replace")).hexdigest())
        if row is None:
            raise AuthenticationFailed
        user_id, username, scope = row
        return Caller(user_id, username), frozenset(scope.split())

    def authenticate_header(self, request: Request) -> str:
        """Return the challenge of a 401 (RFC 6750, section 3)."""
        given = request.META.get("HTTP_AUTHORIZATION", "").lower().startswith("bearer ")
        return 'Bearer realm="api", error="invalid_token"' if given else 'Bearer realm="api"'
