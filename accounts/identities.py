"""Users of other issuers, identified by issuer and `sub`, never by an e-mail address, which may get another owner."""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from hashlib import sha256
from typing import Any
from urllib.parse import urlsplit

from django.db import IntegrityError, transaction

from accounts.audit import actor
from savannah.sql import fetch_value, load_queries
from savannah.text import storable

QUERIES = load_queries(__file__)


def sign_in_user(issuer: str, claims: Mapping[str, Any], roles: Sequence[str] | None) -> int:
    """Return the id of the user of (issuer, sub), created if necessary; store the roles that the groups map to."""
    names = {"issuer": issuer, "subject": str(claims["sub"]), "roles": None if roles is None else list(roles)}
    user_id = fetch_value(QUERIES.keep_roles, **names, actor=actor(user_id=None, name=f"sign-in at {issuer}"))
    if user_id is None:
        create_user(issuer, claims, roles)
        user_id = fetch_value(QUERIES.keep_roles, **names)
    return int(user_id)


def create_user(issuer: str, claims: Mapping[str, Any], roles: Sequence[str] | None) -> None:
    """Create the user of (issuer, sub), unless another request just did. The user cannot sign in with a password."""
    subject = str(claims["sub"])
    names = {
        "email": _text(claims, "email", 254) if claims.get("email_verified") is True else "",
        "first_name": _text(claims, "given_name", 150),
        "last_name": _text(claims, "family_name", 150),
    }
    readable, unique = _usernames(issuer, claims)
    for username in (readable, unique):
        # Of two concurrent first requests one creates the user; for the other the statement fails or does nothing.
        with suppress(IntegrityError), transaction.atomic():
            made = fetch_value(
                QUERIES.create_foreign_user,
                issuer=issuer,
                subject=subject,
                roles=None if roles is None else list(roles),
                username=username,
                actor=actor(user_id=None, name=username),
                **names,
            )
            if made:
                return


def _usernames(issuer: str, claims: Mapping[str, Any]) -> tuple[str, str]:
    """Return a readable user name, and a unique one in case the first is taken."""
    name = _text(claims, "preferred_username", 60) or _text(claims, "email", 60) or _text(claims, "sub", 60)
    name = "".join(letter if letter.isalnum() or letter in "@.+-_" else "_" for letter in name)
    host = (urlsplit(issuer).hostname or "")[:60]
    mark = sha256(f"{issuer} {claims['sub']}".encode()).hexdigest()[:12]
    return f"{name}@{host}", f"{name}.{mark}@{host}"


def _text(claims: Mapping[str, Any], name: str, longest: int) -> str:
    value = claims.get(name)
    return storable(value, longest) if isinstance(value, str) else ""
