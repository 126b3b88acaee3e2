"""Lists of customers and orders: pages, filters, sorts and shapes, over HTTP and by EXPLAIN."""

import csv
import io
import json
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import product
from uuid import UUID

import pytest
from django.db import connection, transaction
from rest_framework.request import Request
from rest_framework.test import APIRequestFactory

from conftest import refused
from customers.views import LISTING as CUSTOMER_LIST
from customers.views import QUERIES as CUSTOMERS
from orders.placing import QUERIES as ORDERS
from orders.views import LISTING as ORDER_LIST
from savannah import lists
from savannah.sql import fetch_value, only
from sms.models import Message
from tests.plans import explained

# 30 orders of three customers, a minute apart; every third has no SMS.
FEW = """
SET session_replication_role = replica;
INSERT INTO customers (code, name, phone_number, created_at)
SELECT 'C' || n, (ARRAY['Amina Otieno', 'Brian 50%% Off', 'Chloé_Wanjiru'])[n], '+25471234567' || n,
       '2026-01-01'::timestamptz + make_interval(mins => n)
FROM generate_series(1, 3) n;
INSERT INTO orders (customer_id, item, amount, created_at)
SELECT c.id, 'Item ' || n %% 5, n + 0.5, '2026-02-01'::timestamptz + make_interval(mins => n)
FROM generate_series(1, 30) n JOIN customers c ON c.code = 'C' || n %% 3 + 1;
INSERT INTO sms_messages (order_id, phone_number, body, created_at, state)
SELECT o.id, '+254712345678', 'B', o.created_at, CASE WHEN o.amount < 15 THEN 'accepted' ELSE 'queued' END
FROM orders o WHERE floor(o.amount)::int %% 3 > 0;
SET session_replication_role = DEFAULT;
"""


@pytest.fixture
def few(transactional_db):
    with connection.cursor() as cursor:
        cursor.execute(FEW, {})


def walk(api, path):
    """Follow Link from page to page; return the pages."""
    pages = []
    while path:
        answer = api.get(path)
        assert answer.status_code == 200, answer.text
        pages.append(answer.json())
        following = answer.links.get("next")
        assert "first" in answer.links
        path = following and following["url"].removeprefix(api.url)
    return pages


def amounts(rows):
    return [int(Decimal(row["amount"])) for row in rows]


def test_pages_hold_every_row_once_in_every_sort(api, few):
    for name, sorts in {
        "orders": ["", "-created_at", "created_at", "-amount", "amount"],
        "customers": ["", "-created_at", "created_at", "-code", "code", "-name", "name"],
    }.items():
        for sort in sorts:
            parameter = f"&sort={sort}" if sort else ""
            whole = api.get(f"/api/{name}/?{parameter}").json()
            pages = walk(api, f"/api/{name}/?limit=2{parameter}")
            assert [row for page in pages for row in page] == whole
            assert {len(page) for page in pages[:-1]} == {2}
            assert walk(api, f"/api/{name}/?limit=1000{parameter}") == [whole]
            field = sort.strip("-") or "created_at"
            values = [Decimal(row[field]) if field == "amount" else row[field] for row in whole]
            assert values == sorted(values, reverse=not sort or sort.startswith("-"))


def test_pages_of_the_size_that_plans_know_hold_every_row_once(api, transactional_db):
    with connection.cursor() as cursor:
        cursor.execute(MANY.replace("400", "250").replace("1, 50)", "1, 1)"), {})
    for name, keys in {"orders": ("created_at", "amount"), "customers": ("created_at", "code", "name")}.items():
        for sort in [sign + key for key in keys for sign in ("-", "")]:
            pages = walk(api, f"/api/{name}/?limit=100&sort={sort}")
            assert [len(page) for page in pages] == [100, 100, 50]
            assert [row for page in pages for row in page] == api.get(f"/api/{name}/?sort={sort}").json()


# Of 30 orders: a last page that is not full, one that is, and an empty one after the first.
@pytest.mark.usefixtures("few")
@pytest.mark.parametrize(("first", "others"), [(2, 3), (2, 4), (30, 7)])
@pytest.mark.parametrize("format_", ["json", "ndjson", "csv"])
def test_a_whole_list_is_the_same_however_it_is_read(api, monkeypatch, first, others, format_):
    whole = api.get(f"/api/orders/?format={format_}").text
    assert whole.count("Item") == 30
    monkeypatch.setattr(lists, "STREAMED_FIRST", first)
    monkeypatch.setattr(lists, "STREAMED", others)
    assert api.get(f"/api/orders/?format={format_}").text == whole


def test_filters_narrow_the_list_alone_and_together(api, few):
    def found(parameters, path=""):
        whole = api.get(f"/api/orders/{path}?{parameters}")
        assert whole.status_code == 200, whole.text
        assert [row for page in walk(api, f"/api/orders/{path}?{parameters}&limit=4") for row in page] == whole.json()
        return amounts(whole.json())

    assert found("customer_code=C2") == list(range(28, 0, -3))
    assert found("customer_code=NOBODY") == []
    assert found("min_amount=5&max_amount=8.5") == [8, 7, 6, 5]
    assert found("min_amount=5.5&max_amount=5.5") == [5]
    assert found("min_amount=28&sort=amount") == [28, 29, 30]
    assert found("since=2026-02-01T00:03:00Z&until=2026-02-01T03:05:00%2B03:00") == [4, 3]
    assert found("item=ITEM%200") == [30, 25, 20, 15, 10, 5]
    assert found("sms_status=accepted") == [14, 13, 11, 10, 8, 7, 5, 4, 2, 1]
    assert found("sms_status=accepted&since=2026-02-01T00:04:00Z&until=2026-02-01T00:08:00Z") == [7, 5, 4]
    assert found("sms_status=accepted&sort=created_at&customer_code=C2") == [1, 4, 7, 10, 13]
    assert found("sms_status=queued&sort=amount&item=item%204&since=2026-02-01") == [19, 29]
    assert found("customer_code=C2&min_amount=20", "by-customer/") == [28, 25, 22]
    customer = api.get("/api/customers/?search=C2").json()[0]
    assert found("sort=amount&max_amount=5", f"customer/{customer['id']}/") == [1, 4]


@pytest.fixture
def anywhere(transactional_db):
    """Whether this PostgreSQL has pg_trgm, and a search therefore finds any part and not beginnings alone."""
    return fetch_value(CUSTOMERS.can_search_anywhere)


def test_search_finds_customers_by_how_code_name_or_phone_begins(api, few, anywhere):
    def found(text):
        answer = api.get("/api/customers/", params={"search": text, "sort": "code"})
        return [customer["code"] for customer in answer.json()]

    assert found("c") == ["C1", "C2", "C3"]
    assert found("aMINA") == ["C1"]
    assert found("+254712345673") == ["C3"]
    assert found("brian 50%") == ["C2"]
    assert found("chloé_") == ["C3"]
    assert found("C\\") == found("nobody") == []
    parts = [found(text) for text in ("tieno", "45672", "%", "_", "C3 chlo")]
    assert parts == ([["C1"], ["C2"], ["C2"], ["C3"], ["C3"]] if anywhere else [[], [], [], [], []])


@pytest.mark.parametrize(
    ("parameters", "sentence"),
    [
        ("colour=red", "Unknown parameter: colour"),
        ("limit=0", "limit: Ensure this value is greater than or equal to 1."),
        ("limit=1001", "limit: Ensure this value is less than or equal to 1000."),
        ("limit=all", "limit: A valid integer is required."),
        ("limit=1&limit=2", "limit: is given twice."),
        ("sort=colour", 'sort: "colour" is not a valid choice.'),
        ("format=xml", 'format: "xml" is not a valid choice.'),
        ("cursor=x", "cursor: is none of this list's; take it from the Link header."),
        ("cursor=WyJhbW91bnQiLCIxIiwieCJd", "cursor: is none of this list's; take it from the Link header."),
    ],
)
def test_a_parameter_that_is_wrong_is_named(api, parameters, sentence):
    for name in ("customers", "orders"):
        answer = api.get(f"/api/{name}/?{parameters}")
        field, _, fault = sentence.partition(": ")
        if field == "Unknown parameter":
            field, fault = fault, "is unknown."
        assert refused(answer, 400, sentence, **{field: fault})


def test_a_cursor_is_good_for_its_own_sort_alone(api, few):
    following = api.get("/api/orders/?limit=2&sort=-amount").links["next"]["url"].removeprefix(api.url)
    assert api.get(following).status_code == 200
    for sort in ("amount", "created_at"):
        answer = api.get(following.replace("sort=-amount", f"sort={sort}"))
        assert answer.json()["error"] == "cursor: is none of this list's; take it from the Link header."


def test_all_parameters_at_fault_are_named(api):
    answer = api.get("/api/orders/?colour=red&size=9&limit=0&sort=colour&min_amount=x")
    assert answer.json()["error"] == "Unknown parameter: colour"
    assert list(answer.json()["fields"]) == ["colour", "size", "limit", "min_amount", "sort"]
    twice = api.get("/api/orders/?limit=1&limit=2&sort=amount&sort=-amount")
    assert list(twice.json()["fields"]) == ["limit", "sort"]


def test_a_filter_that_is_wrong_is_refused(api):
    for parameters in (
        "since=today",
        "min_amount=x",
        "sms_status=lost",
        "item=",
        "search=x",
        "item=%00",
        "until=9" * 9,
    ):
        assert api.get(f"/api/orders/?{parameters}").status_code == 400, parameters


def test_lists_come_as_csv_and_ndjson(api, few):
    api.post("/api/customers/", json={"code": "=1+1", "name": '@SUM(A1), "x"', "phone_number": "+254712345678"})
    api.post("/api/customers/", json={"code": "'-2", "name": "it's", "phone_number": "+254712345678"})
    formula = {"customer_code": "=1+1", "item": "-2+3", "amount": 1}
    assert api.post("/api/orders/", json=formula, headers={"Prefer": "respond-async"}).status_code == 201
    for name in ("customers", "orders"):
        whole = api.get(f"/api/{name}/").json()
        lines = api.get(f"/api/{name}/", headers={"Accept": "application/x-ndjson, application/json;q=0.5"})
        assert lines.headers["Content-Type"] == "application/x-ndjson"
        assert lines.headers["Vary"] == "Accept"
        assert [json.loads(line) for line in lines.text.splitlines()] == whole
        for table in (
            api.get(f"/api/{name}/?format=csv"),
            api.get(f"/api/{name}/", headers={"Accept": "text/html;q=x, text/csv"}),
        ):
            assert table.headers["Content-Type"].startswith("text/csv")
            assert table.headers["Content-Disposition"] == f'attachment; filename="{name}.csv"'
            rows = list(csv.DictReader(io.StringIO(table.content.decode(), newline="")))
            assert len(rows) == len(whole)
            for row, shown in zip(rows, whole, strict=True):
                assert list(row) == list(shown)
                assert {value.lstrip("'") for value in row.values()} == {(v or "").lstrip("'") for v in shown.values()}
    first, second = list(csv.DictReader(io.StringIO(api.get("/api/customers/?format=csv").text)))[:2]
    assert (first["code"], second["code"], second["name"]) == ("''-2", "'=1+1", '\'@SUM(A1), "x"')
    order = next(csv.DictReader(io.StringIO(api.get("/api/orders/?format=csv").text)))
    cells = [order[name] for name in ("item", "customer_code", "customer_name")]
    assert cells == ["'-2+3", "'=1+1", '\'@SUM(A1), "x"']
    page = api.get("/api/orders/?format=csv&limit=2")
    assert len(page.text.splitlines()) == 3
    assert "format=csv" in page.links["next"]["url"]
    assert api.get("/api/orders/?format=ndjson&item=none").text == ""
    assert api.get("/api/orders/?item=none").json() == []


# Truncated: what other tests have left in the tables' files, deleted, would make plans dearer.
MANY = """
SET session_replication_role = replica;
TRUNCATE customers CASCADE;
INSERT INTO customers (code, name, phone_number)
SELECT 'C' || n, 'N' || n, '+254712345678' FROM generate_series(1, 400) n;
INSERT INTO orders (customer_id, item, amount, created_at)
SELECT c.id, 'I' || n %% 50, n + 1, now() - make_interval(secs => n + substr(c.code, 2)::int / 1000.0)
FROM customers c, generate_series(1, 50) n;
INSERT INTO sms_messages (order_id, phone_number, body, created_at, state)
SELECT o.id, '+254712345678', 'B', o.created_at,
       CASE substr(c.code, 2)::int %% 10 WHEN 0 THEN 'queued' ELSE 'delivered' END
FROM orders o JOIN customers c ON c.id = o.customer_id;
SET session_replication_role = DEFAULT;
ANALYZE customers, orders, sms_messages;
"""
LIMIT = 100
NEW_YEAR = datetime(2026, 1, 1, tzinfo=UTC)

# Of 20,000 orders a twentieth are of one customer, and as many of one item; neither follows the time or the amount.
LOPSIDED = """
SET session_replication_role = replica;
TRUNCATE customers CASCADE;
INSERT INTO customers (code, name, phone_number)
SELECT 'C' || n, 'N' || n, '+254712345678' FROM generate_series(1, 400) n;
INSERT INTO orders (customer_id, item, amount, created_at)
SELECT c.id, 'I' || n %% 20, 1 + n * 7919 %% 10007, now() - make_interval(secs => n)
FROM generate_series(1, 20000) n
JOIN customers c ON c.code = 'C' || CASE n %% 21 WHEN 0 THEN 7 ELSE n %% 400 + 1 END;
INSERT INTO sms_messages (order_id, phone_number, body, created_at, state)
SELECT o.id, '+254712345678', 'B', o.created_at,
       CASE WHEN o.amount::int %% 11 = 0 THEN 'queued' ELSE 'delivered' END
FROM orders o;
SET session_replication_role = DEFAULT;
ANALYZE customers, orders, sms_messages;
"""
TIMES = ("since", "until")
AMOUNTS = ("min_amount", "max_amount")
WHOSE = ("customer_id", "item")
RANGES = [(), *((one,) for one in TIMES + AMOUNTS), TIMES, AMOUNTS, *product(TIMES, AMOUNTS), TIMES + AMOUNTS]
IN_TIME = ("-created_at", "created_at")
BY_AMOUNT = ("-amount", "amount")
# What has an index that knows all that is asked for.
KNOWN = [
    *product([*RANGES, *((one, *names) for one in WHOSE for names in RANGES)], IN_TIME + BY_AMOUNT),
    *product([("sms_status", *names) for names in ((), ("since",), ("until",), TIMES)], IN_TIME),
]
# What no index knows whole, and what a customer, an item or a state of these leaves at most.
HALF_KNOWN = [
    (("sms_status",), "amount"),
    (("sms_status",), "-amount"),
    *product([("customer_id", "item"), ("customer_id", "item", "since")], IN_TIME + BY_AMOUNT),
    *product([("sms_status", *names) for names in (("customer_id",), ("item",), AMOUNTS)], IN_TIME + BY_AMOUNT),
]
A_FILTER = 2000
# One more tells whether more follow, and a sort that goes on within equal times looks one further.
A_PAGE = LIMIT + 2


@pytest.fixture
def lopsided(transactional_db):
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(LOPSIDED, {})
        cursor.execute("SELECT id FROM customers WHERE code = 'C7'")
        (customer_id,) = cursor.fetchone()
        cursor.execute("SELECT now()")
        (now,) = cursor.fetchone()
        yield {
            "customer_id": customer_id,
            "since": now - timedelta(seconds=15_000),
            "until": now - timedelta(seconds=5_000),
            "min_amount": Decimal(2000),
            "max_amount": Decimal(8000),
            "item": "i7",
            "sms_status": "queued",
            "separator": ",",
            "limit": LIMIT,
            "most": LIMIT + 1,
            "id": UUID(int=2**127),
        }


def page_of(listing, names, sort, values):
    """The plan of a page, as the service has it planned."""
    asked = {"json", "paged", "short", sort, *names}
    text = only(listing.statement, frozenset(asked | listing.also(asked)))
    return explained(text, values, mode="force_generic_plan" if lists.ANY_VALUES in text else "force_custom_plan")


def rows_read(plan):
    """How many rows a plan read from the table that it read most of, those that it threw away included."""
    own = 0
    if "Relation Name" in plan:
        thrown_away = plan.get("Rows Removed by Filter", 0) + plan.get("Rows Removed by Index Recheck", 0)
        own = (plan["Actual Rows"] + thrown_away) * plan["Actual Loops"]
    if plan.get("Relation Name") == "customers" and plan["Actual Loops"] == 1 and plan["Actual Rows"] <= 400:
        own = 0  # the table of customers as the other side of a join
    return max(own, *(rows_read(part) for part in plan.get("Plans", [])), 0)


def test_a_page_reads_no_more_rows_than_it_returns(lopsided):
    keys = {
        "created_at": lopsided["until"] - timedelta(seconds=5000),
        "amount": Decimal(5000),
        "code": "C5",
        "name": "N5",
    }
    pages = [(ORDER_LIST, names, sort, A_PAGE) for names, sort in KNOWN]
    pages += [(ORDER_LIST, names, sort, A_FILTER) for names, sort in HALF_KNOWN]
    pages += [(CUSTOMER_LIST, (), sort, A_PAGE) for sort in CUSTOMER_LIST.sorts]
    for (listing, names, sort, most), after in product(pages, ((), ("after",))):
        plan = page_of(listing, (*names, *after), sort, {**lopsided, "key": keys[sort.strip("-")]})
        assert rows_read(plan) <= most, (names, sort, after, json.dumps(plan, indent=1))


@pytest.mark.parametrize(
    ("filters", "prepared"),
    [
        ({}, 1),
        # In time, one plan is the best for every range.
        ({"since": NEW_YEAR, "until": NEW_YEAR}, 1),
        ({"since": NEW_YEAR, "until": NEW_YEAR, "sort": "amount"}, 0),
        ({"since": NEW_YEAR, "until": NEW_YEAR, "item": "i7"}, 0),
    ],
)
def test_a_list_with_filters_is_planned_for_their_values(transactional_db, filters, prepared):
    connection.close()
    connection.close_pool()
    request = Request(APIRequestFactory().get("/api/orders/"))
    assert lists.answer_list(request, ORDER_LIST, {"limit": 10, **filters}).content == b"[]"
    pool = connection.pool
    held = [pool.getconn() for _ in range(pool.get_stats()["pool_size"])]
    counted = "SELECT count(*) FROM pg_prepared_statements WHERE statement LIKE '%order_document%'"
    try:
        assert sum(one.execute(counted).fetchone()[0] for one in held) == prepared
    finally:
        for one in held:
            pool.putconn(one)


def test_amounts_that_contradict_each_other_read_nothing(lopsided):
    crossed = {**lopsided, "min_amount": 8000, "max_amount": 2000}
    for whose, sort in product(((), *((one,) for one in WHOSE)), ORDER_LIST.sorts):
        assert rows_read(page_of(ORDER_LIST, (*whose, *AMOUNTS), sort, crossed)) <= 1, (whose, sort)


def test_search_is_answered_by_the_indexes_of_beginnings(transactional_db):
    with connection.cursor() as cursor:
        cursor.execute(MANY.replace("400", "20000").replace("1, 50)", "1, 1)"), {})
        text = only(CUSTOMERS.page_of_customers, frozenset(("json", "paged", "-created_at", "search")))
        cursor.execute(f"EXPLAIN {text}", {"separator": ",", "limit": 10, "most": 11, "search": "C777%"})
        plan = "\n".join(line for (line,) in cursor.fetchall())
    for index in ("customers_find_code", "customers_find_name", "customers_find_phone"):
        assert index in plan
    assert Message.objects.count() == 20_000


def test_search_for_any_part_is_answered_by_the_trigrams(anywhere):
    if not anywhere:
        pytest.skip("This PostgreSQL has no pg_trgm: beginnings are searched, as the other tests show.")
    with connection.cursor() as cursor:
        cursor.execute(MANY.replace("400", "20000").replace("1, 50)", "1, 1)"), {})
        cursor.execute("VACUUM customers")  # what waits to be sorted into the index makes it dear
        text = only(CUSTOMERS.page_of_customers, frozenset(("json", "paged", "-created_at", "search", "anywhere")))
        cursor.execute(f"EXPLAIN (ANALYZE) {text}", {"separator": ",", "limit": 10, "most": 11, "search": "%19777%"})
        plan = "\n".join(line for (line,) in cursor.fetchall())
    assert "customers_search_trigrams" in plan
    assert "Seq Scan on customers" not in plan


@pytest.mark.parametrize(
    ("statement", "filters"),
    [(ORDERS.page_of_orders, ()), (ORDERS.page_of_orders, ("until",)), (CUSTOMERS.page_of_customers, ())],
)
@pytest.mark.django_db(transaction=True)
def test_a_deep_page_is_not_planned_each_time(statement, filters):
    text = only(statement, frozenset(("json", "paged", "short", "-created_at", "after", *filters)))
    # A connection that no test before has asked the same: it would count those, too.
    connection.close()
    connection.close_pool()
    with connection.cursor() as cursor:
        cursor.execute(MANY.replace("400", "20000").replace("1, 50)", "1, 2)"), {})
        cursor.execute("UPDATE customers SET created_at = now() - make_interval(secs => substr(code, 2)::int)")
        cursor.execute("ANALYZE customers")
        cursor.execute("SELECT created_at, id FROM orders ORDER BY created_at OFFSET 20000 LIMIT 1")
        key, id_ = cursor.fetchone()
        values = {"separator": ",", "limit": LIMIT, "most": LIMIT + 1, "key": key, "id": id_, "until": key}
        for _ in range(10):
            assert connection.connection.fetch_text(text, values)[0]
        cursor.execute("SELECT custom_plans, generic_plans FROM pg_prepared_statements WHERE name LIKE 'row%%'")
        # PostgreSQL plans for the values five times, and then compares.
        assert (5, 5) in cursor.fetchall()
