"""Idempotency-Key: asked twice, done once, and answered the same."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
import requests
from django.contrib.auth.models import User
from django.db import connection, transaction
from django.utils import timezone
from oauth2_provider.models import AccessToken

from accounts.models import Application
from conftest import Api, eventually, refused
from orders.models import Order
from savannah.idempotency import Key, claim, forget_old, remember, settle
from sms.models import Message

LAPTOP = {"customer_code": "CUST001", "item": "Laptop Computer", "amount": 1299.99}
KEY = {"Idempotency-Key": "8e03978e-40d5-43dd-bc93-6894a57f9324"}


@pytest.fixture
def no_wait(settings):
    settings.SMS_WAIT_SECONDS = 0.0


def age_keys(interval):
    with connection.cursor() as cursor:
        cursor.execute("UPDATE idempotency_keys SET created_at = created_at - %s::interval", [interval])


def test_the_same_key_gives_the_same_answer_and_one_order(api, customer, no_wait):
    first = api.post("/api/orders/", json=LAPTOP, headers=KEY)
    Message.objects.update(state="accepted")
    again = api.post("/api/orders/", json={**LAPTOP, "amount": "1299.99"}, headers=KEY)
    assert (first.status_code, again.status_code) == (201, 201)
    assert again.content == first.content
    assert "Idempotency-Replayed" not in first.headers
    assert again.headers["Idempotency-Replayed"] == "true"
    assert (Order.objects.count(), Message.objects.count()) == (1, 1)
    reused = api.post("/api/orders/", json={**LAPTOP, "item": "Mouse"}, headers=KEY)
    assert refused(reused, 422, "This Idempotency-Key was used with another request body.")
    assert api.post("/api/orders/", json=LAPTOP, headers={"Idempotency-Key": "another"}).json() != first.json()


def test_customers_have_keys_of_their_own(api, customer):
    jane = {"code": "CUST002", "name": "Jane", "phone_number": "+254712345679"}
    first, again = (api.post("/api/customers/", json=jane, headers=KEY) for _ in range(2))
    assert (first.status_code, again.status_code, again.content) == (201, 201, first.content)
    assert again.headers["Idempotency-Replayed"] == "true"
    assert refused(
        api.post("/api/customers/", json={**jane, "name": "J"}, headers=KEY),
        422,
        "This Idempotency-Key was used with another request body.",
    )
    assert api.post("/api/orders/", json=LAPTOP, headers={**KEY, "Prefer": "respond-async"}).status_code == 201


def test_a_key_is_one_user_s_by_one_application(live_server, api, customer, no_wait, user):
    other = User.objects.create(username="juma", password="!")
    applications = [
        Application.objects.create(
            name=name, client_type="confidential", authorization_grant_type="client-credentials", user=user
        )
        for name in ("Till", "Shop")
    ]
    expires = timezone.now() + timedelta(hours=1)
    callers = [(user, None), (other, None), *((user, application) for application in applications)]
    # Another user by an application that has used the key, too.
    callers.append((other, applications[0]))
    placed = set()
    for number, (whose, application) in enumerate(callers):
        AccessToken.objects.create(
            user=whose, application=application, token=f"token{number}", expires=expires, scope="profile"
        )
        with Api(live_server.url, f"token{number}") as session:
            answer = session.post("/api/orders/", json=LAPTOP, headers=KEY)
            assert "Idempotency-Replayed" not in answer.headers
            placed.add(answer.json()["id"])
    assert len(placed) == Order.objects.count() == len(callers)


def test_the_first_who_knows_how_the_sms_went_settles_the_answer(transactional_db):
    key = Key(caller="1", operation="POST /", key="k", fingerprint="f")
    with transaction.atomic():
        assert claim(key) is None
        remember(key, status=201, body="pending", pending="00000000-0000-0000-0000-000000000001")
    assert (settle(key, "first"), settle(key, "second")) == ("first", "first")
    with transaction.atomic():
        earlier = claim(key)
    assert (earlier.body, earlier.pending) == ("first", None)


def test_what_failed_leaves_the_key_free(api, customer, no_wait):
    assert api.post("/api/orders/", json={**LAPTOP, "amount": 0}, headers=KEY).status_code == 400
    assert api.post("/api/orders/", json={**LAPTOP, "customer_code": "NOBODY"}, headers=KEY).status_code == 404
    assert api.post("/api/customers/", json={**customer_body(customer)}, headers=KEY).status_code == 400
    assert api.post("/api/orders/", json=LAPTOP, headers=KEY).status_code == 201
    for key in ("", "a b", "é", "k" * 256):
        answer = api.post("/api/orders/", json=LAPTOP, headers={"Idempotency-Key": key.encode()})
        assert refused(answer, 400, "Idempotency-Key must be 1 to 255 printable ASCII characters.")


def customer_body(customer):
    return {name: customer[name] for name in ("code", "name", "phone_number")}


def test_a_key_counts_for_a_day(api, customer, no_wait):
    first = api.post("/api/orders/", json=LAPTOP, headers=KEY).json()
    age_keys("23 hours")
    assert api.post("/api/orders/", json=LAPTOP, headers=KEY).json() == first
    forget_old()
    assert api.post("/api/orders/", json=LAPTOP, headers=KEY).json() == first
    age_keys("2 hours")
    mouse = [api.post("/api/orders/", json={**LAPTOP, "item": "Mouse"}, headers=KEY).json() for _ in range(2)]
    # From then on it is as good as a new one.
    assert (mouse[0]["item"], mouse[1]) == ("Mouse", mouse[0])
    age_keys("25 hours")
    assert forget_old() >= 1
    assert forget_old() == 0


def test_an_answer_whose_process_died_in_its_wait_is_settled_by_who_asks_next(api, customer, no_wait, settings):
    first = api.post("/api/orders/", json=LAPTOP, headers=KEY).json()
    # For so long, and a little longer, a pending answer is its own process's to settle.
    settings.SMS_WAIT_SECONDS = 30.0
    with connection.cursor() as cursor:
        order = "left(body, position(', \"sms_sent\"' in body) - 1) || '}'"
        cursor.execute(f"UPDATE idempotency_keys SET body = {order}, pending = (SELECT id FROM sms_messages)")
    answer = api.post("/api/orders/", json=LAPTOP, headers=KEY)
    assert refused(answer, 409, "A request with this Idempotency-Key is being answered: try again.")
    assert answer.headers["Retry-After"] == "1"
    age_keys("1 minute")
    Message.objects.update(state="accepted")
    for state in ("accepted", "delivered"):
        again = api.post("/api/orders/", json=LAPTOP, headers=KEY).json()
        assert again == {**first, "sms_sent": True, "sms_status": "accepted"}
        assert state
        Message.objects.update(state="delivered")


def test_fifty_parallel_posts_with_one_key_make_one_order_and_one_sms(service):
    """Against the whole service: several connections, a real worker, a real wait; and after it has been killed."""
    token = service.manage("token")
    with Api(service.url, token) as api:
        body = {"code": "FIFTY", "name": "Fifty", "phone_number": "+254712345650"}
        assert api.post("/api/customers/", json=body).status_code == 201
        order = {**LAPTOP, "customer_code": "FIFTY"}

        def place(_):
            with Api(service.url, token) as till:
                # A busy machine may read no more of them at once (503): a client asks again.
                while (answer := till.post("/api/orders/", json=order, headers=KEY)).status_code == 503:
                    pass
                return answer

        with ThreadPoolExecutor(50) as tills:
            answers = list(tills.map(place, range(50)))
        placed = {answer.content for answer in answers if answer.status_code == 201}
        assert len(placed) == 1
        assert {answer.status_code for answer in answers} <= {201, 409}
        (row,) = api.get("/api/orders/?customer_code=FIFTY").json()
        assert row["item"] == LAPTOP["item"]
        # A moment after it is accepted, it is delivered.
        address = f"/api/orders/{row['id']}/"
        eventually(lambda: api.get(address).json()["sms_status"] in {"accepted", "delivered"})
        ledger, phone = f"http://127.0.0.1:{service.sandbox_port}/control/ledger", {"to": body["phone_number"]}
        assert len(requests.get(ledger, params=phone, timeout=60).json()["entries"]) == 1
        assert api.post("/api/orders/", json=order, headers=KEY).content in placed
