"""Idempotency-Key on POST: who asks again with the same key gets the same answer, and nothing is done twice.

After draft-ietf-httpapi-idempotency-key-header, and as Stripe does it. The key commits in the transaction of what the
request did: there is never one without the other, and a request that failed or died leaves no key behind. A key is its
caller's own (user and application), for one address, for a day.
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
# What says that an answer was given before.
REPLAYED = "Idempotency-Replayed"
_SANE = re.compile(r"[!-~]{1,255}")


class KeyInUse(exceptions.APIException):
    """409: the first request with this key is not answered yet."""

    status_code = 409
    default_detail = "A request with this Idempotency-Key is being answered: try again."
    wait = 1


class KeyReused(exceptions.APIException):
    """422: the key was used for something else."""

    status_code = 422
    default_detail = "This Idempotency-Key was used with another request body."


@dataclass(frozen=True, kw_only=True)
class Key:
    """A caller's key for one address, and what it was sent with."""

    caller: str
    operation: str
    key: str
    fingerprint: str


@dataclass(frozen=True)
class Earlier:
    """The answer that a key was given before. While it is `pending`, its last part is not known yet."""

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
    """Return what is the same for requests that ask for the same."""
    return sha256(orjson.dumps(fields, default=str, option=orjson.OPT_SORT_KEYS)).hexdigest()


def claim(key: Key) -> Earlier | None:
    """Take the key for this transaction; return what it was answered before, or None: it is ours, `remember` it.

    Raise KeyInUse while another transaction has it, KeyReused when it was sent with something else.
    """
    row = fetch_one(QUERIES.claim_key, **asdict(key))
    if row is None:
        raise KeyInUse
    ours, fingerprint, *earlier = row
    if ours:
        return None
    if fingerprint is None:
        raise KeyInUse  # committed as we looked
    if fingerprint != key.fingerprint:
        raise KeyReused
    return Earlier(*earlier)


def remember(key: Key, *, status: int, body: str, pending: UUID | None = None) -> None:
    """Keep the answer for who asks again; with `pending`, what is known of it until `settle`."""
    fetch_value(QUERIES.remember_answer, **asdict(key), status=status, body=body, pending=pending)


def settle(key: Key, body: str) -> str:
    """Keep the whole of a pending answer, unless somebody was faster; return what is kept."""
    kept: str = fetch_value(QUERIES.settle_answer, **asdict(key), body=body) or body
    return kept


def answer_once(key: Key | None, act: Callable[[], HttpResponse]) -> HttpResponse:
    """Answer with what `act` does, in one transaction with the key; or with what it did before."""
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
    """Delete the keys that no longer count; return how many."""
    return execute(QUERIES.forget_keys)
