"""Placing an order: the one way into the orders table that sends an SMS."""

from dataclasses import dataclass
from decimal import Decimal
from uuid import uuid4

from django.conf import settings
from django.db import connection

from savannah.logs import request_id
from savannah.sql import fetch_value, load_queries
from sms import bell, waiting

QUERIES = load_queries(__file__)
_FIELDS = {"name": "%1$s", "item": "%2$s", "currency": "%3$s", "amount": "%4$s"}


@dataclass(frozen=True)
class PlacedOrder:
    """An order as JSON text (an object), and the state of its SMS."""

    document: str
    sms_status: str

    @property
    def sms_sent(self) -> bool:
        """Whether the gateway has accepted the SMS."""
        return self.sms_status in waiting.SENT_STATES


def place_order(*, customer_code: str, item: str, amount: Decimal, wait: bool = True) -> PlacedOrder | None:
    """Record an order and its SMS in one transaction, then wait up to SMS_WAIT_SECONDS for the SMS to be accepted.

    Without `wait`, the SMS stays queued for the worker. Returns None when no customer has the code.
    The connection goes back to the pool before the wait.
    """
    sms_id = uuid4()
    # The waiter is registered before the commit: the worker may be faster than we are.
    with waiting.for_outcome(sms_id) as outcome:
        document = fetch_value(
            QUERIES.place_order,
            customer_code=customer_code,
            item=item,
            amount=amount,
            sms_id=sms_id,
            request_id=request_id.get(),
            template=sms_template(),
            currency=settings.SMS_CURRENCY,
            transliterate=settings.SMS_TRANSLITERATE,
        )
        bell.ring_when_committed()
        connection.close()
        return document and PlacedOrder(document, outcome.wait() if wait else "queued")


def sms_template() -> str:
    """Return SMS_TEMPLATE with PostgreSQL's format() positions in place of its names."""
    template: str = settings.SMS_TEMPLATE
    return template.replace("%", "%%").format_map(_FIELDS)
