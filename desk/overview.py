"""The overview: does everything work, and how did the last days go?"""

from datetime import UTC, datetime, time
from decimal import Decimal
from typing import Any

import orjson
from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from desk.charts import bar_chart, parts_of, percent
from desk.pages import page
from desk.sql import QUERIES, fetch_all, fetch_row
from desk.words import STATES, remedy_for
from sms.outbox import count_workers, oldest_due_seconds

PERIODS = (7, 30, 90)
# The states of an SMS that was handed to the gateway, whatever the result.
HANDED_OVER = ("delivered", "accepted", "unknown", "undelivered", "rejected")
STACKED = (*HANDED_OVER, "expired", "cancelled", "sending", "queued")
LATE_SECONDS = 60
_UNITS = ((86400, "day"), (3600, "hour"), (60, "minute"), (1, "second"))


@page("desk.view_tally", "GET")
def overview(request: HttpRequest) -> HttpResponse:
    """`/overview/`: the health now, and charts of the last 7, 30 or 90 days."""
    asked = request.GET.get("days", "")
    days = int(asked) if asked in map(str, PERIODS) else 30
    figures = fetch_all(QUERIES.list_days, days=days)
    sms = [orjson.loads(day["sms"]) for day in figures]
    by_state = {state: sum(day.get(state, 0) for day in sms) for state in STACKED}
    money = f"{settings.SMS_CURRENCY} {{:,.2f}}"
    context = {
        "days": days,
        "day_begins": datetime.combine(figures[-1]["day"], time(), UTC),
        "periods": PERIODS,
        "today": figures[-1],
        "health": _health(),
        "orders": bar_chart([(day["day"], day["orders"]) for day in figures], "{:,} orders"),
        "orders_sum": sum(day["orders"] for day in figures),
        "revenue": bar_chart([(day["day"], day["revenue"]) for day in figures], money),
        "revenue_sum": sum((day["revenue"] for day in figures), Decimal(0)),
        "cost": bar_chart([(day["day"], day["cost"]) for day in figures], money),
        "cost_sum": sum((day["cost"] for day in figures), Decimal(0)),
        "parts": parts_of([(STATES[state].word, state, number) for state, number in by_state.items()]),
        # Only staff may open the admin's lists.
        "sees_sms": request.user.is_staff and request.user.has_perm("sms.view_message"),
        "sms_sum": sum(by_state.values()),
        "delivered": percent(by_state["delivered"], sum(by_state[state] for state in HANDED_OVER)),
    }
    return render(request, "desk/overview.html", context)


def _health() -> list[dict[str, Any]]:
    """Return the tiles of the health row, with their tones: good, odd (recovers by itself), bad (someone must act)."""
    gateway = fetch_row(QUERIES.read_gateway) or {}
    pauses = orjson.loads(gateway["pauses"] or "[]")
    workers = count_workers()
    oldest = oldest_due_seconds() or 0
    return [
        _gateway(gateway, pauses),
        {"name": "Sender", "tone": "good" if workers else "bad", "says": "Running" if workers else "Not running",
         "note": f"{workers} worker{'s' if workers != 1 else ''}"},
        {"name": "Oldest waiting SMS", "tone": "odd" if oldest > LATE_SECONDS else "good",
         "says": _span(oldest) if oldest >= 1 else "None waits",
         "note": "since it was due" if oldest >= 1 else "nothing is overdue"},
    ]  # fmt: skip


def _gateway(gateway: dict[str, Any], pauses: list[dict[str, Any]]) -> dict[str, Any]:
    if pauses:
        needs_help = any(pause["needs_help"] for pause in pauses)
        tone, says = ("bad", "Needs you") if needs_help else ("odd", "Held up")
        return {"name": "Gateway", "tone": tone, "says": says, "note": remedy_for(pauses[0]["reason"])}
    if not gateway["asked"]:
        return {"name": "Gateway", "tone": "good", "says": "Ready", "note": "not asked in the last minute"}
    refused = gateway["asked"] - gateway["accepted"]
    note = f"{gateway['accepted']:,} of {gateway['asked']:,} taken in the last minute"
    if gateway["seconds"] is not None:
        note += f", {gateway['seconds'] * 1000:,.0f} ms"
    says, tone = ("Works", "good") if refused * 2 < gateway["asked"] else ("In trouble", "odd")
    return {"name": "Gateway", "tone": tone, "says": says, "note": note}


def _span(seconds: float) -> str:
    unit, name = next((unit, name) for unit, name in _UNITS if seconds >= unit)
    number = int(seconds // unit)
    return f"{number} {name}{'s' if number != 1 else ''}"
