"""Access tokens of other issuers (Keycloak, Auth0, Entra): OIDC_ISSUERS lists them and maps their groups.

A token is verified as RFC 9068 and RFC 8725 require: with the issuer's own keys, only the configured algorithms, the
exact issuer and audience, and no ID tokens. Before that, its `iss` is read only to choose the keys.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from functools import cache
from typing import Any, cast
from urllib.parse import urlsplit

import jwt
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

from accounts.issuer_keys import Keys
from savannah.text import holds_unstorable, storable

ALGORITHMS = {"RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"}
# The `typ` of an access token: in the header (RFC 9068), and in Keycloak's claim of that name.
TOKEN_TYPES = {None, "jwt", "at+jwt", "application/at+jwt"}
CLAIMED_TYPES = {None, "Bearer"}
# Claims that only ID tokens have: an ID token is for the application that asked for it, not for an API.
ID_TOKEN_CLAIMS = {"nonce", "at_hash", "c_hash", "s_hash"}
LEEWAY_SECONDS = 30


@dataclass(frozen=True, kw_only=True, eq=False)
class Issuer:
    """One entry of OIDC_ISSUERS. `roles` maps its groups to our roles; without it all its users have DEFAULT_ROLE."""

    url: str
    audience: str
    algorithms: tuple[str, ...] = ("RS256",)
    groups_claim: str = "groups"
    roles: Mapping[str, str] | None = None
    jwks_uri: str = ""

    def roles_of(self, claims: Mapping[str, Any]) -> list[str] | None:
        """Return the roles that the groups in the claims map to; None if the issuer has no mapping."""
        if self.roles is None:
            return None
        groups = _claim(claims, self.groups_claim)
        groups = [groups] if isinstance(groups, str) else groups if isinstance(groups, list) else []
        return sorted({self.roles[group] for group in groups if isinstance(group, str) and group in self.roles})


def _claim(claims: Mapping[str, Any], name: str) -> Any:
    """Return a claim by its name (which may be a URL), or by its path (`realm_access.roles`)."""
    if name in claims or "." not in name:
        return claims.get(name)
    first, _, rest = name.partition(".")
    inner = claims.get(first)
    return _claim(inner, rest) if isinstance(inner, dict) else None


def issuer_named(url: object) -> Issuer | None:
    """Return the configured issuer with this URL."""
    return _read(settings.OIDC_ISSUERS).get(url) if isinstance(url, str) else None


def check_settings() -> None:
    """Raise ImproperlyConfigured, with a sentence, for an invalid OIDC_ISSUERS."""
    _read(settings.OIDC_ISSUERS)


def issuer_of(token: str) -> Issuer | None:
    """Return the configured issuer that the token, which is not verified yet, claims to come from."""
    if not settings.OIDC_ISSUERS or token.count(".") != 2:
        return None
    try:
        claims = jwt.decode(token, options={"verify_signature": False})
    except (jwt.PyJWTError, ValueError, RecursionError):
        return None
    return issuer_named(claims.get("iss"))


def verified_claims(issuer: Issuer, token: str) -> dict[str, Any] | None:
    """Return the claims of a valid access token from the issuer for this API; None for any other token."""
    try:
        header = jwt.get_unverified_header(token)
        key = _keys(issuer).find(header.get("kid"), header["alg"])
        if key is None or str(header.get("typ") or "jwt").lower() not in TOKEN_TYPES:
            return None
        claims: dict[str, Any] = jwt.decode(
            token,
            key,
            algorithms=list(issuer.algorithms),
            audience=issuer.audience,
            issuer=issuer.url,
            leeway=LEEWAY_SECONDS,
            options={"require": ["exp", "iat", "iss", "sub", "aud"]},
        )
    except (jwt.PyJWTError, KeyError, ValueError, TypeError, RecursionError):
        return None
    if ID_TOKEN_CLAIMS & claims.keys() or claims.get("typ") not in CLAIMED_TYPES:
        return None
    return claims if is_subject(claims["sub"]) else None


def is_subject(sub: str) -> bool:
    """Whether a `sub` can name somebody: 1 to 255 characters (OpenID Connect Core, section 2) that can be stored."""
    return 0 < len(sub) <= 255 and not holds_unstorable(sub)


def scopes_of(claims: Mapping[str, Any]) -> frozenset[str]:
    """Return the token's scopes: `scope` (RFC 9068) or `scp` (Entra, Okta)."""
    scopes = claims.get("scope", claims.get("scp", ""))
    words = scopes.split() if isinstance(scopes, str) else scopes if isinstance(scopes, list) else []
    return frozenset(word for word in words if isinstance(word, str))


def client_of(claims: Mapping[str, Any]) -> str | None:
    """Return the application that the issuer gave the token to."""
    return next((storable(claims[name], 255) for name in ("client_id", "azp", "appid") if claims.get(name)), None)


@cache
def _keys(issuer: Issuer) -> Keys:
    return Keys(issuer.url, issuer.jwks_uri, issuer.algorithms)


@cache
def _read(text: str) -> Mapping[str, Issuer]:
    """Return the issuers by URL; raise ImproperlyConfigured with a sentence for an invalid entry."""
    try:
        entries = json.loads(text or "{}")
    except json.JSONDecodeError as error:
        raise ImproperlyConfigured(f"OIDC_ISSUERS is not JSON: {error}") from None
    if not isinstance(entries, dict):
        raise ImproperlyConfigured('OIDC_ISSUERS has to be an object: {"https://issuer.example": {"audience": "..."}}')
    return {url: _issuer(url, entry) for url, entry in entries.items()}


def _issuer(url: str, entry: Any) -> Issuer:
    if not isinstance(entry, dict) or not _is_text(entry.get("audience")):
        raise _wrong(url, 'needs an "audience": what its tokens for this API say in `aud`')
    if unknown := entry.keys() - ({field.name for field in fields(Issuer)} - {"url"}):
        raise _wrong(url, f"has unknown settings: {', '.join(sorted(unknown))}")
    if not _is_text(entry.get("groups_claim", "groups")):
        raise _wrong(url, "groups_claim has to be the name of a claim")
    if url == settings.OIDC_ISSUER:
        raise _wrong(url, "is this service itself, which needs no entry")
    for address in (url, entry.get("jwks_uri") or url):
        if not _is_safe(address):
            raise _wrong(url, f"{address} is not an https:// address (http:// is for localhost alone)")
    algorithms = entry.get("algorithms", ["RS256"])
    if not algorithms or not isinstance(algorithms, list) or not ALGORITHMS.issuperset(algorithms):
        raise _wrong(url, f"algorithms have to be some of {', '.join(sorted(ALGORITHMS))}")
    roles = entry.get("roles")
    if roles is not None and not (isinstance(roles, dict) and all(map(_is_text, roles.values()))):
        raise _wrong(url, 'roles have to map its groups to ours: {"cashiers": "clerk"}')
    return Issuer(**{**entry, "url": url, "algorithms": tuple(cast("Sequence[str]", algorithms))})


def _wrong(url: str, fault: str) -> ImproperlyConfigured:
    return ImproperlyConfigured(f"OIDC_ISSUERS: {url} {fault}.")


def _is_text(value: object) -> bool:
    return isinstance(value, str) and bool(value)


def _is_safe(address: object) -> bool:
    parts = urlsplit(address) if isinstance(address, str) else None
    return parts is not None and (
        parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in {"localhost", "127.0.0.1", "::1"})
    )
