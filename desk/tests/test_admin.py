"""The admin: it changes rows as the API does, and its lists count no rows."""

import csv
import io
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

import pytest
from django.contrib.auth.models import Group, Permission, User
from django.test import Client

from customers.models import Customer
from customers.uploading import COLUMNS
from desk.exporting import cell
from desk.models import Deleted
from desk.placing import CAME_TWICE, PLACED_ALREADY
from desk.tests.conftest import fields_of, opened, placed, signed_in
from orders.models import Order
from savannah.uploads import read_rows
from sms.models import Attempt, Message, OptOut

PAGES = [
    "/admin/", "/admin/customers/customer/", "/admin/orders/order/", "/admin/sms/message/", "/admin/sms/optout/",
    "/admin/accounts/application/", "/admin/accounts/auditentry/", "/admin/auth/user/", "/admin/auth/group/",
    "/admin/customers/customer/add/", "/admin/orders/order/add/", "/admin/auth/user/add/",
]  # fmt: skip


@pytest.fixture
def boss(db) -> Client:
    return signed_in(User.objects.create_superuser("boss", "boss@example.com", "!"))


def act(client: Client, model: str, action: str, *rows) -> object:
    return client.post(f"/admin/{model}/", {"action": action, "_selected_action": [row.pk for row in rows]})


@pytest.mark.parametrize("address", PAGES)
def test_each_page_opens(boss, wanjiku, address):
    placed(wanjiku)
    assert boss.get(address).status_code == 200


MISUSED = [
    "sms/message/?state=%00", "accounts/auditentry/?action__exact=%00", "sms/optout/?pk=%00", "sms/optout/%00/change/",
]  # fmt: skip


@pytest.mark.parametrize("address", MISUSED)
def test_what_no_column_can_hold_is_refused(boss, address):
    answer = boss.get(f"/admin/{address}")
    assert answer.status_code == 400
    page = answer.content.decode()
    assert "This page cannot use what it was sent." in page
    assert page.count('class="sheet-top"') == 1


@pytest.mark.parametrize(
    "model", ["customers/customer", "orders/order", "sms/message", "auth/user", "auth/group", "accounts/application"]
)
@pytest.mark.parametrize("key", ["x", "\x00", "1.5"])
def test_a_choice_that_is_no_key_is_refused(boss, model, key):
    action = "export" if model.startswith("sms") else "delete_selected"
    assert boss.post(f"/admin/{model}/", {"action": action, "_selected_action": key}).status_code == 400


def test_an_order_of_what_is_no_customer_is_refused(boss):
    form = {"customer": "x", "item": "Tea", "amount": "5"}
    assert boss.post("/admin/orders/order/add/", form).status_code == 400


def test_its_menu_shows_what_the_user_may_see_and_leads_back_to_the_desk(boss):
    menu = boss.get("/admin/").content.decode().partition('id="nav-sidebar-apps"')[2].partition("account")[0]
    assert 'href="/"' in menu
    assert "Roles" in boss.get("/admin/").content.decode()
    person = User.objects.create_user("staff", "s@example.com", "!", is_staff=True)
    person.groups.add(Group.objects.get(name="viewer"))
    page = signed_in(person).get("/admin/").content.decode()
    assert "/admin/orders/order/" in page
    assert "/admin/auth/user/" not in page
    order = placed(Customer.objects.create(code="X", name="X", phone_number="+254722111222"))
    page = signed_in(person).get(f"/admin/orders/order/{order.pk}/change/").content.decode()
    assert "Maize flour" in page
    assert "Version" not in page


def test_the_overview_leads_to_the_sms_in_a_state(boss, manager, wanjiku):
    placed(wanjiku)
    Message.objects.update(state="undelivered")
    address = "/admin/sms/message/?state__exact=undelivered"
    assert f'href="{address}"' in boss.get("/overview/").content.decode()
    assert str(Message.objects.get().pk) in boss.get(address).content.decode()
    assert "/admin/sms/" not in manager.get("/overview/").content.decode()


def test_it_hides_codes_and_tokens(boss):
    assert "token" not in boss.get("/admin/").content.decode().lower().replace("csrfmiddlewaretoken", "").replace(
        "csrf", ""
    )
    assert boss.get("/admin/oauth2_provider/accesstoken/").status_code == 403


def test_its_sign_in_is_ours(db):
    answer = Client().get("/admin/login/?next=/admin/orders/order/")
    assert answer["Location"] == "/accounts/login/?next=/admin/orders/order/"


def test_who_is_no_staff_is_told_so(manager):
    sign_in = manager.get("/admin/", follow=True).content.decode()
    assert "You are signed in as <strong>manager</strong>, who may not enter the admin." in sign_in
    assert "You are signed in" not in Client().get("/accounts/login/?next=/admin/").content.decode()


@pytest.mark.parametrize("model", ["customers/customer", "orders/order", "sms/message", "accounts/auditentry"])
def test_a_list_counts_nothing_and_asks_once_for_a_page(boss, wanjiku, model, django_assert_max_num_queries):
    for _ in range(5):
        placed(wanjiku)
    with django_assert_max_num_queries(6) as asked:
        boss.get(f"/admin/{model}/")
    assert not any("COUNT(" in query["sql"] for query in asked.captured_queries)


def test_it_adds_and_changes_a_customer_by_the_rules_of_the_api(boss):
    fields = {"code": "N1", "name": "  Njeri ", "phone_number": "+254 733 445566"}
    assert boss.post("/admin/customers/customer/add/", fields).status_code == 302
    customer = Customer.objects.get()
    assert (customer.name, customer.phone_number) == ("Njeri", "+254733445566")
    address = f"/admin/customers/customer/{customer.pk}/change/"
    fields["version"] = opened(boss, address)["version"]
    answer = boss.post(address, {**fields, "phone_number": "12"})
    assert "Must be a valid phone number" in answer.content.decode()
    assert "already exists" in boss.post("/admin/customers/customer/add/", fields).content.decode()
    boss.post(address, {**fields, "name": "Njeri Mwangi"})
    customer.refresh_from_db()
    assert customer.name == "Njeri Mwangi"


@pytest.mark.django_db(transaction=True)
def test_an_order_that_is_added_sends_its_sms(settings, boss, wanjiku):
    settings.SMS_WAIT_SECONDS = 0  # no worker runs beside this test
    answer = boss.post("/admin/orders/order/add/", {"customer": wanjiku.pk, "item": "Rice", "amount": "99.50"})
    order = Order.objects.get()
    assert (answer.status_code, order.item) == (302, "Rice")
    assert Message.objects.get(order_id=order.pk).body.startswith("Hello Wanjiku Kamau! Your order for Rice")
    answer = boss.post("/admin/orders/order/add/", {"customer": wanjiku.pk, "item": "Rice", "amount": "0"})
    assert "Must be more than 0." in answer.content.decode()


@pytest.mark.django_db(transaction=True)
def test_an_order_form_that_comes_twice_places_one_order(settings, boss, wanjiku):
    settings.SMS_WAIT_SECONDS = 0
    address = "/admin/orders/order/add/"
    form = {**opened(boss, address), "customer": wanjiku.pk, "item": "Rice", "amount": "99.50"}
    boss.post(address, form)
    again = boss.post(address, form, follow=True)
    assert CAME_TWICE in again.content.decode()
    assert (Order.objects.count(), Message.objects.count()) == (1, 1)
    page = boss.post(address, {**form, "item": "Beans"}, follow=True).content.decode()
    assert PLACED_ALREADY in page
    fresh = fields_of(page)
    assert (fresh["item"], fresh["amount"]) == ("Beans", "99.50")
    assert boss.post(address, {**fresh, "customer": wanjiku.pk}).status_code == 302
    assert set(Order.objects.values_list("item", flat=True)) == {"Rice", "Beans"}


@pytest.mark.django_db(transaction=True)
def test_two_clicks_at_once_place_one_order(settings, boss, wanjiku, monkeypatch):
    monkeypatch.setattr("desk.placing.TWIN_WAITS_SECONDS", 60.0)
    settings.SMS_WAIT_SECONDS = 0
    address = "/admin/orders/order/add/"
    form = {**opened(boss, address), "customer": wanjiku.pk, "item": "Rice", "amount": "99.50"}

    def click(_: int) -> int:
        window = Client()
        window.cookies = boss.cookies
        return window.post(address, form).status_code

    with ThreadPoolExecutor(4) as clicks:
        assert set(clicks.map(click, range(4))) == {302}
    assert (Order.objects.count(), Message.objects.count()) == (1, 1)


def test_its_list_of_orders_shows_amounts_as_the_desk_does(boss, wanjiku):
    small, large = placed(wanjiku), placed(wanjiku)
    Order.objects.filter(pk=large.pk).update(amount="1234567.50")
    assert ">1,234,567.50<" in boss.get("/admin/orders/order/").content.decode()
    sorted_by_amount = boss.get("/admin/orders/order/?o=2").content.decode()
    assert sorted_by_amount.index(str(small.pk)) < sorted_by_amount.index(str(large.pk))


def test_it_changes_an_order(boss, wanjiku):
    order = placed(wanjiku)
    address = f"/admin/orders/order/{order.pk}/change/"
    boss.post(address, {**opened(boss, address), "item": "Rice", "amount": "1"})
    order.refresh_from_db()
    assert (order.item, order.amount) == ("Rice", 1)


def test_it_overwrites_nothing_that_was_not_seen(boss, wanjiku):
    order = placed(wanjiku)
    address = f"/admin/orders/order/{order.pk}/change/"
    form = {**opened(boss, address), "item": "Rice"}
    Order.objects.update(amount=99)
    answer = boss.post(address, form)
    page = answer.content.decode()
    assert (answer.status_code, "Somebody else has changed it since you opened it." in page) == (200, True)
    assert "amount: 99.00" in page
    order.refresh_from_db()
    assert (order.item, order.amount) == ("Maize flour", 99)
    again = fields_of(page)
    assert again["item"] == "Rice"
    assert boss.post(address, again).status_code == 302
    order.refresh_from_db()
    assert order.item == "Rice"


def test_it_deletes_with_a_way_back(boss, wanjiku):
    first, second = placed(wanjiku), placed(wanjiku, "Rice")
    boss.post(f"/admin/orders/order/{first.pk}/delete/", {"post": "yes"})
    boss.post("/admin/orders/order/", {"action": "delete_selected", "_selected_action": [second.pk], "post": "yes"})
    assert not Order.objects.exists()
    boss.post(f"/admin/customers/customer/{wanjiku.pk}/delete/", {"post": "yes"})
    other = Customer.objects.create(code="X", name="X", phone_number="+254722111222")
    boss.post(
        "/admin/customers/customer/", {"action": "delete_selected", "_selected_action": [other.pk], "post": "yes"}
    )
    assert sorted(deleted.name for deleted in Deleted.objects.all()) == ["Maize flour", "Rice", "Wanjiku Kamau", "X"]


def test_it_sends_again(boss, wanjiku):
    order = placed(wanjiku)
    message = Message.objects.get()
    for model, row in (("orders/order", order), ("sms/message", message)):
        Message.objects.update(state="undelivered")
        act(boss, model, "resend_sms" if model == "orders/order" else "resend", row)
        assert Message.objects.get().state == "queued"
    person = User.objects.create_user("staff", "s@example.com", "!", is_staff=True)
    person.user_permissions.add(Permission.objects.get(codename="view_message"))
    person.groups.add(Group.objects.get(name="viewer"))
    Message.objects.update(state="undelivered")
    act(signed_in(person), "sms/message", "resend", message)
    assert Message.objects.get().state == "undelivered"


@pytest.mark.parametrize("model", ["customers/customer", "orders/order", "sms/message"])
def test_it_exports_what_was_chosen(boss, wanjiku, model):
    order = placed(wanjiku, "=1+1")
    row = {"customers/customer": wanjiku, "orders/order": order, "sms/message": Message.objects.get()}[model]
    answer = act(boss, model, "export", row)
    lines = b"".join(answer).decode().splitlines()
    assert answer["Content-Type"] == "text/csv"
    assert len(lines) == 2
    assert lines[1].startswith(str(row.pk))
    assert "+254712345678" in lines[1]
    assert ",=1" not in lines[1]


def test_an_export_of_sms_says_how_many_segments_each_takes(boss, wanjiku):
    Message.objects.create(phone_number="+254712345678", body="x" * 161)
    (row,) = csv.DictReader(b"".join(act(boss, "sms/message", "export", Message.objects.get())).decode().splitlines())
    assert row["segments"] == "2"


def test_an_export_that_is_uploaded_again_is_what_it_was(boss):
    names = ["=1+1", "'=1+1", "''-2", "'it's", "@x", "+1 2", "Wanjiku"]
    for number, name in enumerate(names):
        Customer.objects.create(code=f"C{number}", name=name, phone_number="+254712345678")
    file = io.BytesIO(b"".join(act(boss, "customers/customer", "export", *Customer.objects.all())))
    uploaded = {code: name for _, ((code, name, _phone), *_fault) in read_rows(file, "csv", COLUMNS)}
    assert [uploaded[f"C{number}"] for number in range(len(names))] == names


def test_a_cell_is_no_formula():
    assert [cell(value) for value in ("=A1", "@x", "-1", "+1+1", "+254712345678", "Rice", None, 5)] == [
        "'=A1", "'@x", "'-1", "'+1+1", "+254712345678", "Rice", "", "5",
    ]  # fmt: skip


def test_it_finds_as_the_desk_does(boss, wanjiku):
    order = placed(wanjiku)
    message = Message.objects.get()
    for term in ("wanj", "0712", "WAN01", str(order.pk)):
        assert "Maize flour" in boss.get("/admin/orders/order/", {"q": term}).content.decode()
    for term in ("kamau", str(message.pk), str(order.pk)):
        assert str(message.pk) in boss.get("/admin/sms/message/", {"q": term}).content.decode()
    assert "Maize flour" not in boss.get("/admin/orders/order/", {"q": "nobody"}).content.decode()
    assert "Wanjiku Kamau" in boss.get("/admin/customers/customer/", {"q": "5678"}).content.decode()
    detail = boss.get(f"/admin/sms/message/{message.pk}/change/").content.decode()
    assert "not asked yet" in detail


def test_it_shows_what_each_attempt_came_to_by_the_clock_of_the_shop(boss, wanjiku):
    message = Message.objects.get(order_id=placed(wanjiku).pk)
    at = datetime(2026, 11, 24, 21, 30, tzinfo=UTC)
    Attempt.objects.create(message=message, number=1, asked_at=at, state="queued", reason="HTTP 503")
    detail = boss.get(f"/admin/sms/message/{message.pk}/change/").content.decode()
    assert "25 Nov 2026, 00:30:00: not taken HTTP 503" in detail


def test_an_opt_out_can_be_taken_back(boss):
    OptOut.objects.create(phone_number="+254712345678")
    boss.post("/admin/sms/optout/%2B254712345678/delete/", {"post": "yes"})
    assert not OptOut.objects.exists()
