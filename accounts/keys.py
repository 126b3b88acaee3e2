"""The provider's RSA keys: the first one signs, the retired ones after it still verify what they signed.

They are concatenated PEMs in OIDC_RSA_PRIVATE_KEY, or else in the data folder, where `rotate_oidc_key` puts a new one
in front. Every process checks the file for changes whenever it needs a key, so none signs with a key that another
process does not publish yet.
"""

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from django.conf import settings
from jwcrypto.jwk import JWK
from oauth2_provider.utils import jwk_from_pem

_PEM = re.compile(r"-----BEGIN .*?-----END [A-Z ]+-----", re.DOTALL)


@dataclass(frozen=True)
class Key:
    """One RSA key, in the form that each library needs."""

    id: str
    private: RSAPrivateKey
    jwk: JWK

    def published(self) -> dict[str, Any]:
        """Return its public half (RFC 7517)."""
        return {"alg": "RS256", "use": "sig", "kid": self.id, **self.jwk.export_public(as_dict=True)}


def keys() -> tuple[Key, ...]:
    """Return all keys, the signing key first."""
    if settings.OIDC_RSA_PRIVATE_KEY:
        return _parse(settings.OIDC_RSA_PRIVATE_KEY)
    return _read(settings.OIDC_RSA_KEY_FILE.stat().st_mtime_ns)


@lru_cache(maxsize=1)
def _read(modified: int) -> tuple[Key, ...]:
    return _parse(settings.OIDC_RSA_KEY_FILE.read_text())


@lru_cache(maxsize=1)
def _parse(text: str) -> tuple[Key, ...]:
    return tuple(_key(pem) for pem in _PEM.findall(text))


def _key(pem: str) -> Key:
    private = load_pem_private_key(pem.encode(), password=None)
    if not isinstance(private, RSAPrivateKey):
        raise TypeError("OIDC_RSA_PRIVATE_KEY holds a key that is not an RSA key.")
    jwk = jwk_from_pem(pem)
    return Key(jwk.thumbprint(), private, jwk)
