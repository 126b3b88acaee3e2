"""Uploads of customers and orders: CSV and NDJSON, streamed, judged row by row, stored in one transaction."""

import gzip
import io
import json
import re
from concurrent.futures import ThreadPoolExecutor

import psycopg
import pytest
from django.contrib.auth.models import Group
from django.core.management import CommandError, call_command
from django.db import connection

from conftest import Api, eventually, refused
from customers.models import Customer
from orders.models import Order
from savannah.sql import conninfo
from sms.models import Message

CSV = {"Content-Type": "text/csv"}
NDJSON = {"Content-Type": "application/x-ndjson"}
PEOPLE = "code,name,phone_number\nA1,Amina,+254712345671\nA2,Brian,+254 712 345672\n"
ORDERS = 'customer_code,item,amount\nCUST001,Kettle,1500\nCUST001,"Cups, six",5.5\n'


def counts(answer):
    assert answer.status_code == 200, answer.text
    return tuple(answer.json()[name] for name in ("created", "updated", "unchanged", "refused"))


def faults(answer):
    return [(row["line"], row["field"], row["reason"]) for row in answer.json()["refusals"]]


def test_customers_come_as_csv_in_every_wrapping(api):
    path = "/api/customers/upload/"
    assert counts(api.post(path, data=PEOPLE, headers=CSV)) == (2, 0, 0, 0)
    assert counts(api.post(path, data=gzip.compress(PEOPLE.encode()), headers=CSV)) == (0, 0, 2, 0)
    for name, content in {
        "people.csv": PEOPLE.encode(),
        "people.csv.gz": gzip.compress(PEOPLE.encode()),
        "people.jsonl": b'{"code": "A1", "name": "Amina", "phone_number": "+254712345671"}\n\n',
        "excel.csv": ("\ufeff" + PEOPLE.replace(",", ";").replace("\n", "\r\n")).encode(),
    }.items():
        answer = api.post(path, files={"file": (name, content)})
        assert answer.json()["unchanged"] >= 1, (name, answer.text)
    assert [customer.phone_number for customer in Customer.objects.order_by("code")] == [
        "+254712345671",
        "+254712345672",
    ]
    listed = api.get("/api/customers/?format=csv").content
    assert counts(api.post(path, data=listed, headers=CSV)) == (0, 0, 2, 0)


def test_customers_are_updated_by_code_when_asked(api, user):
    path = "/api/customers/upload/"
    api.post(path, data=PEOPLE, headers=CSV)
    changed = PEOPLE.replace("Brian", "'=Brian()") + "A3,New,+254712345673\n"
    answer = api.post(path, data=changed, headers=CSV)
    assert answer.status_code == 400
    assert faults(answer) == [(3, "code", "A customer with this code already exists")]
    assert counts(api.post(f"{path}?on_conflict=update", data=changed, headers=CSV)) == (1, 1, 1, 0)
    assert Customer.objects.get(code="A2").name == "=Brian()"
    entries = api.get("/api/audit/", params={"subject": "customers"}).json()
    deeds = [(entry["action"], entry["actor"]) for entry in entries[:4]]
    assert sorted(deeds) == [*[("insert", "amina")] * 3, ("update", "amina")]
    user.groups.add(Group.objects.get(name="viewer"))
    assert api.post(path, data=PEOPLE, headers=CSV).status_code == 403
    adders = Group.objects.create(name="adders")
    adders.permissions.set(Group.objects.get(name="clerk").permissions.exclude(codename="change_customer"))
    user.groups.set([adders])
    answer = api.post(f"{path}?on_conflict=update", data=PEOPLE, headers=CSV)
    assert refused(answer, 403, "You need the right customers.change_customer, and your role does not give it.")


def test_customers_that_are_wrong_are_named_by_line_field_and_reason(api):
    table = (
        "phone_number,code,name\n"
        "0712345678,B1,National\n"
        "+254712345678,,Nameless\n"
        f"+254712345678,{'c' * 51},Long\n"
        "+254712345678,B2,\n"
        f"+254712345678,B3,{'n' * 101}\n"
        ",B4,Phoneless\n"
        "+254712345678,B5\n"
        "\n"
        "+254712345678,B6,First\n"
        "+254712345678,B6,Second\n"
        "+254712345678,B7,Nu\x00l\n"
    ).encode() + b"+254712345678,B8,\xff\n"
    answer = api.post("/api/customers/upload/", data=table, headers=CSV)
    assert answer.status_code == 400
    body = answer.json()
    assert body["error"] == "10 rows were refused, so nothing was stored; ?on_error=skip leaves such rows out."
    assert body["request_id"] == answer.headers["X-Request-ID"]
    assert (body["created"], body["refused"]) == (0, 10)
    rule = "must be a valid phone number in international format, such as +254712345678."
    expected = [
        (2, "phone_number", rule),
        (3, "code", "is missing."),
        (4, "code", "must have no more than 50 characters."),
        (5, "name", "is missing."),
        (6, "name", "must have no more than 100 characters."),
        (7, "phone_number", "is missing."),
        (8, None, "has 2 cells; the first line has 3."),
        (11, "code", "is in line 10 already."),
        (12, "name", "must be UTF-8 without NUL characters."),
        (13, "name", "must be UTF-8 without NUL characters."),
    ]
    assert faults(answer) == expected
    assert Customer.objects.count() == 0
    assert counts(api.post("/api/customers/upload/?on_error=skip", data=table, headers=CSV)) == (1, 0, 0, 10)
    assert Customer.objects.get().name == "First"


def _while_it_is_stored(live_server, token, path, data, meanwhile):
    """Upload while another connection has done `meanwhile` and not committed it; it commits when the upload waits."""
    with ThreadPoolExecutor() as pool, psycopg.connect(conninfo("a test")) as other, Api(live_server.url, token) as api:
        other.execute(meanwhile)
        answer = pool.submit(api.post, path, data=data, headers=CSV)
        eventually(lambda: other.execute("SELECT FROM pg_locks WHERE NOT granted").fetchone() is not None)
        other.commit()
        return answer.result()


TAKE = "INSERT INTO customers (code, name, phone_number) VALUES ('A2', '{}', '+254712345672')"


def test_a_code_that_is_taken_while_an_upload_is_stored_counts_as_what_it_is(api, live_server, token):
    path = "/api/customers/upload/"
    taken = [(3, "code", "A customer with this code already exists")]
    answer = _while_it_is_stored(live_server, token, path, PEOPLE, TAKE.format("Other"))
    assert (answer.status_code, faults(answer)) == (400, taken)
    assert list(Customer.objects.values_list("name", flat=True)) == ["Other"]
    Customer.objects.all().delete()
    answer = _while_it_is_stored(live_server, token, f"{path}?on_error=skip", PEOPLE, TAKE.format("Other"))
    assert (counts(answer), faults(answer)) == ((1, 0, 0, 1), taken)
    assert set(Customer.objects.values_list("name", flat=True)) == {"Amina", "Other"}
    Customer.objects.all().delete()
    answer = _while_it_is_stored(live_server, token, path, PEOPLE, TAKE.format("Brian"))
    assert counts(answer) == (1, 0, 1, 0)
    Customer.objects.all().delete()
    answer = _while_it_is_stored(live_server, token, f"{path}?on_conflict=update", PEOPLE, TAKE.format("Other"))
    assert counts(answer) == (1, 1, 0, 0)
    assert set(Customer.objects.values_list("name", flat=True)) == {"Amina", "Brian"}


def test_of_two_uploads_at_once_each_code_is_created_by_one(api, live_server, token):
    def upload(name):
        codes = [f"U{n}" for n in range(3000)]
        lines = [f"{code},{name},+254712345671" for code in (codes if name == "One" else reversed(codes))]
        with Api(live_server.url, token) as session:
            table = "\n".join(["code,name,phone_number", *lines])
            return session.post("/api/customers/upload/?on_error=skip", data=table, headers=CSV)

    with ThreadPoolExecutor(2) as pool:
        outcomes = [counts(answer) for answer in pool.map(upload, ["One", "Two"])]
    for created, updated, unchanged, refused_ in outcomes:
        assert (created + refused_, updated, unchanged) == (3000, 0, 0)
    assert sum(created for created, *_ in outcomes) == Customer.objects.count() == 3000


@pytest.mark.parametrize("held", ["", "LOCK TABLE orders IN SHARE MODE; "], ids=["late", "between"])
def test_orders_of_a_customer_who_goes_while_they_are_stored_are_refused(api, live_server, token, customer, held):
    answer = _while_it_is_stored(live_server, token, "/api/orders/upload/", ORDERS, f"{held}DELETE FROM customers")
    if held:
        gone = [(line, "customer_code", "Customer not found") for line in (2, 3)]
        assert (answer.status_code, faults(answer)) == (400, gone)
    else:
        assert refused(answer, 404, "Customer not found")
    assert Order.objects.count() == 0


def test_orders_come_with_their_sms_like_any_other(api, customer):
    assert counts(api.post("/api/orders/upload/", data=ORDERS, headers=CSV)) == (2, 0, 0, 0)
    bodies = set(Message.objects.filter(state="queued", phone_number="+254712345678").values_list("body", flat=True))
    assert "Hello John Doe! Your order for Cups, six worth KES 5.50 has been received. Thank you!" in bodies
    assert [order["sms_status"] for order in api.get("/api/orders/").json()] == ["queued"] * 2
    quoted = {"customer_code": "CUST001", "item": "“Best” tea", "amount": 9}
    assert counts(api.post("/api/orders/upload/", data=json.dumps(quoted), headers=NDJSON)) == (1, 0, 0, 0)
    assert 'for "Best" tea worth' in Message.objects.order_by("-created_at")[0].body
    lines = [
        {"customer_code": "CUST001", "item": "Old", "amount": 7, "order_time": "2020-01-02T03:04:05+03:00"},
        {"customer_code": "CUST001", "item": "Naïve", "amount": "8.25", "order_time": "2020-01-02"},
    ]
    text = "\n".join(map(json.dumps, lines))
    assert counts(api.post("/api/orders/upload/?notify=false", data=text, headers=NDJSON)) == (2, 0, 0, 0)
    assert Message.objects.count() == 3
    old = {order["item"]: order for order in api.get("/api/orders/?max_amount=8.25").json()}
    assert old["Old"]["order_time"] == "2020-01-02T00:04:05.000000Z"
    assert (old["Old"]["sms_status"], old["Naïve"]["amount"]) == (None, "8.25")
    listed = api.get("/api/orders/?format=ndjson").content
    assert counts(api.post("/api/orders/upload/?notify=false", data=listed, headers=NDJSON)) == (5, 0, 0, 0)


def test_orders_that_are_wrong_are_named_by_line_field_and_reason(api, customer):
    good = {"customer_code": "CUST001", "item": "I", "amount": 1}
    wrong = [
        ({"customer_code": "NOBODY"}, "customer_code", "Customer not found"),
        ({"customer_code": None}, "customer_code", "is missing."),
        ({"item": " "}, "item", "is missing."),
        ({"item": "i" * 201}, "item", "must have no more than 200 characters."),
        ({"item": 7}, "item", "must be a string."),
        ({"amount": None}, "amount", "is missing."),
        ({"amount": "ten"}, "amount", "must be a number."),
        ({"amount": "1e999"}, "amount", "must be a number."),
        ({"amount": True}, "amount", "must be a string."),
        ({"amount": -1}, "amount", "must be more than 0."),
        ({"amount": 1.999}, "amount", "must have at most two decimals."),
        ({"amount": 1e8}, "amount", "must be at most 99999999.99."),
        ({"order_time": "noon"}, "order_time", "must be a time such as 2025-09-20T11:00:00Z."),
        ({"colour": "red"}, "colour", "is unknown."),
    ]
    lines = [json.dumps({**good, **change}) for change, _, _ in wrong] + ["{", "[]", '{"item": NaN}', json.dumps(good)]
    body = "\n".join(lines).encode()
    answer = api.post("/api/orders/upload/", data=body, headers=NDJSON)
    assert answer.status_code == 400
    expected = [(number, field, reason) for number, (_, field, reason) in enumerate(wrong, 1)]
    reasons = ["The line is not valid JSON.", "The line must be a JSON object.", "NaN is not a JSON number."]
    expected += [(len(wrong) + number, None, reason) for number, reason in enumerate(reasons, 1)]
    assert faults(answer) == expected
    assert Order.objects.count() == 0
    assert counts(api.post("/api/orders/upload/?on_error=skip", data=body, headers=NDJSON)) == (1, 0, 0, len(expected))
    many = "customer_code,item,amount\n" + "CUST001,I,0\n" * 300
    answer = api.post("/api/orders/upload/?on_error=skip", data=many, headers=CSV)
    assert (answer.json()["refused"], len(answer.json()["refusals"])) == (300, 100)


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        (b"", "The first line names no column code."),
        (b"code,name\nA,B\n", "The first line names no column phone_number."),
        (b"code,name,phone_number,colour\n", "Unknown column: colour"),
        (b"code,name,phone_number,code\n", "The first line names the column code twice."),
        (b'code,name,phone_number\n"A"x,B,C\n', "Line 2 is not CSV: ',' expected after '\"'"),
        (b"code,name,phone_number\n" + b"x" * 300_000, "A line is longer than 262144 bytes."),
        (b"code,name,phone_number\n" + b"x" * 140_000, "Line 2 is not CSV: field larger than field limit (131072)"),
        (gzip.compress(PEOPLE.encode(), mtime=0)[:-9], "The gzip file is damaged."),
        (b"\x1f\x8bnonsense", "The gzip file is damaged."),
    ],
)
def test_a_file_that_cannot_be_read_is_refused_as_a_whole(api, body, sentence):
    assert refused(api.post("/api/customers/upload/", data=body, headers=CSV), 400, sentence)
    assert Customer.objects.count() == 0


def test_a_file_has_a_bound_and_a_type(api, settings):
    path = "/api/customers/upload/"
    answer = api.post(path, data="x", headers={"Content-Type": "application/xml"})
    assert answer.status_code == 415
    two = api.post(path, files=[("file", ("a.csv", PEOPLE)), ("file", ("b.csv", PEOPLE))])
    assert refused(two, 400, "Send one file; the multipart body has 2.")
    broken = api.post(path, data="x", headers={"Content-Type": "multipart/form-data"})
    assert broken.json()["error"].startswith("The multipart body cannot be read")
    assert refused(api.post(f"{path}?on_error=x", headers=CSV), 400, 'on_error: "x" is not a valid choice.',
                   on_error='"x" is not a valid choice.')  # fmt: skip
    settings.UPLOAD_MAX_BYTES = 1000
    long = PEOPLE + "\n" * 1000
    for body in (long.encode(), gzip.compress(long.encode())):
        assert refused(api.post(path, data=body, headers=CSV), 413, "The request body is too large.")


def test_an_upload_with_a_key_is_stored_once(api, customer):
    key = {**CSV, "Idempotency-Key": "orders-of-monday"}
    refusal = api.post("/api/orders/upload/", data=ORDERS + "NOBODY,I,1\n", headers=key)
    assert faults(refusal) == [(4, "customer_code", "Customer not found")]
    first, again = (api.post("/api/orders/upload/", data=ORDERS, headers=key) for _ in range(2))
    assert (again.content, again.headers["Idempotency-Replayed"]) == (first.content, "true")
    assert Order.objects.count() == 2
    assert api.post("/api/orders/upload/", data=ORDERS + "CUST001,I,1\n", headers=key).status_code == 422
    # No SMS is something else to ask for.
    assert api.post("/api/orders/upload/?notify=false", data=ORDERS, headers=key).status_code == 422
    assert api.post("/api/orders/upload/?notify=true", data=ORDERS, headers=key).content == first.content


def test_a_stream_of_unknown_length_is_taken_by_the_service(service):
    with Api(service.url, service.manage("token")) as api:
        lines = (f"S{n},N,+254712345678\n".encode() for n in range(5000))
        answer = api.post("/api/customers/upload/", data=iter([b"code,name,phone_number\n", *lines]), headers=CSV)
        assert counts(answer) == (5000, 0, 0, 0)
        assert answer.request.headers["Transfer-Encoding"] == "chunked"


def test_a_command_does_the_same_and_shows_how_far_it_is(transactional_db, tmp_path, capsys):
    people, orders = tmp_path / "people.csv.gz", tmp_path / "orders.jsonl"
    people.write_bytes(gzip.compress(PEOPLE.encode()))
    orders.write_text('{"customer_code": "A1", "item": "I", "amount": 1}\n{"customer_code": "A1"}\n[]\n')
    out, err = io.StringIO(), io.StringIO()
    call_command("import_customers", people, stdout=out)
    assert out.getvalue() == "2 created, 0 updated, 0 unchanged, 0 refused\n"
    assert re.search(r"100%\|.*\| 2 rows, [\d,]+/s, 00:00 left\nStoring", capsys.readouterr().err)
    with pytest.raises(CommandError, match="Nothing was stored"):
        call_command("import_orders", orders, stderr=err)
    assert err.getvalue() == "line 2, item: is missing.\nline 3: The line must be a JSON object.\n"
    assert Order.objects.count() == 0
    call_command("import_orders", orders, on_error="skip", notify=False, stdout=out, stderr=err)
    assert (Order.objects.count(), Message.objects.count()) == (1, 0)
    for path, sentence in ((tmp_path / "none.csv", "No such file"), (people.with_name("empty.csv"), "no column code")):
        people.with_name("empty.csv").touch()
        with pytest.raises(CommandError, match=sentence):
            call_command("import_customers", path)
    with connection.cursor() as cursor:
        cursor.execute("SELECT actor FROM audit WHERE subject = 'orders' ORDER BY id DESC LIMIT 1")
        assert cursor.fetchone() == ("database user postgres",)


def test_a_multipart_body_that_cannot_be_read_is_refused(api):
    path = "/api/customers/upload/"
    many = api.post(path, files=[("file", (f"{number}.csv", PEOPLE)) for number in range(101)])
    long = api.post(path, files={"file": ("a.csv", PEOPLE)}, data={"note": "x" * 3_000_000})
    for answer in (many, long):
        refused(answer, 400, "Send one file; the multipart body has too many parts, or one too long.")
    head = {"Content-Type": "multipart/form-data; boundary=B"}
    torn = api.post(path, headers=head, data="--B\r\nContent-Disposition: form-data; name*=utf-8''a; name*1=b\r\n\r\n")
    assert torn.status_code == 400
    assert torn.json()["error"].startswith("The multipart body cannot be read:")
    assert not Customer.objects.exists()


TIMED = "customer_code,item,amount,order_time\n"


@pytest.mark.parametrize("time", ["0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00"])
def test_a_time_that_is_none_in_utc_is_refused(api, customer, time):
    answer = api.post("/api/orders/upload/", data=f"{TIMED}CUST001,Tea,5,{time}\n", headers=CSV)
    assert faults(answer) == [(2, "order_time", "must be a time such as 2025-09-20T11:00:00Z.")]


def test_a_time_is_taken_in_any_zone(api, customer):
    rows = "CUST001,Tea,5,2025-01-02T00:00:00+23:59\nCUST001,Tea,5,2025-01-01T00:01:00.5\n"
    assert (
        counts(api.post("/api/orders/upload/", data=f"customer_code,item,amount,order_time\n{rows}", headers=CSV))[0]
        == 2
    )
    times = {order.order_time.isoformat() for order in Order.objects.all()}
    assert times == {"2025-01-01T00:01:00+00:00", "2025-01-01T00:01:00.500000+00:00"}
