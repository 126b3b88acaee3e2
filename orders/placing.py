"""Placing an order: one transaction stores the order and queues its SMS; then the request may wait for the SMS."""

from dataclasses import dataclass
from typing import Any, ClassVar
from uuid import uuid4

from django.conf import settings
from django.db import connection, transaction

from savannah.idempotency import Key, KeyInUse, claim, remember, settle
from savannah.logs import request_id
from savannah.sql import fetch_value, load_queries, only
from sms import bell, waiting
from sms.outbox import message_state

QUERIES = load_queries(__file__)
PLACE_ORDER = only(QUERIES.place_order, frozenset())
# After the wait, a process that still runs stores its answer within this time.
SETTLED_WITHIN_SECONDS = 5.0
_FIELDS = {"name": "%1$s", "item": "%2$s", "currency": "%3$s", "amount": "%4$s"}


@dataclass(frozen=True)
class PlacedOrder:
    """An order as JSON text (an object), and the state of its SMS."""

    document: str
    sms_status: str
    replayed: ClassVar[bool] = False

    @property
    def body(self) -> str:
        """What the API answers: the order, and what became of its SMS."""
        sent = "true" if self.sms_sent else "false"
        return f'{self.document[:-1]}, "sms_sent": {sent}, "sms_status": "{self.sms_status}"}}'

    @property
    def sms_sent(self) -> bool:
        """Whether the gateway has accepted the SMS."""
        return self.sms_status in waiting.SENT_STATES


@dataclass(frozen=True)
class KeptAnswer:
    """The answer of a key, and whether it was given before."""

    body: str
    replayed: bool


def place_order(*, wait: bool = True, statement: str = PLACE_ORDER, **parameters: Any) -> PlacedOrder | None:
    """Record an order and its SMS in one transaction, then wait up to SMS_WAIT_SECONDS for the SMS to be accepted.

    `parameters` are customer_code, item and amount, and whatever else the statement needs. Without `wait`, returns at
    once, with the SMS queued. Returns None when no customer has the code. The connection goes back to the pool before
    the wait.
    """
    # The waiter is registered before the commit: the worker may be faster than we are.
    with waiting.for_outcome(uuid4(), wait=wait) as outcome:
        document = _record(outcome, statement, **parameters)
        connection.close()
        return PlacedOrder(document, outcome.wait()) if document else None


def place_order_once(key: Key, *, wait: bool, **fields: Any) -> KeptAnswer | None:
    """Like `place_order`, in one transaction with the key; or return the key's earlier answer.

    The SMS part of the answer is known only after the wait: until then, the key's answer is pending. A retry during the
    wait gets KeyInUse (409). If the process dies during the wait, a later retry completes the answer with the SMS state
    of that moment.
    """
    with waiting.for_outcome(uuid4(), wait=wait) as outcome:
        with transaction.atomic():
            earlier = claim(key)
            document = None if earlier else _record(outcome, PLACE_ORDER, **fields)
            if document:
                remember(key, status=201, body=document, pending=outcome.message_id)
            elif not earlier:
                transaction.set_rollback(True)  # no such customer: the key stays free
        connection.close()
        if document:
            order = PlacedOrder(document, outcome.wait())
            return KeptAnswer(settle(key, order.body), replayed=False)
    if earlier is None:
        return None
    if earlier.pending is None:
        return KeptAnswer(earlier.body, replayed=True)
    if earlier.age_seconds < settings.SMS_WAIT_SECONDS + SETTLED_WITHIN_SECONDS:
        raise KeyInUse
    order = PlacedOrder(earlier.body, message_state(earlier.pending))
    return KeptAnswer(settle(key, order.body), replayed=True)


def _record(outcome: waiting.Outcome, statement: str, **parameters: Any) -> str | None:
    document: str | None = fetch_value(
        statement,
        sms_id=outcome.message_id,
        awaited=outcome.awaited,
        request_id=request_id.get(),
        template=sms_template(),
        currency=settings.SMS_CURRENCY,
        transliterate=settings.SMS_TRANSLITERATE,
        **parameters,
    )
    if document:
        bell.ring_when_committed()
    return document


def sms_template() -> str:
    """Return SMS_TEMPLATE with PostgreSQL's format() positions in place of its names."""
    template: str = settings.SMS_TEMPLATE
    return template.replace("%", "%%").format_map(_FIELDS)
