"""What people do at the counter, in a browser without JavaScript (tests/browser has tests with JavaScript)."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from urllib.parse import parse_qs, urlsplit
from uuid import uuid4

import psycopg
import pytest
from django.contrib.auth.models import Group
from django.db import connection
from django.test import Client
from django.utils import timezone

from conftest import eventually
from customers.models import Customer
from desk.finding import find_customers, to_international
from desk.models import Deleted
from desk.sql import QUERIES, fetch_all
from desk.tests.conftest import cursor_in, fields_of, names, opened, placed
from orders.models import Order
from savannah.sql import conninfo
from sms.models import Message


def test_it_sends_a_stranger_to_sign_in():
    answer = Client().get("/orders/00000000-0000-0000-0000-000000000000/?a=b")
    assert (answer.status_code, answer["Location"].partition("?")[0]) == (302, "/accounts/login/")


@pytest.mark.parametrize(
    ("page", "back"),
    [
        ("http://testserver/?q=a", "/?q=a"),
        ("https://elsewhere.example/", "/"),
        ("", "/"),
    ],
)
def test_whose_session_ended_comes_back_to_the_page_that_the_form_was_on(db, page, back):
    answer = Client().post("/orders/00000000-0000-0000-0000-000000000000/delete", headers={"Referer": page})
    assert parse_qs(urlsplit(answer["Location"]).query)["next"] == [back]


def test_the_address_of_an_order_form_leads_to_its_customer(clerk, wanjiku):
    assert clerk.get(f"/customers/{wanjiku.pk}/orders")["Location"] == f"/customers/{wanjiku.pk}/"


SOMETHING = "00000000-0000-0000-0000-000000000000"
FOR_BUTTONS = [
    "/accounts/logout/", f"/customers/{SOMETHING}/delete", f"/orders/{SOMETHING}/delete",
    f"/orders/{SOMETHING}/sms/resend", f"/orders/{SOMETHING}/sms/cancel", f"/deleted/{SOMETHING}/restore",
]  # fmt: skip


@pytest.mark.parametrize("address", FOR_BUTTONS)
def test_who_opens_an_address_that_a_button_is_for_is_led_to_the_desk(manager, address):
    for person in (manager, Client()):
        answer = person.get(address)
        page = answer.content.decode()
        assert (answer.status_code, "POST" in answer["Allow"]) == (405, True)
        assert "<h1>Nothing was done</h1>" in page
        assert '<a class="button strong" href="/">Go to the desk</a>' in page
        assert "unsafe" not in answer["Content-Security-Policy"]
    assert manager.get("/").status_code == 200, "still signed in"


def test_it_serves_its_pages_under_a_strict_policy(clerk):
    policy = clerk.get("/")["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert "<script>" not in clerk.get("/").content.decode()


@pytest.mark.parametrize(
    ("typed", "found"),
    [
        ("wan", True), ("WAN01", True), ("kam", True), ("kamau wanj", True), ("Wanjiku  Kamau", True),
        ("+254712", True), ("254712", True), ("0712 345", True), ("5678", True), ("678", False), ("anjiku", False),
        ("%", False), ("W_N", False), ("", False), ("\x00", False), ("'", False), ("& | !", False), ("0", True),
    ],
)  # fmt: skip
def test_it_finds_a_customer_by_the_beginning_of_code_name_or_phone(wanjiku, typed, found):
    Customer.objects.create(code="OTI01", name="Otieno Odhiambo", phone_number="+255622111222")
    assert [customer["code"] for customer in find_customers(typed, 8)] == (["WAN01"] if found else [])


def test_it_reads_a_number_as_people_say_it(settings):
    assert to_international("0712 345-678") == "+254712345678"
    assert to_international("+49 30 123") == "+4930123"
    assert to_international("Wanjiku") is None
    settings.DESK_CALLING_CODE = "256"
    assert to_international("0772") == "+256772"


def test_it_finds_among_many_by_indexes(db):
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO customers (code, name, phone_number) SELECT 'C' || n, 'Name' || n || ' Last' || n, "
            "'+2547' || lpad(n::text, 8, '0') FROM generate_series(1, 20000) n"
        )
        cursor.execute("ANALYZE customers")
    parameters = {"begins": "C77%", "phone_begins": "+25477%", "phone_ends": "%7777", "words": "last77:*", "limit": 8}
    plan = str(fetch_all(f"EXPLAIN (FORMAT JSON) {QUERIES.find_customers}", **parameters))
    for index in ("code", "phone", "phone_end", "name", "word"):
        assert f"'customers_find_{index}'" in plan


def test_it_opens_the_customer_when_only_one_is_found(clerk, wanjiku):
    assert clerk.get("/", {"q": "kamau"})["Location"] == f"/customers/{wanjiku.pk}/"
    assert names(clerk.get("/", {"q": "kamau", "list": ""})) == ["Wanjiku Kamau", "Add “kamau”"]
    assert names(clerk.get("/", {"q": "nobody"})) == ["Nobody is found. Add “nobody”"]
    as_one_types = clerk.get("/", {"q": "kamau"}, headers={"HX-Request": "true"})
    assert names(as_one_types) == ["Wanjiku Kamau", "Add “kamau”"]
    assert b"<html" not in as_one_types.content


def test_it_adds_a_customer_from_what_was_typed(clerk):
    assert 'value="Njeri"' in clerk.get("/customers/new", {"q": "Njeri"}).content.decode()
    assert 'value="+254733445566"' in clerk.get("/customers/new", {"q": "0733 445566"}).content.decode()
    assert opened(clerk, "/customers/new?q=NJE01")["code"] == "NJE01"
    assert opened(clerk, "/customers/new?q=Shop+2")["name"] == "Shop 2"
    answer = clerk.post("/customers/new", {"name": "Njeri", "code": "N1", "phone_number": "0733 445 566"})
    njeri = Customer.objects.get(code="N1")
    assert (njeri.phone_number, answer["Location"]) == ("+254733445566", f"/customers/{njeri.pk}/")


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({"name": "", "code": "N1", "phone_number": "0733445566"}, "Must not be blank."),
        ({"name": "N", "code": "N1", "phone_number": "12"}, "Must be a valid phone number"),
        ({"name": "N", "code": "WAN01", "phone_number": "0733445566"}, "A customer with this code already exists"),
        ({"name": "N", "code": "a" * 51, "phone_number": "0733445566"}, "Must have no more than 50 characters."),
        ({"name": "N\x00", "code": "N1", "phone_number": "0733445566"}, "NUL and lone surrogate characters"),
    ],
)
def test_it_says_what_is_wrong_with_a_customer_and_keeps_what_was_typed(clerk, wanjiku, given, sentence):
    for address in (
        "/customers/new",
        f"/customers/{Customer.objects.create(code='X', name='X', phone_number='+254722111222').pk}/edit",
    ):
        answer = clerk.post(address, {**opened(clerk, address), **given})
        page = answer.content.decode()
        assert (answer.status_code, sentence in page) == (400, True)
        assert f'value="{given["code"]}"' in page


def test_it_edits_a_customer(clerk, wanjiku):
    address = f"/customers/{wanjiku.pk}/edit"
    form = opened(clerk, address)
    assert form["name"] == "Wanjiku Kamau"
    clerk.post(address, {**form, "name": "Wanjiku Otieno"})
    wanjiku.refresh_from_db()
    assert wanjiku.name == "Wanjiku Otieno"


def test_of_two_clerks_who_edit_a_customer_the_second_is_shown_what_has_changed(clerk, manager, wanjiku):
    address = f"/customers/{wanjiku.pk}/edit"
    mine, theirs = opened(clerk, address), opened(manager, address)
    manager.post(address, {**theirs, "name": "Wanjiku Otieno", "phone_number": "0722 000 111"})
    answer = clerk.post(address, {**mine, "name": "Wanjiku Njeri"})
    page = answer.content.decode()
    assert answer.status_code == 409
    assert "Somebody else has changed this since you opened it." in page
    assert "Changed meanwhile from “Wanjiku Kamau” to “Wanjiku Otieno”." in page
    assert "Changed meanwhile from “+254712345678” to “+254722000111”." in page
    wanjiku.refresh_from_db()
    assert wanjiku.name == "Wanjiku Otieno"
    again = fields_of(page)
    assert (again["name"], again["phone_number"]) == ("Wanjiku Njeri", "+254722000111")
    assert clerk.post(address, again).status_code == 302
    wanjiku.refresh_from_db()
    assert (wanjiku.name, wanjiku.phone_number) == ("Wanjiku Njeri", "+254722000111")


def test_a_fault_does_not_hide_that_somebody_else_was_faster(clerk, manager, wanjiku):
    order = placed(wanjiku)
    address = f"/orders/{order.pk}/edit"
    mine, theirs = opened(clerk, address), opened(manager, address)
    manager.post(address, {**theirs, "item": "Rice"})
    answer = clerk.post(address, {**mine, "item": "Beans", "amount": "0"})
    page = answer.content.decode()
    assert (answer.status_code, "Must be more than 0." in page) == (400, True)
    assert "Changed meanwhile from “Maize flour” to “Rice”." in page
    assert "Somebody else has changed this since you opened it." in page
    assert fields_of(page)["item"] == "Beans"


def test_of_two_clerks_who_edit_an_order_at_once_one_wins(clerk, manager, wanjiku):
    order = placed(wanjiku)
    address = f"/orders/{order.pk}/edit"
    mine, theirs = opened(clerk, address), opened(manager, address)
    assert manager.post(address, {**theirs, "amount": "99"}).status_code == 302
    answer = clerk.post(address, {**mine, "item": "Rice"})
    assert (answer.status_code, fields_of(answer.content.decode())["amount"]) == (409, "99.00")
    order.refresh_from_db()
    assert (order.item, order.amount) == ("Maize flour", 99)
    twice = {**theirs, "amount": "99"}
    assert manager.post(address, twice).status_code == 302, "the same form, sent again by a reload"
    assert clerk.post(address, {"item": "Rice", "amount": "1"}).status_code == 409, "a form without its version"


@pytest.mark.django_db(transaction=True)
def test_it_places_an_order_whose_sms_is_queued(clerk, wanjiku):
    answer = clerk.post(f"/customers/{wanjiku.pk}/orders", {"item": "Maize flour", "amount": "2,280.50"})
    order = Order.objects.get()
    assert answer["Location"] == f"/customers/{wanjiku.pk}/?placed={order.pk}"
    assert (order.item, order.amount, order.customer_id) == ("Maize flour", Decimal("2280.50"), wanjiku.pk)
    assert Message.objects.get(order_id=order.pk).state == "queued"
    page = clerk.get(f"/customers/{wanjiku.pk}/", {"placed": order.pk}).content.decode()
    assert "The order is placed." in page
    assert "2,280.50" in page
    assert "Queued" in page
    for address in ("/", f"/orders/{order.pk}/"):
        assert "Maize flour" in clerk.get(address).content.decode()


@pytest.mark.django_db(transaction=True)
def test_an_order_form_that_comes_twice_places_one_order(clerk, wanjiku):
    address = f"/customers/{wanjiku.pk}/orders"
    form = {**opened(clerk, f"/customers/{wanjiku.pk}/"), "item": "Maize flour", "amount": "2,280"}
    first, second = clerk.post(address, form), clerk.post(address, {**form, "amount": "2280.00"})
    order = Order.objects.get()
    assert first["Location"] == f"/customers/{wanjiku.pk}/?placed={order.pk}"
    assert second["Location"] == f"/customers/{wanjiku.pk}/?placed={order.pk}&again=1"
    assert "The form came twice; there is one order." in clerk.get(second["Location"]).content.decode()
    assert Message.objects.count() == 1
    other = clerk.post(address, {**form, "item": "Rice"})
    page = other.content.decode()
    assert (other.status_code, "An order was placed from this form already" in page) == (409, True)
    fresh = fields_of(page)
    assert (fresh["item"], fresh["amount"]) == ("Rice", "2,280")
    assert clerk.post(address, fresh).status_code == 302
    assert Order.objects.count() == 2


@pytest.mark.django_db(transaction=True)
def test_a_forms_key_is_its_clerks_own(clerk, manager, wanjiku):
    form = {**opened(clerk, f"/customers/{wanjiku.pk}/"), "item": "Maize flour", "amount": "2280"}
    for person in (clerk, manager):
        assert "again" not in person.post(f"/customers/{wanjiku.pk}/orders", form)["Location"]
    assert Order.objects.count() == 2


@pytest.mark.django_db(transaction=True)
def test_two_clicks_at_once_place_one_order(clerk, wanjiku, monkeypatch):
    monkeypatch.setattr("desk.placing.TWIN_WAITS_SECONDS", 60.0)
    address = f"/customers/{wanjiku.pk}/orders"
    form = {**opened(clerk, f"/customers/{wanjiku.pk}/"), "item": "Maize flour", "amount": "2280"}

    def click(_: int) -> str:
        window = Client()
        window.cookies = clerk.cookies
        return window.post(address, form)["Location"].partition("&")[0]

    with ThreadPoolExecutor(4) as clicks:
        shown = set(clicks.map(click, range(4)))
    assert shown == {f"/customers/{wanjiku.pk}/?placed={Order.objects.get().pk}"}


@pytest.mark.django_db(transaction=True)
def test_a_form_whose_twin_takes_long_is_kept(clerk, wanjiku, monkeypatch):
    monkeypatch.setattr("desk.placing.TWIN_WAITS_SECONDS", 0.1)
    address = f"/customers/{wanjiku.pk}/orders"
    form = {**opened(clerk, f"/customers/{wanjiku.pk}/"), "item": "Maize flour", "amount": "2280"}
    # The connection is the inner context: if anything fails, it closes first and releases the clicks.
    with ThreadPoolExecutor() as clicks, psycopg.connect(conninfo("a test")) as other:
        # Lock the customer: the first click's transaction has to wait for it.
        other.execute("SELECT FROM customers FOR UPDATE")
        first = clicks.submit(clerk.post, address, form)
        eventually(lambda: other.execute("SELECT FROM pg_locks WHERE NOT granted").fetchone() is not None)
        second = clicks.submit(clerk.post, address, form).result(60)
        page = second.content.decode()
        assert (second.status_code, "This order is still being placed." in page) == (409, True)
        other.commit()
        assert first.result().status_code == 302
    assert clerk.post(address, fields_of(page))["Location"].endswith(f"?placed={Order.objects.get().pk}&again=1")


def test_a_customer_whose_form_comes_twice_is_added_once(clerk):
    form = {"name": "Njeri", "code": "N1", "phone_number": "0733 445 566"}
    first, second = clerk.post("/customers/new", form), clerk.post("/customers/new", form)
    assert first["Location"] == second["Location"] == f"/customers/{Customer.objects.get().pk}/"


def test_a_form_sent_by_script_is_told_where_to_go(clerk, wanjiku):
    script = {"HX-Request": "true"}
    address = f"/customers/{wanjiku.pk}/edit"
    answer = clerk.post(address, {**opened(clerk, address), "name": "New"}, headers=script)
    assert (answer.status_code, answer["HX-Redirect"]) == (200, f"/customers/{wanjiku.pk}/")
    signed_out = Client().get("/live", headers=script)
    assert (signed_out.status_code, signed_out["HX-Refresh"]) == (200, "true")


@pytest.mark.parametrize(
    ("amount", "sentence"),
    [
        ("", "Must be a number."), ("x", "Must be a number."), ("0", "Must be more than 0."), ("1.234", "two decimals"),
        ("12,50", "Must be a number."), ("1,23,456", "Must be a number."),
    ],
)  # fmt: skip
def test_it_says_what_is_wrong_with_an_order(clerk, wanjiku, amount, sentence):
    answer = clerk.post(f"/customers/{wanjiku.pk}/orders", {"item": "Maize", "amount": amount})
    assert (answer.status_code, sentence in answer.content.decode()) == (400, True)
    assert 'value="Maize"' in answer.content.decode()
    order = placed(wanjiku)
    assert clerk.post(f"/orders/{order.pk}/edit", {"item": "Maize", "amount": amount}).status_code == 400
    assert Order.objects.get().amount == 2280


@pytest.mark.parametrize("amount", ["1,234,567.5", " 1 234 567.50 ", "1\u00a0234\u00a0567.5"])
def test_it_reads_an_amount_as_people_write_it(clerk, wanjiku, amount):
    address = f"/orders/{placed(wanjiku).pk}/edit"
    clerk.post(address, {**opened(clerk, address), "amount": amount})
    assert Order.objects.get().amount == Decimal("1234567.50")


def test_the_cursor_is_where_to_type(clerk, wanjiku):
    new, orders = "/customers/new", f"/customers/{wanjiku.pk}/orders"
    assert cursor_in(clerk.get("/")) == ["q"]
    assert cursor_in(clerk.get(new)) == ["name"]
    assert cursor_in(clerk.get(new, {"q": "Njeri"})) == ["phone_number"]
    assert cursor_in(clerk.post(new, {"name": "N", "code": "WAN01", "phone_number": "0733445566"})) == ["code"]
    assert cursor_in(clerk.get(f"/customers/{wanjiku.pk}/")) == ["item"]
    assert cursor_in(clerk.post(orders, {"item": "Maize", "amount": "ten"})) == ["amount"]
    assert cursor_in(clerk.get(f"/orders/{placed(wanjiku).pk}/edit")) == ["item"]


def test_it_edits_an_order(clerk, wanjiku):
    order = placed(wanjiku)
    form = opened(clerk, f"/orders/{order.pk}/edit")
    assert form["amount"] == "2280.00"
    clerk.post(f"/orders/{order.pk}/edit", {**form, "item": "Rice", "amount": "99"})
    order.refresh_from_db()
    assert (order.item, order.amount) == ("Rice", 99)


def test_it_pages_through_the_orders(clerk, wanjiku):
    Order.objects.bulk_create(Order(customer=wanjiku, item=f"Item {n}", amount=1) for n in range(25))
    first = clerk.get("/")
    older = first.content.decode().partition('href="?before=')[2].partition('"')[0].replace("&amp;", "&")
    second = clerk.get(f"/customers/{wanjiku.pk}/?before={older}")
    assert (len(names(first)), len(names(second))) == (20, 5)
    assert len({*names(first), *names(second)}) == 25
    assert len(names(clerk.get("/?before=yesterday"))) == 20


def test_it_shows_times_as_the_clock_in_the_shop_does(settings, clerk, manager, wanjiku):
    order = placed(wanjiku)
    Order.objects.update(created_at=datetime(2020, 12, 31, 21, 30, tzinfo=UTC))
    assert "1 January 2021, 00:30 EAT" in clerk.get(f"/orders/{order.pk}/").content.decode()
    assert "each begins at 03:00 EAT" in manager.get("/overview/").content.decode()
    settings.DESK_TIME_ZONE = "America/New_York"
    assert "31 Dec 2020, 16:30<" in clerk.get("/").content.decode()


def test_what_was_placed_says_how_its_sms_stands(clerk, wanjiku):
    order = placed(wanjiku)
    page = clerk.get(f"/customers/{wanjiku.pk}/?placed={order.pk}").content.decode()
    assert (page.count(f"sms-{order.pk}"), page.count("Queued")) == (2, 2)
    live = clerk.get("/live", {"order": order.pk}).content.decode()
    assert f'hx-swap-oob="outerHTML:.sms-{order.pk}"' in live


def test_it_says_when_more_are_found_than_it_shows(clerk):
    for n in range(9):
        Customer.objects.create(code=f"N{n}", name=f"Njeri {n}", phone_number=f"+25471234567{n}")
    assert "There are more: type on." in clerk.get("/", {"q": "njeri"}).content.decode()
    assert len(names(clerk.get("/", {"q": "njeri"}))) == 8 + len(["Add “njeri”"])
    Customer.objects.get(code="N8").delete()
    assert "There are more" not in clerk.get("/", {"q": "njeri"}).content.decode()


def test_it_tells_how_the_sms_stand_until_they_are_at_their_end(clerk, wanjiku):
    order = placed(wanjiku)
    live = clerk.get("/live", {"order": [order.pk, uuid4(), "none"]}).content.decode()
    assert "Queued" in live
    assert "hx-trigger" in live
    Message.objects.update(state="delivered")
    live = clerk.get("/live", {"order": order.pk}).content.decode()
    assert "Delivered" in live
    assert "hx-trigger" not in live


def test_it_calls_an_sms_off_and_sends_it_again(clerk, wanjiku):
    order = placed(wanjiku)
    clerk.post(f"/orders/{order.pk}/sms/cancel")
    assert Message.objects.get().state == "cancelled"
    assert "Send again" in clerk.get(f"/orders/{order.pk}/").content.decode()
    clerk.post(f"/orders/{order.pk}/sms/resend")
    assert Message.objects.get().state == "queued"
    Message.objects.update(state="accepted")
    clerk.post(f"/orders/{order.pk}/sms/cancel")
    assert Message.objects.get().state == "accepted"
    Message.objects.all().delete()
    for what in ("cancel", "resend"):
        assert clerk.post(f"/orders/{order.pk}/sms/{what}").status_code == 302
    assert "There is no SMS for this order." in clerk.get(f"/orders/{order.pk}/").content.decode()


def undo(client: Client, answer) -> object:
    """Press Undo on the page that a deletion leads to."""
    page = client.get(answer["Location"]).content.decode()
    assert "was deleted" in page
    return client.post(page.partition('action="/deleted/')[2].partition('"')[0].join(("/deleted/", "")))


def test_it_brings_a_deleted_order_back_with_its_sms(manager, wanjiku):
    order = placed(wanjiku)
    before = Order.objects.values().get()
    answer = manager.post(f"/orders/{order.pk}/delete")
    assert not Order.objects.exists()
    assert Message.objects.get().state == "cancelled"
    assert undo(manager, answer)["Location"] == f"/customers/{wanjiku.pk}/"
    assert Order.objects.values().get() == before
    message = Message.objects.get()
    assert (message.order_id, message.state, message.withdrawn) == (order.pk, "queued", False)
    assert message.due_at


def test_an_sms_that_was_called_off_before_its_order_was_deleted_does_not_go_out_when_that_is_back(manager, wanjiku):
    order = placed(wanjiku)
    manager.post(f"/orders/{order.pk}/sms/cancel")
    undo(manager, manager.post(f"/orders/{order.pk}/delete"))
    message = Message.objects.get()
    assert (message.order_id, message.state, message.failure_reason) == (order.pk, "cancelled", "called off")


def test_what_was_deleted_is_kept_for_a_day(manager, wanjiku):
    first, second = placed(wanjiku, "First"), placed(wanjiku, "Second")
    manager.post(f"/orders/{first.pk}/delete")
    Deleted.objects.update(deleted_at=timezone.now() - timedelta(hours=25))
    manager.post(f"/orders/{second.pk}/delete")
    assert [deleted.name for deleted in Deleted.objects.all()] == ["Second"]
    Deleted.objects.update(deleted_at=timezone.now() - timedelta(hours=25))
    manager.post(f"/customers/{wanjiku.pk}/delete")
    assert [deleted.name for deleted in Deleted.objects.all()] == ["Wanjiku Kamau"]


def test_it_brings_a_deleted_customer_back_with_all_orders(manager, wanjiku):
    first, second = placed(wanjiku), placed(wanjiku)
    Message.objects.filter(order_id=first.pk).update(state="delivered")
    before = Customer.objects.values().get()
    answer = manager.post(f"/customers/{wanjiku.pk}/delete")
    assert not Customer.objects.exists()
    assert not Order.objects.exists()
    undo(manager, answer)
    assert Customer.objects.values().get() == before
    assert set(Order.objects.values_list("pk", flat=True)) == {first.pk, second.pk}
    assert dict(Message.objects.values_list("order_id", "state")) == {first.pk: "delivered", second.pk: "queued"}


def deleted_while(manager, address: str, *changes: str) -> object:
    """Delete something that an open transaction has changed; commit that transaction once the deletion waits for it."""
    with ThreadPoolExecutor() as clicks, psycopg.connect(conninfo("a test")) as other:
        for change in changes:
            other.execute(change)
        deletion = clicks.submit(manager.post, f"{address}/delete")
        eventually(lambda: other.execute("SELECT FROM pg_locks WHERE NOT granted").fetchone() is not None)
        other.commit()
        return deletion.result(60)


@pytest.mark.django_db(transaction=True)
def test_an_order_that_is_placed_while_its_customer_is_deleted_comes_back_with_it(manager, wanjiku):
    order = placed(wanjiku)
    answer = deleted_while(
        manager,
        f"/customers/{wanjiku.pk}",
        "INSERT INTO orders (customer_id, item, amount) SELECT id, 'Tea', 5 FROM customers",
        "INSERT INTO sms_messages (order_id, phone_number, body) SELECT id, '+254712345678', 'Tea' FROM orders "
        "WHERE item = 'Tea'",
    )
    assert not Order.objects.exists()
    undo(manager, answer)
    assert set(Order.objects.values_list("item", flat=True)) == {order.item, "Tea"}
    assert set(Message.objects.values_list("order_id", "state")) == {
        (pk, "queued") for pk in Order.objects.values_list("pk", flat=True)
    }


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("of", ["orders", "customers"])
def test_what_is_changed_while_it_is_deleted_comes_back_as_it_was_deleted(manager, wanjiku, of):
    order = placed(wanjiku)
    address = f"/orders/{order.pk}" if of == "orders" else f"/customers/{wanjiku.pk}"
    changes = {"orders": "UPDATE orders SET amount = 7", "customers": "UPDATE customers SET name = 'Njeri'"}
    undo(manager, deleted_while(manager, address, *([changes[of]] if of == "orders" else changes.values())))
    assert Order.objects.get().amount == 7
    assert Customer.objects.get().name == ("Njeri" if of == "customers" else wanjiku.name)


def test_an_unknown_sms_that_was_to_be_sent_again_is_so_once_its_order_is_back(manager, wanjiku):
    order = placed(wanjiku)
    Message.objects.update(state="unknown", attempts=1)
    answer = manager.post(f"/orders/{order.pk}/delete")
    assert Message.objects.get().due_at is None
    undo(manager, answer)
    assert Message.objects.get().due_at


def test_it_says_why_something_cannot_come_back(manager, wanjiku):
    order = placed(wanjiku)
    order_deleted = manager.post(f"/orders/{order.pk}/delete")
    customer_deleted = manager.post(f"/customers/{wanjiku.pk}/delete")
    assert "Bring back the customer first" in undo(manager, order_deleted).content.decode()
    usurper = Customer.objects.create(code="WAN01", name="Other", phone_number="+254722111222")
    answer = undo(manager, customer_deleted)
    assert (answer.status_code, "has its code by now" in answer.content.decode()) == (409, True)
    usurper.delete()
    assert undo(manager, customer_deleted).status_code == 302
    assert undo(manager, order_deleted).status_code == 302
    assert manager.post(f"/deleted/{uuid4()}/restore").status_code == 404


def test_it_shows_and_does_what_the_role_allows(viewer, clerk, manager, wanjiku):
    order = placed(wanjiku)
    pages = {who: who.get(f"/customers/{wanjiku.pk}/").content.decode() for who in (viewer, clerk, manager)}
    assert ["Place order" in page for page in pages.values()] == [False, True, True]
    assert ["/delete" in page for page in pages.values()] == [False, False, True]
    assert viewer.post(f"/customers/{wanjiku.pk}/orders", {"item": "I", "amount": "1"}).status_code == 403
    assert b"customers.add_customer" in viewer.get("/customers/new").content
    assert clerk.post(f"/orders/{order.pk}/delete").status_code == 403
    assert "Add “nobody”" not in viewer.get("/", {"q": "nobody"}).content.decode()


# Each page and each action of the desk, and the right that it needs.
DEEDS = [
    ("GET", "/", "customers.view_customer"),
    ("GET", "/live", "orders.view_order"),
    ("GET", "/customers/new", "customers.add_customer"),
    ("POST", "/customers/new", "customers.add_customer"),
    ("GET", "/customers/{customer}/", "customers.view_customer"),
    ("POST", "/customers/{customer}/orders", "orders.add_order"),
    ("GET", "/customers/{customer}/edit", "customers.change_customer"),
    ("POST", "/customers/{customer}/edit", "customers.change_customer"),
    ("POST", "/customers/{customer}/delete", "customers.delete_customer"),
    ("GET", "/orders/{order}/", "orders.view_order"),
    ("GET", "/orders/{order}/edit", "orders.change_order"),
    ("POST", "/orders/{order}/edit", "orders.change_order"),
    ("POST", "/orders/{order}/delete", "orders.delete_order"),
    ("POST", "/orders/{order}/sms/resend", "orders.change_order"),
    ("POST", "/orders/{order}/sms/cancel", "orders.change_order"),
    ("POST", "/deleted/{customer}/restore", "orders.delete_order"),
]


@pytest.mark.parametrize("right", sorted({right for *_, right in DEEDS}))
def test_each_page_asks_for_its_right_and_no_browser_keeps_it(manager, wanjiku, right):
    group = Group.objects.get(name="manager")
    group.permissions.remove(group.permissions.get(codename=right.split(".")[1]))
    order = placed(wanjiku)
    for method, address, needed in DEEDS:
        if needed == right or method == "GET":
            answer = manager.generic(method, address.format(customer=wanjiku.pk, order=order.pk))
            assert (answer.status_code == 403) == (needed == right), (method, address)
            assert "no-store" in answer["Cache-Control"], (method, address)
            assert "private" in answer["Cache-Control"], (method, address)
    assert Customer.objects.count() == Order.objects.count() == 1
    assert Message.objects.get().state == "queued"


def test_it_shows_no_orders_to_a_role_without_them(viewer, wanjiku):
    group = viewer.get("/").wsgi_request.user.groups.get()
    group.permissions.remove(group.permissions.get(codename="view_order"))
    order = placed(wanjiku, "Secret")
    shown = [viewer.get(address).content for address in ("/", f"/customers/{wanjiku.pk}/")]
    assert not any(text in page for page in shown for text in (b"Secret", str(order.pk).encode()))
    assert b"Your role does not show orders." in viewer.get("/").content
    assert b"Wanjiku Kamau" in viewer.get(f"/customers/{wanjiku.pk}/").content


def test_it_answers_404_for_what_is_not_there(manager, wanjiku):
    nothing = uuid4()
    for address in (f"/customers/{nothing}/", f"/orders/{nothing}/", f"/orders/{nothing}/edit"):
        answer = manager.get(address)
        assert (answer.status_code, b"It may have been deleted." in answer.content) == (404, True)
    for address in (f"/customers/{nothing}/orders", f"/customers/{nothing}/delete", f"/orders/{nothing}/delete"):
        assert manager.post(address, {"item": "I", "amount": "1"}).status_code == 404
    assert b"There is nothing at this address." in manager.get("/nothing").content


def test_a_form_of_an_old_page_is_refused_in_words(db, wanjiku):
    strict = Client(enforce_csrf_checks=True)
    answer = strict.post("/accounts/logout/", {"csrfmiddlewaretoken": "old"})
    assert (answer.status_code, b"This page was out of date" in answer.content) == (403, True)


def test_a_version_that_is_none_is_refused(clerk, wanjiku):
    order = placed(wanjiku)
    form = {
        "code": "NEW",
        "name": "New",
        "phone_number": "+254722111222",
        "item": "Tea",
        "amount": "5",
        "version": "\x00",
    }
    for address in (f"/customers/{wanjiku.pk}/edit", f"/orders/{order.pk}/edit"):
        assert clerk.post(address, form).status_code == 400
