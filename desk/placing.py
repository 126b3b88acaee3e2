"""Placing the order of a form, at the desk and in the admin: once, however often the form comes."""

import time
from contextlib import suppress
from typing import Any
from uuid import uuid4

from django.http import HttpRequest

from desk.pages import uuid_or_none
from orders.placing import KeptAnswer, place_order_once
from savannah.idempotency import Key, KeyInUse, KeyReused, fingerprint_of

CUSTOMER_GONE = "There is no such customer. It may have been deleted."
CAME_TWICE = "The form came twice; there is one order."
PLACED_ALREADY = "An order was placed from this form already. Place this one as well, if it is another."
STILL_PLACING = "This order is still being placed. Press again in a moment: there will be one order."
# For so long the second of two clicks waits for what the first one did.
TWIN_WAITS_SECONDS = 3.0


class NotPlacedError(Exception):
    """A form's order is not placed: why, and the key that the form goes on with (None: a new one)."""

    def __init__(self, sentence: str, key: str | None = None) -> None:
        super().__init__(sentence)
        self.sentence = sentence
        self.key = key


def place_from_form(request: HttpRequest, *, wait: bool, **fields: Any) -> KeptAnswer:
    """Place the order of a form that carries a key; say what was placed when the form has come before.

    `fields` and `wait` are those of `place_order`. Raise NotPlacedError.
    """
    key = _form_key(request, fields)
    try:
        order = _place_when_free(key, wait=wait, **fields)
    except KeyReused:
        raise NotPlacedError(PLACED_ALREADY) from None
    except KeyInUse:
        raise NotPlacedError(STILL_PLACING, key.key) from None
    if order is None:
        raise NotPlacedError(CUSTOMER_GONE)
    return order


def _form_key(request: HttpRequest, fields: dict[str, Any]) -> Key:
    """Return the key that a form carries; one without is a new form."""
    return Key(
        caller=f"desk {request.user.pk}",
        operation=f"POST {request.path}",
        key=str(uuid_or_none(request.POST.get("key")) or uuid4()),
        fingerprint=fingerprint_of(fields),
    )


def _place_when_free(key: Key, **options: Any) -> KeptAnswer | None:
    deadline = time.monotonic() + TWIN_WAITS_SECONDS
    while time.monotonic() < deadline:
        with suppress(KeyInUse):
            return place_order_once(key, **options)
        time.sleep(0.05)
    return place_order_once(key, **options)
