"""The orders whose customer was not told by SMS, and how a clerk comes to them."""

from datetime import timedelta
from itertools import product
from uuid import UUID

import pytest
from django.contrib.auth.models import Permission, User
from django.db import connection, transaction
from django.utils import timezone

from desk.sql import QUERIES
from desk.tests.conftest import names, placed, signed_in
from desk.views import FIRST_PAGE, ORDERS_A_PAGE, UNTOLD_COUNTED, UNTOLD_DAYS
from orders.models import Order
from sms.models import Message
from tests.plans import explained, steps

LIST = "/orders/untold/"
UNTOLD = ["undelivered", "rejected", "expired", "unknown"]
NOBODY = "Nobody. Of the orders of the last 7 days, every SMS has gone out, or is on its way."

# A tenth of the SMS are of orders that were deleted. In trouble are those of 2,000 minutes, and of the time before a
# twentieth.
MANY = """
SET session_replication_role = replica;
INSERT INTO customers (code, name, phone_number)
SELECT 'C' || n, 'N' || n, '+254712345678' FROM generate_series(1, 1000) n;
INSERT INTO orders (customer_id, item, amount, created_at)
SELECT c.id, 'I', n, now() - make_interval(mins => n)
FROM generate_series(1, 20000) n JOIN customers c ON c.code = 'C' || n %% 1000 + 1;
INSERT INTO sms_messages (order_id, phone_number, body, created_at, due_at, state)
SELECT CASE WHEN o.amount %% 10 > 0 THEN o.id END, '+254712345678', 'B', o.created_at, NULL,
       CASE WHEN o.amount %% 20 = 3 OR o.amount < 2000
            THEN (ARRAY['undelivered', 'rejected', 'expired', 'unknown', 'cancelled'])[1 + o.amount::int %% 5]
            ELSE 'delivered' END
FROM orders o;
SET session_replication_role = DEFAULT;
ANALYZE customers, orders, sms_messages;
"""


def untold(customer, item: str = "Maize flour", *, state: str = "undelivered", ago: timedelta = timedelta(), **fields):
    """Place an order whose SMS came to this end."""
    order = placed(customer, item)
    time = timezone.now() - ago
    Order.objects.filter(pk=order.pk).update(created_at=time)
    Message.objects.filter(order_id=order.pk).update(**{"state": state, "due_at": None, "created_at": time, **fields})
    return order


@pytest.mark.parametrize("state", UNTOLD)
def test_the_counter_leads_to_an_order_whose_customer_was_not_told(clerk, wanjiku, state):
    untold(wanjiku, state=state)
    page = clerk.get("/").content.decode()
    assert "For 1 order of the last 7 days, the customer was not told by SMS" in page
    assert f'href="{LIST}"' in page
    assert names(clerk.get(LIST)) == ["Maize flour"]


@pytest.mark.parametrize("state", ["queued", "sending", "accepted", "delivered", "cancelled"])
def test_what_is_on_its_way_or_told_or_called_off_is_no_trouble(clerk, wanjiku, state):
    untold(wanjiku, state=state)
    assert LIST not in clerk.get("/").content.decode()
    assert NOBODY in clerk.get(LIST).content.decode()


def test_what_is_sent_once_more_by_itself_is_no_trouble_yet(clerk, wanjiku):
    untold(wanjiku, state="unknown", due_at=timezone.now() + timedelta(minutes=2))
    assert LIST not in clerk.get("/").content.decode()
    assert NOBODY in clerk.get(LIST).content.decode()


def test_after_a_week_nobody_is_asked_about_it_any_more(clerk, wanjiku):
    week = timedelta(days=UNTOLD_DAYS)
    untold(wanjiku, "Last week's", ago=week + timedelta(minutes=1))
    assert LIST not in clerk.get("/").content.decode()
    untold(wanjiku, "This week's", ago=week - timedelta(minutes=1))
    assert LIST in clerk.get("/").content.decode()
    page = clerk.get(LIST)
    assert names(page) == ["This week&#x27;s"]
    assert "Orders of the last 7 days" in page.content.decode()


def test_a_deleted_order_is_no_trouble(manager, wanjiku):
    order = untold(wanjiku)
    manager.post(f"/orders/{order.pk}/delete")
    assert LIST not in manager.get("/").content.decode()
    assert names(manager.get(LIST)) == []


def test_from_the_list_it_is_sent_again_or_the_customer_called(clerk, wanjiku):
    order = untold(wanjiku)
    page = clerk.get(LIST).content.decode()
    assert 'href="tel:+254712345678"' in page
    assert f'href="/orders/{order.pk}/"' in page
    resend = f"/orders/{order.pk}/sms/resend"
    assert f'action="{resend}"' in page
    clerk.post(resend)
    assert Message.objects.get().state == "queued"
    assert NOBODY in clerk.get(LIST).content.decode()


def test_it_lists_all_of_them_once_newest_first_whatever_their_states(clerk, wanjiku):
    number = 2 * ORDERS_A_PAGE + 5
    for n in range(number):
        # Two at the same time, each.
        untold(wanjiku, f"Item {n}", state=UNTOLD[n % 4], ago=timedelta(minutes=n // 2))
    shown, address = [], LIST
    while address:
        page = clerk.get(address)
        shown.append(names(page))
        older = page.content.decode().partition('href="?before=')[2].partition('"')[0].replace("&amp;", "&")
        address = older and f"{LIST}?before={older}"
    assert [len(items) for items in shown] == [ORDERS_A_PAGE, ORDERS_A_PAGE, 5]
    numbers = [int(item.removeprefix("Item ")) for items in shown for item in items]
    assert sorted(numbers) == list(range(number))
    minutes = [n // 2 for n in numbers]
    assert minutes == sorted(minutes)


def test_a_page_that_has_become_empty_does_not_say_that_nobody_is_left(clerk, wanjiku):
    untold(wanjiku)
    page = clerk.get(f"{LIST}?before=2020-01-01T00:00:00Z&id={UUID(int=0)}").content.decode()
    assert "There are no earlier ones." in page
    assert NOBODY not in page


def test_it_counts_no_further_than_anybody_reads(clerk, wanjiku):
    for _ in range(UNTOLD_COUNTED):
        untold(wanjiku)
    assert "For 99 orders of" in clerk.get("/").content.decode()
    untold(wanjiku, state="rejected")
    assert "For more than 99 orders of" in clerk.get("/").content.decode()


def test_only_who_may_see_orders_sees_it_and_only_who_may_change_them_sends_again(db, viewer, wanjiku):
    untold(wanjiku)
    assert LIST in viewer.get("/").content.decode()
    page = viewer.get(LIST).content.decode()
    assert "tel:+254712345678" in page
    assert "Send again" not in page
    receptionist = User.objects.create_user("receptionist", password="!")
    receptionist.groups.create(name="reception").permissions.add(Permission.objects.get(codename="view_customer"))
    client = signed_in(receptionist)
    assert client.get("/").status_code == 200
    assert LIST not in client.get("/").content.decode()
    assert client.get(LIST).status_code == 403


@pytest.fixture
def many(transactional_db):
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(MANY, {})
        yield


@pytest.mark.usefixtures("many")
def test_the_list_and_the_count_read_an_index_by_state_and_time_and_no_table_whole():
    statements = [(QUERIES.list_untold, ORDERS_A_PAGE + 1), (QUERIES.count_untold, UNTOLD_COUNTED + 1)]
    for (text, limit), mode in product(statements, ("force_generic_plan", "force_custom_plan")):
        plan = explained(text, {**FIRST_PAGE, "days": UNTOLD_DAYS, "limit": limit}, mode=mode)
        read = [step for step in steps(plan) if "Relation Name" in step]
        # They differ in what they know of SMS without an order: PostgreSQL takes what it deems the cheaper one.
        indexes = {step.get("Index Name") for step in read if step["Relation Name"] == "sms_messages"}
        assert indexes <= {"sms_messages_rare", "sms_messages_of_orders"}
        assert not [step for step in read if step["Node Type"] == "Seq Scan"]
        for step in read:
            rows = (step["Actual Rows"] + step.get("Rows Removed by Filter", 0)) * step["Actual Loops"]
            # A page of each state, or of one a page and those without an order.
            assert rows <= 4 * limit
