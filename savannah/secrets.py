"""Secrets that are generated at the first start and kept in the data folder, readable only by their owner."""

import os
import secrets
from collections.abc import Callable
from pathlib import Path

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

RSA_KEY_FILE = "oidc_rsa_key.pem"


def read_or_create_secret_key(data_dir: Path) -> str:
    """Django's SECRET_KEY, kept in `data_dir/secret_key`."""
    return _read_or_create(data_dir / "secret_key", lambda: secrets.token_urlsafe(50))


def read_or_create_rsa_key(data_dir: Path) -> str:
    """The PEMs of the provider's RSA keys, the signing key first, kept in `data_dir/oidc_rsa_key.pem`."""
    return _read_or_create(data_dir / RSA_KEY_FILE, _new_rsa_pem)


def rotate_rsa_key(data_dir: Path, *, keep: int) -> None:
    """Add a new signing key, and keep only the `keep` newest of the previous keys."""
    end = "-----END PRIVATE KEY-----\n"
    pems = [pem + end for pem in read_or_create_rsa_key(data_dir).split(end) if pem.strip()]
    path = data_dir / RSA_KEY_FILE
    # Replaced atomically: no reader sees a partial file.
    _write_draft(path, "".join([_new_rsa_pem(), *pems[:keep]])).replace(path)


def _new_rsa_pem() -> str:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode()


def _read_or_create(path: Path, make: Callable[[], str]) -> str:
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        draft = _write_draft(path, make())
        try:
            # Linking never replaces a file: if two processes start at once, both use the file of the first one.
            path.hardlink_to(draft)
        except FileExistsError:
            pass
        finally:
            draft.unlink()
    return path.read_text()


def _write_draft(path: Path, text: str) -> Path:
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        file.write(text)
    return draft
