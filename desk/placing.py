"""Places the order of a form, at the desk and in the admin: once, however often the form is sent."""

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
# How long a second click waits for the result of the first.
TWIN_WAITS_SECONDS = 3.0


class NotPlacedError(Exception):
    """The order of a form was not placed: why, and the key that the form shown again has (None: a new one)."""

    def __init__(self, sentence: str, key: str | None = None) -> None:
        super().__init__(sentence)
        self.sentence = sentence
        self.key = key


def place_from_form(request: HttpRequest, *, wait: bool, **fields: Any) -> KeptAnswer:
    """Place the order of a form that has a key; if the form was sent before, return the answer that it got then.

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
    """Return the key of a form; a form without one gets a new key."""
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
