"""The order endpoints, and placing an order with its SMS: real HTTP, a real PostgreSQL, a real worker and gateway."""

import threading
from uuid import UUID, uuid4

import pytest
import requests
from django.core.management import call_command

from conftest import Api, eventually, refused
from orders.models import Order
from sms.models import Message

LAPTOP = {"customer_code": "CUST001", "item": "Laptop Computer", "amount": 1299.99}
NO_ID = "0b6ff3c4-8f7f-4f9e-9d5e-6f0f2d1c7a11"


@pytest.fixture
def no_wait(settings):
    """No worker runs: do not wait for it."""
    settings.SMS_WAIT_SECONDS = 0.0


def test_it_places_an_order_and_the_sms_is_on_the_phone(api, customer, worker, stand_in):
    answer = api.post("/api/orders/", json=LAPTOP)
    assert answer.status_code == 201
    order = answer.json()
    assert order == {
        "id": order["id"],
        "item": "Laptop Computer",
        "amount": "1299.99",
        "order_time": order["order_time"],
        "created_at": order["order_time"],
        "customer_id": customer["id"],
        "customer_code": "CUST001",
        "customer_name": "John Doe",
        "customer_phone": "+254712345678",
        "sms_sent": True,
        "sms_status": "accepted",
    }
    text = "Hello John Doe! Your order for Laptop Computer worth KES 1299.99 has been received. Thank you!"
    assert [entry["text"] for entry in stand_in.ledger("+254712345678")] == [text]
    shown = {name: value for name, value in order.items() if name != "sms_sent"}
    assert list(shown)[-2:] == ["customer_phone", "sms_status"]
    assert api.get(f"/api/orders/{order['id']}/").json() == shown
    assert api.get("/api/orders/").json() == [shown]
    message = Message.objects.get(order_id=order["id"])
    assert message.provider_message_id.startswith("ATXid_")
    assert message.cost == "KES 0.8000"


def test_it_answers_without_the_sms_while_the_gateway_is_down_and_sends_it_later(
    api, customer, stand_in, worker, settings
):
    settings.SMS_WAIT_SECONDS = 2.0
    stand_in.stop()
    order = api.post("/api/orders/", json=LAPTOP).json()
    assert order["sms_sent"] is False
    assert order["sms_status"] in {"queued", "sending"}
    stand_in.start()
    assert eventually(lambda: stand_in.ledger("+254712345678"))
    assert eventually(lambda: Message.objects.get().state == "accepted")
    assert len(stand_in.ledger("+254712345678")) == 1


def test_it_says_when_the_gateway_rejects_the_number(api, customer, stand_in, worker):
    stand_in.break_with(status_code=403)
    order = api.post("/api/orders/", json=LAPTOP).json()
    assert (order["sms_sent"], order["sms_status"]) == (False, "rejected")
    assert Message.objects.get().failure_reason == "403 InvalidPhoneNumber"


def test_it_answers_at_once_to_who_prefers_so(api, customer, stand_in, worker):
    stand_in.break_with(latency_ms=500)
    answer = api.post("/api/orders/", json=LAPTOP, headers={"Prefer": "handling=strict, Respond-Async; x=1"})
    assert (answer.status_code, answer.headers["Preference-Applied"]) == (201, "respond-async")
    order = answer.json()
    assert (order["sms_sent"], order["sms_status"]) == (False, "queued")
    address = f"/api/orders/{order['id']}/"
    assert eventually(lambda: api.get(address).json()["sms_status"] == "accepted")
    assert "Preference-Applied" not in api.post("/api/orders/", json=LAPTOP).headers
    assert list(Message.objects.order_by("created_at").values_list("awaited", flat=True)) == [False, True]


def test_it_shows_the_state_of_the_sms_wherever_it_shows_an_order(api, customer, no_wait):
    order = api.post("/api/orders/", json=LAPTOP).json()
    address = f"/api/orders/{order['id']}/"

    def shown():
        lists = ("", "by-customer/?customer_code=CUST001", f"customer/{customer['id']}/")
        orders = [api.get(address).json(), *(api.get(f"/api/orders/{path}").json()[0] for path in lists)]
        changed = [api.put(address, json={"amount": 7}).json(), api.patch(address, json={"amount": 8}).json()]
        return [order["sms_status"] for order in (*orders, *changed)]

    assert shown() == ["queued"] * 6
    Message.objects.update(state="delivered")
    assert shown() == ["delivered"] * 6
    Message.objects.all().delete()
    assert shown() == [None] * 6


@pytest.mark.parametrize(
    ("amount", "shown"),
    [("1299.99", "1299.99"), (5, "5.00"), (0.01, "0.01"), (99999999.99, "99999999.99"), ("7.5", "7.50")],
)
def test_it_shows_amounts_with_two_decimals(api, customer, no_wait, amount, shown):
    assert api.post("/api/orders/", json={**LAPTOP, "amount": amount}).json()["amount"] == shown
    assert f"worth KES {shown} has" in Message.objects.get().body


def test_it_puts_hostile_text_into_the_sms_as_it_is(api, customer, no_wait):
    item = "100% {name} %1$s '; DROP TABLE orders; --"
    assert api.post("/api/orders/", json={**LAPTOP, "item": item}).json()["item"] == item
    assert f"order for {item} worth" in Message.objects.get().body


def test_it_takes_the_template_and_the_currency_from_the_settings(api, customer, no_wait, settings):
    settings.SMS_TEMPLATE = "{amount} {currency}: 100% {item}, {name}"
    settings.SMS_CURRENCY = "UGX"
    api.post("/api/orders/", json=LAPTOP)
    assert Message.objects.get().body == "1299.99 UGX: 100% Laptop Computer, John Doe"


@pytest.mark.parametrize("field", ["customer_code", "item", "amount"])
def test_it_names_the_missing_field(api, field):
    body = {name: value for name, value in LAPTOP.items() if name != field}
    answer = api.post("/api/orders/", json=body)
    assert refused(answer, 400, f"Missing required field: {field}", **{field: "This field is required."})


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"amount": 0}, "amount: must be more than 0."),
        ({"amount": -3}, "amount: must be more than 0."),
        ({"amount": 0.001}, "amount: must have at most two decimals."),
        ({"amount": 1.999}, "amount: must have at most two decimals."),
        ({"amount": 100000000}, "amount: must be at most 99999999.99."),
        ({"amount": 1e30}, "amount: must be at most 99999999.99."),
        ({"amount": "ten"}, "amount: must be a number."),
        ({"amount": "NaN"}, "amount: must be a number."),
        ({"amount": "Infinity"}, "amount: must be a number."),
        ({"amount": "1" * 2000}, "amount: must be at most 99999999.99."),
        ({"amount": True}, "amount: must be a number."),
        ({"amount": []}, "amount: must be a number."),
        ({"amount": None}, "amount: must not be null."),
        ({"item": "i" * 201}, "item: must have no more than 200 characters."),
        ({"item": 7}, "item: must be a string."),
        ({"colour": "red"}, "Unknown field: colour"),
        ({"sms_sent": True}, "Unknown field: sms_sent"),
    ],
)
def test_it_refuses_a_wrong_field_by_name(api, customer, change, sentence):
    answer = api.post("/api/orders/", json={**LAPTOP, **change})
    assert (answer.status_code, answer.json()["error"]) == (400, sentence)
    assert list(answer.json()["fields"]) == [sentence.removeprefix("Unknown field: ").split(":")[0]]
    assert (Order.objects.count(), Message.objects.count()) == (0, 0)


def test_all_fields_at_fault_are_named(api, customer):
    answer = api.post("/api/orders/", json={"colour": "red", "size": 9, "item": "", "amount": 0})
    assert answer.json()["error"] == "Unknown field: colour"
    assert list(answer.json()["fields"]) == ["colour", "size", "customer_code", "item", "amount"]


def test_it_answers_404_to_an_order_for_an_unknown_customer(api, no_wait):
    assert refused(api.post("/api/orders/", json=LAPTOP), 404, "Customer not found")
    assert Message.objects.count() == 0


@pytest.mark.parametrize("method", ["put", "patch"])
def test_it_updates_the_given_fields_alone(api, customer, no_wait, method):
    order = api.post("/api/orders/", json=LAPTOP).json()
    address = f"/api/orders/{order['id']}/"
    changed = getattr(api, method)(address, json={"item": "Updated Item Name", "amount": 1499.99})
    assert changed.status_code == 200
    assert changed.json()["item"] == "Updated Item Name"
    assert getattr(api, method)(address, json={"amount": 7}).json()["amount"] == "7.00"
    assert api.get(address).json() == {**changed.json(), "amount": "7.00"}
    assert refused(getattr(api, method)(address, json={}), 400, "No field to update was given.")
    assert getattr(api, method)(address, json={"customer_code": "X"}).json()["error"] == "Unknown field: customer_code"


def test_it_deletes_an_order_once_and_cancels_its_queued_sms(api, customer, no_wait):
    order = api.post("/api/orders/", json=LAPTOP).json()
    address = f"/api/orders/{order['id']}/"
    assert api.delete(address).status_code == 204
    assert refused(api.delete(address), 404, "Order not found")
    assert refused(api.get(address), 404, "Order not found")
    message = Message.objects.get()
    assert (message.state, message.order_id, message.phone_number) == ("cancelled", None, "+254712345678")


@pytest.mark.parametrize("state", ["accepted", "undelivered", "rejected", "expired", "cancelled"])
def test_the_sms_of_a_deleted_order_is_not_sent_again(api, customer, no_wait, state):
    orders = [api.post("/api/orders/", json=LAPTOP).json() for _ in range(2)]
    Message.objects.update(state=state, due_at=None)
    assert api.delete(f"/api/orders/{orders[0]['id']}/").status_code == 204
    call_command("sms", "resend", "--state", state, "--yes")
    assert {message.order_id: message.state for message in Message.objects.all()} == {
        None: state,
        UUID(orders[1]["id"]): "queued",
    }


def test_it_keeps_a_sent_sms_as_evidence_when_the_customer_is_deleted(api, customer, worker):
    assert api.post("/api/orders/", json=LAPTOP).json()["sms_sent"]
    assert api.delete(f"/api/customers/{customer['id']}/").status_code == 204
    assert api.get("/api/orders/").json() == []
    assert Message.objects.get().state == "accepted"


def test_it_lists_the_orders_of_one_customer_by_code_and_by_id(api, customer, no_wait):
    jane = {"code": "CUST002", "name": "Jane", "phone_number": "+254712345679"}
    api.post("/api/customers/", json=jane)
    first = api.post("/api/orders/", json=LAPTOP).json()["id"]
    api.post("/api/orders/", json={**LAPTOP, "customer_code": "CUST002"})
    second = api.post("/api/orders/", json=LAPTOP).json()["id"]
    by_code = api.get("/api/orders/by-customer/", params={"customer_code": "CUST001"}).json()
    assert [order["id"] for order in by_code] == [second, first]
    assert api.get(f"/api/orders/customer/{customer['id']}/").json() == by_code
    assert len(api.get("/api/orders/").json()) == 3


def test_it_answers_404_for_the_orders_of_an_unknown_customer(api):
    for code in ("NOBODY", "a\x00b"):
        answer = api.get("/api/orders/by-customer/", params={"customer_code": code})
        assert refused(answer, 404, "Customer not found")
    assert refused(api.get("/api/orders/by-customer/"), 400, "Missing required parameter: customer_code")
    for name in (uuid4(), "none"):
        assert refused(api.get(f"/api/orders/customer/{name}/"), 404, "Customer not found")
        assert refused(api.get(f"/api/orders/{name}/"), 404, "Order not found")
        assert refused(api.put(f"/api/orders/{name}/", json={"item": "I"}), 404, "Order not found")


@pytest.mark.parametrize("path", ["", "by-customer/?customer_code=C", f"customer/{NO_ID}/", f"{NO_ID}/"])
def test_it_lets_nobody_in_without_a_token(stranger, path):
    answer = stranger.get(f"/api/orders/{path}")
    assert answer.status_code == 401
    assert answer.json() == {"detail": "Authentication credentials were not provided."}


def test_it_sends_a_path_without_its_last_slash_there(api, customer):
    answer = api.get("/api/orders/by-customer?customer_code=CUST001", allow_redirects=False)
    assert (answer.status_code, answer.headers["Location"]) == (308, "/api/orders/by-customer/?customer_code=CUST001")
    assert refused(api.get("/api/nothing"), 404, "Not found")
    assert refused(api.get("/api/nothing/"), 404, "Not found")


def test_it_places_many_orders_at_once_and_each_sms_goes_once(live_server, token, customer, worker, stand_in):
    answers: list[requests.Response] = []

    def place():
        with Api(live_server.url, token) as session:
            answers.append(session.post("/api/orders/", json=LAPTOP))

    threads = [threading.Thread(target=place) for _ in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [answer.status_code for answer in answers] == [201] * 12
    assert eventually(lambda: Message.objects.filter(state="accepted").count() == 12)
    assert len(stand_in.ledger("+254712345678")) == 12
