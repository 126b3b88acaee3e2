"""Devices without a browser that ask to be let in (RFC 8628)."""

import secrets
from dataclasses import dataclass

from accounts.bearer import checksum_of
from accounts.consents import asked_for, describe
from accounts.models import Application
from savannah.sql import execute, fetch_one, load_queries

QUERIES = load_queries(__file__)

DEVICE_SECONDS = 900
DEVICE_INTERVAL_SECONDS = 5
# Eight of these are 2.6e10 codes (RFC 8628, section 6.1): no vowels, so no words; nothing that looks like a digit.
USER_CODE_LETTERS = "BCDFGHJKLMNPQRSTVWXZ"
DEVICE_TRIES_PER_MINUTE = 20


@dataclass(frozen=True)
class DeviceCode:
    """What a device keeps to itself, and what it shows."""

    device_code: str
    user_code: str


@dataclass(frozen=True)
class Waiting:
    """A device that waits for somebody's answer."""

    user_code: str
    application: str
    scopes_descriptions: list[str]


def new_device_code(application: Application, scopes: list[str]) -> DeviceCode:
    """Let a device ask for the scopes. Its code is kept as its SHA-256."""
    letters = "".join(secrets.choice(USER_CODE_LETTERS) for _ in range(8))
    code = DeviceCode(secrets.token_urlsafe(40), f"{letters[:4]}-{letters[4:]}")
    execute(
        QUERIES.open_device,
        checksum=checksum_of(code.device_code),
        user_code=code.user_code,
        client_id=application.client_id,
        scope=" ".join(scopes),
        interval=DEVICE_INTERVAL_SECONDS,
        seconds=DEVICE_SECONDS,
    )
    return code


def find_device(typed: str) -> Waiting | None:
    """Return the device that shows this code."""
    user_code = _as_shown(typed)
    row = fetch_one(QUERIES.find_device, user_code=user_code)
    if row is None:
        return None
    application, scope, allowed_scopes = row
    return Waiting(user_code, application, describe(asked_for(allowed_scopes, scope.split())))


def answer_device(typed: str, user_id: int, *, allow: bool) -> bool:
    """Let the device in, as the user, or keep it out; return False if none waits with this code."""
    status = "authorized" if allow else "denied"
    return fetch_one(QUERIES.answer_device, user_code=_as_shown(typed), status=status, user=user_id) is not None


def _as_shown(typed: str) -> str:
    """People type what they see in their own way: "bcdf ghjk" is BCDF-GHJK."""
    letters = "".join(letter for letter in typed.upper() if letter in USER_CODE_LETTERS)
    return f"{letters[:4]}-{letters[4:]}"
