"""The overview: its figures match the tables, whatever happens to an order or an SMS."""

import re
from datetime import date, timedelta
from decimal import Decimal

import orjson
import pytest
from django.db import connection
from django.utils import timezone

from desk.charts import bar_chart, percent, round_up, short
from desk.sql import QUERIES, fetch_all
from desk.tests.conftest import placed
from orders.models import Order
from sms.models import Attempt, Message, Pause, State

TALLIED = "SELECT day, kind, sum(number), sum(amount) FROM desk_tallies GROUP BY 1, 2 HAVING sum(number) <> 0"
ORDERS = "SELECT created_at::date, 'order', count(*), sum(amount) FROM orders GROUP BY 1"
MESSAGES = "SELECT created_at::date, state, count(*), sum(desk_cost(cost)) FROM sms_messages {where} GROUP BY 1, 2"
LASTING = MESSAGES.format(where="WHERE state NOT IN ('queued', 'sending')")
SPREAD = """
INSERT INTO sms_messages (phone_number, body, state, cost, created_at)
SELECT '+254712345678', 'Hello', (%(states)s::text[])[1 + n %% %(kinds)s], 'KES 0.8000',
       now() - make_interval(days => n %% 5)
FROM generate_series(1, %(number)s) AS n
"""


def rows(statement: str) -> set[tuple]:
    with connection.cursor() as cursor:
        cursor.execute(statement)
        return set(cursor.fetchall())


def shown(days: int = 30) -> dict[date, tuple]:
    """Return the figures of the overview for each day that has any."""
    figures = {
        row["day"]: (
            row["orders"],
            row["revenue"],
            row["cost"],
            {state: number for state, number in orjson.loads(row["sms"]).items() if number},
        )
        for row in fetch_all(QUERIES.list_days, days=days)
    }
    return {day: figure for day, figure in figures.items() if any(figure)}


def counted() -> dict[date, tuple]:
    """Return the same figures, counted from the rows."""
    figures: dict[date, list] = {}
    for day, kind, number, amount in rows(f"{ORDERS} UNION ALL {MESSAGES.format(where='')}"):
        figure = figures.setdefault(day, [0, 0, 0, {}])
        if kind == "order":
            figure[:2] = number, amount
        else:
            figure[2] += amount
            figure[3][kind] = number
    return {day: tuple(figure) for day, figure in figures.items()}


def test_the_figures_follow_every_change(db, wanjiku):
    first, second = placed(wanjiku), placed(wanjiku)
    assert shown() == counted()
    Order.objects.filter(pk=first.pk).update(amount="99.50")
    Order.objects.filter(pk=second.pk).update(item="Rice", created_at=timezone.now() - timedelta(days=3))
    Message.objects.filter(order_id=second.pk).update(created_at=timezone.now() - timedelta(days=3))
    assert shown() == counted()
    ways = {first.pk: ("sending", "accepted", "delivered"), second.pk: ("sending", "queued", "sending", "rejected")}
    for order, states in ways.items():
        for state in states:
            Message.objects.filter(order_id=order).update(state=state, cost="KES 0.8000" if state != "sending" else "")
            assert shown() == counted()
            assert rows(TALLIED) == rows(f"{ORDERS} UNION ALL {LASTING}")
    first.delete()
    assert shown() == counted()
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM customers")
    assert shown() == counted()
    assert {kind for _, kind, *_ in rows(TALLIED)} == {"delivered", "rejected"}
    Message.objects.filter(state="rejected").update(state="queued")
    assert shown() == counted()
    Message.objects.all().delete()
    assert shown() == counted() == {}


def test_a_message_that_waits_or_is_sent_is_no_tally(db, wanjiku):
    order = placed(wanjiku)
    kinds = "SELECT kind FROM desk_tallies WHERE kind <> 'order'"
    assert rows(kinds) == set()
    Message.objects.filter(order_id=order.pk).update(state="sending")
    assert rows(kinds) == set()
    assert shown() == counted()


@pytest.mark.parametrize(
    ("cost", "amount"),
    [
        ("KES 0.8000", "0.8"), ("KES 12.80005", "12.8"), ("0", "0"), ("", "0"), ("None", "0"),
        ("KES 999999999.99", "999999999.99"), ("KES 12345678901234567890123.5", "0"), ("9" * 30, "0"),
    ],
)  # fmt: skip
def test_a_cost_that_cannot_be_is_none_and_keeps_no_outcome_from_being_recorded(db, cost, amount):
    Message.objects.create(phone_number="+254712345678", body="Hello")
    Message.objects.update(state="accepted", cost=cost)
    assert {(kind, paid) for _, kind, _, paid in rows(TALLIED)} == {("accepted", Decimal(amount))}
    assert rows(TALLIED) == rows(LASTING)


def test_messages_that_come_in_any_state_on_any_day_are_in_the_figures(db):
    with connection.cursor() as cursor:
        cursor.execute(SPREAD, {"states": State.values, "kinds": len(State.values), "number": 200})
        assert shown() == counted()
        cursor.execute("UPDATE sms_messages SET state = 'unknown', created_at = created_at - interval '1 day'")
        assert shown() == counted()
        cursor.execute("DELETE FROM sms_messages WHERE created_at < now() - interval '2 days'")
    assert shown() == counted() != {}


def test_a_day_that_is_left_out_leaves_out_what_waits_since_then(db):
    midnight = timezone.now().replace(hour=0, minute=0, second=0, microsecond=0) - timedelta(days=6)
    for moment in (midnight, midnight - timedelta(microseconds=1)):
        Message.objects.create(phone_number="+254712345678", body="Hello", created_at=moment)
    assert [figure[3] for figure in shown(days=7).values()] == [{"queued": 1}]
    assert [figure[3] for figure in shown(days=30).values()] == [{"queued": 1}, {"queued": 1}]


def test_it_shows_what_was_ordered_and_what_became_of_the_sms(manager, wanjiku):
    now = timezone.now()
    for _ in range(3):
        placed(wanjiku)
    # All on one day, even if the test runs at midnight.
    Order.objects.update(created_at=now)
    Message.objects.update(created_at=now)
    states = ["delivered", "delivered", "undelivered"]
    for message, state in zip(Message.objects.all(), states, strict=True):
        Message.objects.filter(pk=message.pk).update(state=state, cost="KES 0.8000")
    Order.objects.filter(pk=placed(wanjiku).pk).update(created_at=timezone.now() - timedelta(days=40))
    page = manager.get("/overview/").content.decode()
    assert "3 orders" in page
    assert "KES 6,840.00" in page
    assert "Delivered: 2, 50 %" in page
    assert "66.7 %" in page
    assert "2.40" in page
    assert f"{now:%-d %B}: 3 orders" in page
    assert "orders_sum" not in page
    assert ">4<" in manager.get("/overview/?days=90").content.decode()
    assert ">3<" in manager.get("/overview/?days=9").content.decode()


def health(manager) -> dict[str, tuple[str, str, str]]:
    page = manager.get("/overview/").content.decode()
    tiles = re.findall(
        r'tile (\w*)">\s*<h2>(.*?)</h2>\s*<p class="says.*?">(.*?)</p>\s*<p.*?>(.*?)</p>', page, re.DOTALL
    )
    return {name: (tone, says, note) for tone, name, says, note in tiles}


def test_it_says_whether_all_is_well(manager, wanjiku):
    tiles = health(manager)
    assert tiles["Gateway"] == ("good", "Ready", "not asked in the last minute")
    assert tiles["Oldest waiting SMS"][:2] == ("good", "None waits")
    assert tiles["Sender"][0] == "bad"
    message = Message.objects.get(order_id=placed(wanjiku).pk)
    Message.objects.update(due_at=timezone.now() - timedelta(hours=2, minutes=5))
    assert health(manager)["Oldest waiting SMS"][:2] == ("odd", "2 hours")
    now = timezone.now()
    answered = now + timedelta(milliseconds=120)
    Attempt.objects.create(message=message, number=1, asked_at=now, answered_at=answered, state="accepted")
    assert health(manager)["Gateway"] == ("good", "Works", "1 of 1 taken in the last minute, 120 ms")
    Attempt.objects.create(message=message, number=2, asked_at=now, state="unknown")
    assert health(manager)["Gateway"][:2] == ("odd", "In trouble")
    pause = Pause.objects.create(gateway="g", reason="the gateway is down", needs_help=False, paused_until=now)
    assert health(manager)["Gateway"] == ("odd", "Held up", "the gateway is down")
    pause.needs_help = True
    pause.save()
    assert health(manager)["Gateway"][:2] == ("bad", "Needs you")
    Pause.objects.update(reason="405 InsufficientBalance")
    assert health(manager)["Gateway"][2] == "Top up the gateway&#x27;s account"


def test_it_is_for_managers(clerk):
    assert clerk.get("/overview/").status_code == 403
    assert "/overview/" not in clerk.get("/").content.decode()


@pytest.mark.parametrize(
    ("value", "top"), [(0, 4), (3, 4), (5, 5), (9, 10), (11, 20), (Decimal("41.5"), 50), (399, 400), (401, 500)]
)
def test_a_scale_ends_at_a_round_figure(value, top):
    assert round_up(value) == top


def test_a_chart_names_every_day_and_hides_no_small_one():
    today = date(2026, 11, 24)
    chart = bar_chart([(today - timedelta(days=n), 1 if n == 3 else 4000 * n) for n in reversed(range(7))], "{} orders")
    assert [float(bar.height) > 0 for bar in chart.bars] == [True, True, True, True, True, True, False]
    assert chart.bars[3].sentence == "21 November: 1 orders"
    assert chart.labels[-1][2] == "24 Nov"
    assert [short(value) for value in (0.5, 400, 1500, 2e6, 3e9)] == ["0.5", "400", "1.5k", "2M", "3bn"]


def test_a_share_is_all_only_when_it_is_all():
    assert [percent(*share) for share in ((0, 0), (0, 9), (9, 9), (99_999, 100_000), (1, 100_000), (1, 3))] == [
        "none", "0 %", "100 %", "99.9 %", "< 0.1 %", "33.3 %",
    ]  # fmt: skip


def test_it_reads_tallies_and_not_orders(manager, wanjiku, django_assert_max_num_queries):
    with django_assert_max_num_queries(9):
        manager.get("/overview/")
