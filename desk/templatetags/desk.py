"""The filters and tags of the desk's templates."""

import re
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

from django import template
from django.conf import settings
from django.http import QueryDict
from django.urls import reverse
from django.utils import timezone
from django.utils.formats import date_format

from desk.words import ANSWERS, STATES, Word, word_for

register = template.Library()
# How long a page polls an SMS that reaches no final state.
WATCHED_FOR = timedelta(hours=1)


@register.filter
def word(state: str | None) -> Word:
    """Return the words for the state of an SMS."""
    return word_for(state)


@register.filter(expects_localtime=True)
def moment(time: datetime) -> str:
    """Return a time as lists show it: with the year only if it is not the current one."""
    return date_format(time, "j M, H:i" if time.year == timezone.localtime().year else "j M Y, H:i")


@register.filter
def live_address(orders: Iterable[dict[str, Any]]) -> str:
    """Return the address to poll for those orders whose SMS has no final state; empty if there are none."""
    query = QueryDict(mutable=True)
    since = timezone.now() - WATCHED_FOR
    for order in orders:
        if word_for(order["state"]).is_open and order["created_at"] > since:
            query.appendlist("order", str(order["id"]))
    return f"{reverse('desk-live')}?{query.urlencode()}" if query else ""


@register.filter
def answer(state: str) -> str:
    """Return the result of an attempt in words."""
    return ANSWERS.get(state, state)


@register.filter
def price(cost: str) -> str:
    """Return the cost of an SMS ("KES 0.8000") without zeros after the second decimal."""
    return re.sub(r"(\.\d\d)0+$", r"\1", cost)


@register.filter
def is_resendable(state: str) -> bool:
    """Whether an SMS in this state may be sent again."""
    return state in STATES and state not in {"queued", "sending"}


@register.simple_tag
def currency() -> str:
    """Return the currency of the amounts."""
    return str(settings.SMS_CURRENCY)
