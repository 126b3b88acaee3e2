"""Conditional requests (RFC 9110, section 13): nobody overwrites what they have not seen."""

from concurrent.futures import ThreadPoolExecutor

import psycopg
import pytest

from conftest import Api, eventually, refused
from savannah.sql import conninfo
from sms.models import Message

CHANGED = "It has changed since you read it: read it again."


@pytest.fixture
def order(api, customer, settings):
    settings.SMS_WAIT_SECONDS = 0.0
    return api.post("/api/orders/", json={"customer_code": "CUST001", "item": "Kettle", "amount": 5}).json()


@pytest.fixture(params=["customers", "orders"])
def thing(request, customer, order):
    """The address of a customer or an order, and a field of it that a clerk may change."""
    row, field = {"customers": (customer, "name"), "orders": (order, "item")}[request.param]
    return f"/api/{request.param}/{row['id']}/", field


def test_who_has_it_already_is_told_so(api, thing):
    address, field = thing
    answer = api.get(address)
    etag = answer.headers["ETag"]
    for known in (etag, f'"x", {etag}', f"W/{etag}", "*"):
        again = api.get(address, headers={"If-None-Match": known})
        assert (again.status_code, again.content, again.headers["ETag"]) == (304, b"", etag)
        assert "Content-Type" not in again.headers, "a cache would take it for that of what it has"
    assert api.get(address, headers={"If-None-Match": '"x"'}).json() == answer.json()
    assert api.head(address, headers={"If-None-Match": etag}).status_code == 304
    changed = api.put(address, json={field: "New"})
    assert changed.headers["ETag"] != etag
    fresh = api.get(address, headers={"If-None-Match": etag})
    assert (fresh.status_code, fresh.headers["ETag"]) == (200, changed.headers["ETag"])


def test_what_has_no_body_has_no_length_either(service):
    with Api(service.url, service.manage("token")) as api:
        john = {"code": "304", "name": "John", "phone_number": "+254712345678"}
        address = f"/api/customers/{api.post('/api/customers/', json=john).json()['id']}/"
        known = api.get(address, headers={"If-None-Match": "*"})
        deleted = api.delete(address)
    assert (known.status_code, deleted.status_code) == (304, 204)
    assert not [answer for answer in (known, deleted) if "Content-Length" in answer.headers]


def test_a_change_of_what_was_not_seen_is_refused(api, thing):
    address, field = thing
    etag = api.get(address).headers["ETag"]
    newer = api.put(address, json={field: "First"}, headers={"If-Match": etag})
    assert newer.status_code == 200
    for refusal in (
        api.put(address, json={field: "Second"}, headers={"If-Match": etag}),
        api.patch(address, json={field: "Second"}, headers={"If-Match": f'W/{newer.headers["ETag"]}, "x"'}),
        api.delete(address, headers={"If-Match": "nonsense"}),
    ):
        assert refused(refusal, 412, CHANGED)
    assert api.get(address).json()[field] == "First"
    assert api.patch(address, json={field: "Third"}, headers={"If-Match": "*"}).status_code == 200
    etag = api.get(address).headers["ETag"]
    assert api.delete(address, headers={"If-Match": f'"x", {etag}'}).status_code == 204
    assert api.delete(address, headers={"If-Match": etag}).status_code == 404
    assert api.put(address, json={field: "Fourth"}, headers={"If-Match": etag}).status_code == 404


def test_of_clerks_who_change_the_same_version_at_once_one_wins(live_server, token, api, thing):
    address, field = thing
    etag = api.get(address).headers["ETag"]

    def change(name):
        with Api(live_server.url, token) as clerk:
            return clerk.put(address, json={field: name}, headers={"If-Match": etag}).status_code

    with ThreadPoolExecutor(8) as clerks:
        statuses = sorted(clerks.map(change, map(str, range(8))))
    assert statuses == [200] + [412] * 7


def test_the_way_of_the_sms_changes_what_is_shown_and_stops_no_clerk(api, order):
    address = f"/api/orders/{order['id']}/"
    etag = api.get(address).headers["ETag"]
    Message.objects.update(state="accepted")
    assert api.get(address, headers={"If-None-Match": etag}).status_code == 200
    assert api.put(address, json={"amount": 6}, headers={"If-Match": etag}).status_code == 200


@pytest.mark.parametrize("method", ["PUT", "DELETE"])
def test_who_comes_second_to_a_deletion_finds_nothing(live_server, token, thing, method):
    """Without If-Match there is no precondition that could fail."""
    address, field = thing
    table, id_ = address.strip("/").split("/")[1:]
    with psycopg.connect(conninfo("a test"), autocommit=False) as other, ThreadPoolExecutor() as pool:
        other.execute(f"DELETE FROM {table} WHERE id = %s", [id_])
        with Api(live_server.url, token) as api:
            late = pool.submit(api.request, method, address, json={field: "Late"} if method == "PUT" else None)
            eventually(lambda: other.execute("SELECT FROM pg_locks WHERE NOT granted").fetchone() is not None)
            other.commit()
            assert late.result().status_code == 404
