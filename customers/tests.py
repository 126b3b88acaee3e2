"""The customer endpoints, over real HTTP against a real PostgreSQL."""

import re

import pytest

from conftest import refused
from customers.models import Customer
from customers.phones import to_e164

JOHN = {"code": "CUST001", "name": "John Doe", "phone_number": "+254712345678"}
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z")


def test_it_creates_a_customer_and_shows_it_everywhere_alike(api):
    answer = api.post("/api/customers/", json=JOHN)
    assert answer.status_code == 201
    body = answer.json()
    assert list(body) == ["id", "code", "name", "phone_number", "created_at", "updated_at"]
    assert body.items() >= JOHN.items()
    assert TIME.fullmatch(body["created_at"])
    assert TIME.fullmatch(body["updated_at"])
    assert api.get(f"/api/customers/{body['id']}/").json() == body
    assert api.get("/api/customers/").json() == [body]


def test_it_lists_nothing_as_an_empty_array(api):
    assert api.get("/api/customers/").json() == []


def test_it_lists_newest_first_across_pages(api):
    numbers = range(4001)
    Customer.objects.bulk_create(
        Customer(code=f"C{number}", name="N", phone_number="+254712345678") for number in numbers
    )
    customers = api.get("/api/customers/").json()
    assert len(customers) == len(numbers)
    order = [(customer["created_at"], customer["id"]) for customer in customers]
    assert order == sorted(order, reverse=True)
    assert {customer["code"] for customer in customers} == {f"C{number}" for number in numbers}


def test_it_stores_phone_numbers_as_e164(api):
    answer = api.post("/api/customers/", json={**JOHN, "phone_number": " +254 712 345-678 "})
    assert answer.json()["phone_number"] == "+254712345678"


@pytest.mark.parametrize(
    "phone",
    ["0712345678", "712345678", "+254712", "+999712345678", "+254712345678 ext. 3", "call me", "+", "+25471234567890"],
)
def test_it_refuses_what_is_no_international_phone_number(api, phone):
    answer = api.post("/api/customers/", json={**JOHN, "phone_number": phone})
    assert answer.status_code == 400
    assert answer.json()["error"].startswith("phone_number: must be a valid phone number in international format")
    assert to_e164(phone) is None


@pytest.mark.parametrize("field", ["code", "name", "phone_number"])
def test_it_names_the_missing_field(api, field):
    body = {name: value for name, value in JOHN.items() if name != field}
    answer = api.post("/api/customers/", json=body)
    assert refused(answer, 400, f"Missing required field: {field}", **{field: "This field is required."})


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"code": 7}, "code: must be a string."),
        ({"name": True}, "name: must be a string."),
        ({"name": None}, "name: must not be null."),
        ({"name": ["John"]}, "name: must be a string."),
        ({"code": "   "}, "code: must not be blank."),
        ({"code": "c" * 51}, "code: must have no more than 50 characters."),
        ({"name": "n" * 101}, "name: must have no more than 100 characters."),
        ({"name": "a\x00b"}, "name: NUL and lone surrogate characters are not allowed."),
        ({"name": "a\ud800b"}, "name: NUL and lone surrogate characters are not allowed."),
        ({"nickname": "Jo"}, "Unknown field: nickname"),
        ({"nick\x00": "Jo"}, "nick\\x00: NUL and lone surrogate characters are not allowed."),
    ],
)
def test_it_refuses_a_wrong_field_by_name(api, change, sentence):
    answer = api.post("/api/customers/", json={**JOHN, **change})
    assert (answer.status_code, answer.json()["error"]) == (400, sentence)
    assert list(answer.json()["fields"]) == [sentence.removeprefix("Unknown field: ").split(":")[0]]
    assert api.get("/api/customers/").json() == []


def test_it_names_each_field_at_fault_and_the_request(api):
    answer = api.post("/api/customers/", json={"code": "", "phone_number": "7"}, headers={"X-Request-ID": "till-4.71"})
    assert answer.headers["X-Request-ID"] == "till-4.71"
    phone = "must be a valid phone number in international format, such as +254712345678."
    faults = {"code": "must not be blank.", "name": "This field is required.", "phone_number": phone}
    assert refused(answer, 400, "code: must not be blank.", **faults)
    ids = {api.get("/api/nothing/", headers={"X-Request-ID": given}).json()["request_id"] for given in ("", "a b", "é")}
    assert len(ids - {"a b", "é"}) == 3


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        (b"{", "The request body is not valid JSON."),
        (b"[" * 20_000, "The request body is not valid JSON."),
        (b"\xff\xfe", "The request body is not UTF-8."),
        (b"[]", "The request body must be a JSON object."),
        (b'"text"', "The request body must be a JSON object."),
        (b'{"code": NaN}', "NaN is not a JSON number."),
        (b'{"code": "a", "code": "b"}', "The request body names a field twice."),
        (b'{"code": ' + b"1" * 101 + b"}", "The request body holds a number of more than 100 characters."),
    ],
)
def test_it_refuses_what_is_no_json_object(api, body, sentence):
    answer = api.post("/api/customers/", data=body, headers={"Content-Type": "application/json"})
    assert refused(answer, 400, sentence)


def test_it_takes_json_with_a_charset(api):
    headers = {"Content-Type": "application/json; charset=utf-8"}
    assert api.post("/api/customers/", data=b'{"code": "a"}', headers=headers).status_code == 400


def test_it_answers_415_to_other_media_types(api):
    answer = api.post("/api/customers/", data=JOHN)
    assert answer.status_code == 415
    assert "application/x-www-form-urlencoded" in answer.json()["error"]


def test_it_answers_413_to_a_body_that_is_too_large(api):
    answer = api.post("/api/customers/", json={**JOHN, "name": "n" * 70_000})
    assert refused(answer, 413, "The request body is too large.")


def test_it_answers_405_and_says_what_is_allowed(api):
    answer = api.delete("/api/customers/")
    assert answer.status_code == 405
    assert answer.headers["Allow"] == "GET, POST, HEAD, OPTIONS"
    assert refused(answer, 405, 'Method "DELETE" not allowed.')


def test_it_refuses_a_code_that_is_taken(api, customer):
    other = {**JOHN, "name": "Jane"}
    taken = "A customer with this code already exists"
    assert refused(api.post("/api/customers/", json=other), 400, taken, code=taken)
    second = api.post("/api/customers/", json={**JOHN, "code": "CUST002"}).json()
    answer = api.put(f"/api/customers/{second['id']}/", json={"code": "CUST001"})
    assert refused(answer, 400, taken, code=taken)


@pytest.mark.parametrize("method", ["put", "patch"])
def test_it_updates_the_given_fields_alone(api, customer, method):
    answer = getattr(api, method)(f"/api/customers/{customer['id']}/", json={"name": "John Doe Updated"})
    assert answer.status_code == 200
    body = answer.json()
    assert body == {**customer, "name": "John Doe Updated", "updated_at": body["updated_at"]}
    assert body["updated_at"] > customer["updated_at"]
    assert api.get(f"/api/customers/{customer['id']}/").json() == body


@pytest.mark.parametrize("method", ["put", "patch"])
def test_it_refuses_an_update_of_nothing(api, customer, method):
    answer = getattr(api, method)(f"/api/customers/{customer['id']}/", json={})
    assert refused(answer, 400, "No field to update was given.")


def test_it_deletes_a_customer_once(api, customer):
    address = f"/api/customers/{customer['id']}/"
    answer = api.delete(address)
    assert (answer.status_code, answer.content) == (204, b"")
    assert refused(api.delete(address), 404, "Customer not found")
    assert refused(api.get(address), 404, "Customer not found")


@pytest.mark.parametrize("name", ["0b6ff3c4-8f7f-4f9e-9d5e-6f0f2d1c7a11", "7", "not-a-uuid", "x" * 36, "%00"])
@pytest.mark.parametrize("method", ["get", "put", "patch", "delete"])
def test_it_answers_404_for_a_customer_that_is_not_there(api, method, name):
    body = {"json": {"name": "N"}} if method in {"put", "patch"} else {}
    assert refused(getattr(api, method)(f"/api/customers/{name}/", **body), 404, "Customer not found")


@pytest.mark.parametrize("method", ["get", "post"])
def test_it_lets_nobody_in_without_a_token(stranger, method):
    answer = getattr(stranger, method)("/api/customers/")
    assert answer.status_code == 401
    assert answer.json() == {"detail": "Authentication credentials were not provided."}
    assert answer.headers["WWW-Authenticate"].startswith("Bearer")
