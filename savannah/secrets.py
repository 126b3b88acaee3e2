"""Secrets that are made up at the first start and kept in the data folder, readable by their owner alone."""

import os
import secrets
from collections.abc import Callable
from pathlib import Path

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa


def read_or_create_secret_key(data_dir: Path) -> str:
    """Django's SECRET_KEY, kept in `data_dir/secret_key`."""
    return _read_or_create(data_dir / "secret_key", lambda: secrets.token_urlsafe(50))


def read_or_create_rsa_key(data_dir: Path) -> str:
    """The PEM of the 2048-bit RSA key that signs ID tokens, kept in `data_dir/oidc_rsa_key.pem`."""
    return _read_or_create(data_dir / "oidc_rsa_key.pem", _new_rsa_pem)


def _new_rsa_pem() -> str:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode()


def _read_or_create(path: Path, make: Callable[[], str]) -> str:
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        draft = path.with_name(f".{path.name}.{os.getpid()}")
        with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
            file.write(make())
        try:
            # A link never replaces: when two processes start at once, both read what the first one linked.
            path.hardlink_to(draft)
        except FileExistsError:
            pass
        finally:
            draft.unlink()
    return path.read_text()
