"""Idempotency-Key on POST: a retry with the same key gets the same answer, and nothing is done twice.

Follows draft-ietf-httpapi-idempotency-key-header and Stripe. The key is committed in the same transaction as the
request's changes: neither exists without the other, and a request that failed leaves no key. A key belongs to one
caller (user and application) and one address, and expires after a day.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from hashlib import sha256
from typing import Any
from uuid import UUID

import orjson
from django.db import transaction
from django.http import HttpResponse
from rest_framework import exceptions
from rest_framework.request import Request

from savannah.sql import execute, fetch_one, fetch_value, load_queries

QUERIES = load_queries(__file__)
# The header of an answer that was given before.
REPLAYED = "Idempotency-Replayed"
_SANE = re.compile(r"[!-~]{1,255}")


class KeyInUse(exceptions.APIException):
    """409: the first request with this key is not answered yet."""

    status_code = 409
    default_detail = "A request with this Idempotency-Key is being answered: try again."
    wait = 1


class KeyReused(exceptions.APIException):
    """422: the key was used with another request."""

    status_code = 422
    default_detail = "This Idempotency-Key was used with another request body."


@dataclass(frozen=True, kw_only=True)
class Key:
    """A caller's key for one address, and the fingerprint of the request."""

    caller: str
    operation: str
    key: str
    fingerprint: str


@dataclass(frozen=True)
class Earlier:
    """The stored answer of a key. While it is `pending`, it is incomplete."""

    status: int
    body: str
    pending: UUID | None
    age_seconds: float


def key_of(request: Request, fingerprint: Callable[[], str]) -> Key | None:
    """Return the request's key, or None when it has none."""
    text = request.META.get("HTTP_IDEMPOTENCY_KEY")
    if text is None:
        return None
    if not _SANE.fullmatch(text):
        raise exceptions.ParseError("Idempotency-Key must be 1 to 255 printable ASCII characters.")
    caller: Any = request.user
    return Key(
        caller=f"{caller.id} {caller.client_id or ''}".strip(),
        operation=f"{request.method} {request.path}",
        key=text,
        fingerprint=fingerprint(),
    )


def fingerprint_of(fields: Mapping[str, Any]) -> str:
    """Return a hash that is the same for requests with the same fields."""
    return sha256(orjson.dumps(fields, default=str, option=orjson.OPT_SORT_KEYS)).hexdigest()


def claim(key: Key) -> Earlier | None:
    """Claim the key for this transaction. Return its earlier answer, or None: then act, and `remember` the answer.

    Raise KeyInUse while another transaction holds it, KeyReused when it was sent with other fields.
    """
    row = fetch_one(QUERIES.claim_key, **asdict(key))
    if row is None:
        raise KeyInUse
    ours, fingerprint, *earlier = row
    if ours:
        return None
    if fingerprint is None:
        raise KeyInUse  # another transaction committed it during our statement
    if fingerprint != key.fingerprint:
        raise KeyReused
    return Earlier(*earlier)


def remember(key: Key, *, status: int, body: str, pending: UUID | None = None) -> None:
    """Store the answer for retries; with `pending`, an incomplete one until `settle`."""
    fetch_value(QUERIES.remember_answer, **asdict(key), status=status, body=body, pending=pending)


def settle(key: Key, body: str) -> str:
    """Complete a pending answer, unless another request already did; return the stored answer."""
    kept: str = fetch_value(QUERIES.settle_answer, **asdict(key), body=body) or body
    return kept


def answer_once(key: Key | None, act: Callable[[], HttpResponse]) -> HttpResponse:
    """Call `act` in one transaction with the key and return its answer; or return the key's earlier answer."""
    if key is None:
        return act()
    with transaction.atomic():
        earlier = claim(key)
        if earlier is None:
            answer = act()
            if answer.status_code < 400:
                remember(key, status=answer.status_code, body=answer.content.decode())
            else:
                transaction.set_rollback(True)  # nothing was done: the key stays free
            return answer
    return HttpResponse(
        earlier.body, status=earlier.status, content_type="application/json", headers={REPLAYED: "true"}
    )


def forget_old() -> int:
    """Delete expired keys; return how many."""
    return execute(QUERIES.forget_keys)
