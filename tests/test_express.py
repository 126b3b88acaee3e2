"""The express lane answers as Django's way does, and leaves to it whatever is no plain success."""

import http.client
import threading
from collections import OrderedDict
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from socketserver import ThreadingMixIn
from uuid import uuid4
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

import psycopg
import pytest
from django.core.wsgi import get_wsgi_application
from django.db import OperationalError, connection
from django.utils import timezone
from oauth2_provider.models import AccessToken

from accounts import bearer
from conftest import Api, eventually, refused
from orders.models import Order
from savannah import express
from savannah.sql import conninfo

ORDER = {"customer_code": "CUST001", "item": "Kettle", "amount": 5}
HUGE = '{"customer_code": "CUST001", "item": "Kettle", "amount": 1e99999999999999999999}'
VIEWERS = """;
INSERT INTO auth_user_groups (user_id, group_id)
SELECT u.id, g.id FROM auth_user u, auth_group g WHERE g.name = 'viewer'
"""
# What differs from one answer to the next, and what the servers add.
OWN = ("X-Request-ID", "Date", "Server", "Connection")


class Threads(ThreadingMixIn, WSGIServer):
    daemon_threads = True


class Quiet(WSGIRequestHandler):
    def log_message(self, *_):
        pass


@pytest.fixture
def djangos_way(live_server, token):
    """The same service without the lane."""
    with make_server("localhost", 0, get_wsgi_application(), Threads, Quiet) as server:
        threading.Thread(target=server.serve_forever).start()
        with Api(f"http://localhost:{server.server_port}", token) as session:
            yield session
        server.shutdown()


@pytest.fixture
def taken(monkeypatch):
    """What the lane has answered: the status of each, None for what it left to Django."""
    statuses = []

    def noted(environ):
        answer = real(environ)
        statuses.append(answer and answer.status)
        return answer

    real = express._answer
    monkeypatch.setattr(express, "_answer", noted)
    return statuses


def shown(answer):
    return answer.status_code, {name: value for name, value in answer.headers.items() if name not in OWN}, answer.json()


@pytest.fixture(autouse=True)
def no_wait(settings):
    settings.SMS_WAIT_SECONDS = 0.0


@pytest.fixture
def order(api, customer):
    return api.post("/api/orders/", json=ORDER).json()


def test_a_document_is_the_same_both_ways(api, djangos_way, customer, order, taken):
    for address in (f"/api/orders/{order['id']}/", f"/api/customers/{customer['id']}/"):
        assert shown(api.get(address)) == shown(djangos_way.get(address))
    assert taken == [200, 200]


@pytest.mark.usefixtures("customer")
@pytest.mark.parametrize("headers", [{}, {"Prefer": "respond-async"}])
def test_an_order_is_placed_the_same_both_ways(api, djangos_way, taken, headers):
    placed = [shown(session.post("/api/orders/", json=ORDER, headers=headers)) for session in (api, djangos_way)]
    assert taken == [201]
    for _, kept, body in placed:
        kept.pop("Content-Length")
        for name in ("id", "order_time", "created_at"):
            body.pop(name)
    assert placed[0] == placed[1]
    assert placed[0][0] == 201


def test_the_id_of_the_request_is_the_clients(api, order):
    answer = api.get(f"/api/orders/{order['id']}/", headers={"X-Request-ID": "till-7"})
    assert answer.headers["X-Request-ID"] == "till-7"
    placed = api.post("/api/orders/", json=ORDER, headers={"X-Request-ID": "till-8"})
    assert placed.headers["X-Request-ID"] == "till-8"
    with connection.cursor() as cursor:
        cursor.execute("SELECT request_id FROM sms_messages WHERE order_id = %s", [placed.json()["id"]])
        assert cursor.fetchone() == ("till-8",)


def test_what_is_no_plain_success_goes_djangos_way(api, djangos_way, order, taken, token):
    address, strangers = f"/api/orders/{order['id']}/", {"Authorization": "Bearer none"}
    for method, path, options in (
        ("GET", f"/api/orders/{uuid4()}/", {}),
        ("GET", f"/api/customers/{uuid4()}/", {}),
        ("GET", address, {"headers": strangers}),
        ("GET", address, {"headers": {"Authorization": f"Basic {token}"}}),
        ("GET", address, {"headers": {"If-None-Match": api.get(address).headers["ETag"]}}),
        ("GET", address, {"headers": {"Host": "elsewhere.example"}}),
        ("GET", address, {"data": b"a body"}),
        ("HEAD", address, {}),
        ("POST", "/api/orders/", {"json": {**ORDER, "amount": 0}}),
        ("POST", "/api/orders/", {"data": HUGE, "headers": {"Content-Type": "application/json"}}),
        ("POST", "/api/orders/", {"json": {**ORDER, "customer_code": "NOBODY"}}),
        ("POST", "/api/orders/", {"data": "item=Kettle"}),
        ("POST", "/api/orders/", {"data": b"{", "headers": {"Content-Type": "application/json"}}),
        ("POST", "/api/orders/", {"json": {**ORDER, "item": "x" * 70_000}}),
        ("POST", "/api/orders/", {"json": ORDER, "headers": strangers}),
    ):
        taken.clear()
        answers = [session.request(method, path, **options) for session in (api, djangos_way)]
        assert taken == [None], (method, path, options)
        bodies = [{**answer.json(), "request_id": None} if answer.content else None for answer in answers]
        assert answers[0].status_code == answers[1].status_code
        assert bodies[0] == bodies[1]


def test_a_caller_without_the_right_gets_djangos_403(api, order, settings, taken):
    settings.DEFAULT_ROLE = ""
    taken.clear()
    refusals = [api.get(f"/api/orders/{order['id']}/"), api.post("/api/orders/", json=ORDER)]
    assert [answer.status_code for answer in refusals] == [403, 403]
    assert taken == [None, None]


@pytest.mark.parametrize(
    ("change", "status"),
    [
        ("UPDATE oauth2_provider_accesstoken SET expires = now()", 401),
        ("DELETE FROM oauth2_provider_accesstoken", 401),
        ("UPDATE auth_user SET is_active = false", 401),
        ("UPDATE oauth2_provider_accesstoken SET scope = 'openid orders:read'", 403),
        ("UPDATE auth_user SET is_superuser = false; DELETE FROM auth_user_groups" + VIEWERS, 403),
    ],
)
def test_an_order_of_a_caller_whom_the_process_knows_is_refused_as_soon_as_they_may_not(
    api, order, taken, change, status
):
    assert api.post("/api/orders/", json=ORDER).status_code == 201
    with connection.cursor() as cursor:
        cursor.execute(change)
    assert api.post("/api/orders/", json=ORDER).status_code == status
    assert taken == [201, None]
    assert Order.objects.count() == 2


def test_a_caller_who_may_do_more_than_before_is_let_in_at_once(api, customer, taken):
    scope = "UPDATE oauth2_provider_accesstoken SET scope = %s"
    for scopes, status in (("orders:read", 403), ("orders:write", 201), ("orders:read", 403)):
        with connection.cursor() as cursor:
            cursor.execute(scope, [scopes])
        assert api.post("/api/orders/", json=ORDER).status_code == status
    # A caller whose row has changed is looked up anew, and then the lane is theirs again.
    with connection.cursor() as cursor:
        cursor.execute(scope, ["orders:write"])
    assert [api.post("/api/orders/", json=ORDER).status_code for _ in range(2)] == [201, 201]
    assert taken[-1] == 201


def test_an_order_is_the_deed_of_its_caller_whoever_asked_before(live_server, token, api, customer, taken):
    assert api.post("/api/orders/", json=ORDER).status_code == 201
    # A connection of its own: in its thread, nobody has acted yet.
    with Api(live_server.url, token) as till:
        placed = till.post("/api/orders/", json=ORDER).json()
    assert taken[-1] == 201
    (entry,) = api.get("/api/audit/", params={"subject": "orders", "subject_id": placed["id"]}).json()
    assert (entry["action"], entry["actor"]) == ("insert", "amina")


@pytest.mark.usefixtures("order")
def test_an_order_for_a_customer_who_goes_meanwhile_is_a_404(api, taken):
    with ThreadPoolExecutor() as pool, psycopg.connect(conninfo("a test")) as other:
        other.execute("DELETE FROM customers")
        answer = pool.submit(api.post, "/api/orders/", json=ORDER)
        eventually(lambda: other.execute("SELECT FROM pg_locks WHERE NOT granted").fetchone() is not None)
        other.commit()
        assert refused(answer.result(), 404, "Customer not found")
    assert taken == [None]


def test_a_statement_that_would_not_look_at_the_caller_is_refused():
    for statement in ("WITH customer AS (SELECT 1) SELECT 1", "SELECT FROM bearer"):
        with pytest.raises(ValueError, match="run for anybody"):
            bearer.while_bearer(statement)


@pytest.mark.usefixtures("order")
def test_the_memory_of_callers_is_bounded(api, user, token, monkeypatch, taken):
    monkeypatch.setattr(bearer, "_seen", OrderedDict())
    monkeypatch.setattr(bearer, "MOST_SEEN", 1)
    AccessToken.objects.create(user=user, token="another", expires=timezone.now() + timedelta(hours=1), scope="openid")
    for given in ("another", token, "another"):
        headers = {"Authorization": f"Bearer {given}"}
        assert api.post("/api/orders/", json=ORDER, headers=headers).status_code == 201
    assert taken == [None, None, None]
    assert len(bearer._seen) == 1


def test_a_caller_who_asks_too_often_is_counted_once_a_request(api, order, settings):
    settings.API_REQUESTS_PER_MINUTE = 2
    statuses = [api.get(f"/api/orders/{order['id']}/").status_code for _ in range(3)]
    assert statuses == [200, 200, 429]


@pytest.mark.usefixtures("customer")
def test_a_failure_that_may_have_placed_the_order_is_no_reason_to_place_it_again(api, monkeypatch, caplog):
    asked = []

    def lost(**fields):
        asked.append(fields)
        raise OperationalError("the connection is lost")

    monkeypatch.setattr(express.placing, "place_order", lost)
    answer = api.post("/api/orders/", json=ORDER)
    assert (answer.status_code, answer.json()["error"]) == (500, "Failed to create order: Database connection error")
    assert len(asked) == 1
    # What the database says may hold values.
    assert "database failure: OperationalError" in caplog.text
    assert "the connection is lost" not in caplog.text


def test_a_body_that_ends_too_early_is_refused_and_places_nothing(service):
    token, printed = service.manage("token"), len(service.printed)
    client = http.client.HTTPConnection("localhost", service.port, timeout=60)
    client.putrequest("POST", "/api/orders/")
    for name, value in (
        ("Authorization", f"Bearer {token}"),
        ("Content-Type", "application/json"),
        ("Content-Length", "400"),
    ):
        client.putheader(name, value)
    client.endheaders(b'{"customer_code": "HALF"')
    client.close()
    with Api(service.url, token) as session:
        assert session.get("/api/orders/").status_code == 200
    assert "Traceback" not in service.printed[printed:]
