"""The specification, example by example: what docs/specification.md shows is what the running service answers."""

import json
import os
import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from uuid import UUID, uuid4

import psycopg
import pytest
import requests
from django.conf import settings
from django.core.management import get_commands
from django.db import connection

from accounts.tests.browser import CALLBACK, PASSWORD, Browser, landed, register
from conftest import ROOT, Api, Service, eventually
from tests import specification

EXAMPLES = {example.title: example for example in specification.examples()}
ERRORS = specification.error_examples()
CUSTOMER = EXAMPLES["Create Customer"].answer
ORDER = EXAMPLES["List All Orders"].answer[0]
# What an endpoint answers where the document shows nothing.
UNDERSTOOD = {
    "Update Customer": {**CUSTOMER, **EXAMPLES["Update Customer"].body},
    "Get Order Details": ORDER,
    "Update Order": {**ORDER, "item": "Updated Item Name", "amount": "1499.99"},
    "Get Orders by Customer (Query Parameter)": [ORDER],
    "Get Orders by Customer (URL Parameter)": [ORDER],
}
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z")
MAKE_JOHN = f"""
from django.contrib.auth.models import User
User.objects.create_user("johndoe", "user@example.com", "{PASSWORD}", first_name="John", last_name="Doe")
"""

FORGET_THE_APPLICATION = """
from accounts.management.commands.setup_oauth import DEFAULT_NAME
from accounts.models import Application
Application.objects.filter(name=DEFAULT_NAME).delete()
"""


def assert_as_shown(shown, answer):
    """The same keys in the same order, others only after them; the same types and values, ids and times excepted."""
    if isinstance(shown, dict):
        assert list(answer)[: len(shown)] == list(shown)
        for name, value in shown.items():
            assert_as_shown(value, answer[name])
    elif isinstance(shown, list) and isinstance(shown[0], dict):
        assert_as_shown(shown[0], answer[0])
    elif _is_uuid(shown):
        assert _is_uuid(answer)
    elif isinstance(shown, str) and TIME.fullmatch(shown):
        assert TIME.fullmatch(answer)
    else:
        assert (type(answer), answer) == (type(shown), shown)


def _is_uuid(value):
    try:
        return str(UUID(value)) == value
    except (ValueError, AttributeError):
        return False


@pytest.fixture(scope="module")
def john(service: Service):
    """The user of the document's userinfo, as an API client."""
    service.manage("shell", "-c", MAKE_JOHN)
    with Api(service.url, service.manage("token", "--user", "johndoe")) as api:
        yield api


@pytest.fixture
def places(john):
    """The document's customer with the document's order: the ids that stand in paths. Nobody else has the codes."""
    taken = {CUSTOMER["code"], EXAMPLES["Update Customer"].body["code"]}
    for customer in john.get("/api/customers/").json():
        if customer["code"] in taken:
            john.delete(f"/api/customers/{customer['id']}/")
    customer = john.post("/api/customers/", json=EXAMPLES["Create Customer"].body).json()
    order = john.post("/api/orders/", json=EXAMPLES["Create Order"].body).json()
    return {"customer_id": customer["id"], "order_id": order["id"]}


@pytest.mark.parametrize("example", [example for example in EXAMPLES.values() if "/api/" in example.path], ids=str)
def test_it_answers_as_the_document_shows(example, john, places):
    if example.title == "Create Customer":
        john.delete(f"/api/customers/{places['customer_id']}/")
    answer = john.request(example.method, example.path.format(**places), json=example.body)
    assert answer.status_code == example.status
    shown = example.answer or UNDERSTOOD.get(example.title)
    if shown is None:
        assert answer.content == b""
    else:
        assert answer.headers["Content-Type"] == "application/json"
        assert_as_shown(shown, answer.json())


def test_the_example_sms_is_on_the_phone_to_the_letter(service, john, places):
    (example,) = [text.strip() for text in specification.blocks("") if text.startswith("Hello")]
    ledger = f"http://127.0.0.1:{service.sandbox_port}/control/ledger"

    def latest() -> str:
        entries = requests.get(ledger, params={"to": CUSTOMER["phone_number"]}, timeout=60).json()["entries"]
        return entries[-1]["text"] if entries else ""

    eventually(lambda: latest() == example)


def test_errors_have_the_documents_bodies(service, john, places):
    without_code = {name: value for name, value in EXAMPLES["Create Order"].body.items() if name != "customer_code"}
    unknown_customer = {**EXAMPLES["Create Order"].body, "customer_code": str(uuid4())}
    for status, answer in (
        (400, john.post("/api/orders/", json=without_code)),
        (404, john.post("/api/orders/", json=unknown_customer)),
        (404, john.get(f"/api/customers/{uuid4()}/")),
        (404, john.get(f"/api/orders/customer/{uuid4()}/")),
        (404, john.get(f"/api/orders/by-customer/?customer_code={uuid4()}")),
    ):
        assert answer.status_code == status
        assert_as_shown(ERRORS[status], answer.json())


@pytest.mark.parametrize("token", [None, "nonsense", "eyJ0eXAiOiJKV1QiLCJhbGciOiJIUzI1NiJ9.e30.AAAA"])
def test_every_endpoint_but_those_of_authentication_asks_for_a_token(service, token):
    with Api(service.url, token) as stranger:
        for example in EXAMPLES.values():
            if example.path.startswith("/api/") or example.title == "Get User Information":
                path = example.path.format(customer_id=uuid4(), order_id=uuid4())
                answer = stranger.request(example.method, path, json=example.body)
                assert (answer.status_code, answer.json()) == (401, ERRORS[401])


def test_a_database_that_is_away_is_the_documents_500_and_nothing_else(service, john, places):
    """One database of the server is closed to the service; when it opens again, so does the service."""
    socket_dir = Path(service.environment["SAVANNAH_DATA_DIR"], "postgres", "postmaster.pid").read_text().split("\n")[4]
    requests_to_make = {
        "create order": ("POST", "/api/orders/", EXAMPLES["Create Order"].body),
        "create customer": ("POST", "/api/customers/", EXAMPLES["Create Customer"].body),
        "list orders": ("GET", "/api/orders/", None),
        "delete order": ("DELETE", f"/api/orders/{places['order_id']}/", None),
    }

    def ask(method, path, body):
        return requests.request(method, service.url + path, json=body, headers=john.headers, timeout=60)

    with psycopg.connect(host=socket_dir, user="postgres", dbname="postgres", autocommit=True) as server:
        try:
            server.execute("ALTER DATABASE customer_order_db ALLOW_CONNECTIONS false")
            server.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = 'customer_order_db'")
            with ThreadPoolExecutor() as pool:
                readiness = pool.submit(ask, "GET", "/readyz", None)
                answers = list(pool.map(lambda request: ask(*request), requests_to_make.values()))
        finally:
            server.execute("ALTER DATABASE customer_order_db ALLOW_CONNECTIONS true")
    for action, answer in zip(requests_to_make, answers, strict=True):
        assert answer.status_code == 500
        shown = {"error": ERRORS[500]["error"].replace("create order", action)}
        assert_as_shown(shown, answer.json())
        for secret in ("psycopg", "SELECT", "INSERT", socket_dir, "postgres"):
            assert secret not in answer.text
    assert readiness.result().status_code == 503
    eventually(lambda: john.get(f"/api/orders/{places['order_id']}/").status_code == 200)
    eventually(lambda: john.post("/api/orders/", json=EXAMPLES["Create Order"].body).json().get("sms_sent"))


def test_discovery_is_the_documents_to_the_letter(stranger):
    answer = stranger.get(EXAMPLES["OpenID Connect Discovery"].path).json()
    shown = EXAMPLES["OpenID Connect Discovery"].answer
    ours = json.loads(json.dumps(shown).replace("http://localhost:8000", settings.PUBLIC_URL))
    assert_as_shown(ours, answer)


def test_keys_have_the_documents_fields(service):
    answer = requests.get(service.url + EXAMPLES["JWKS (JSON Web Key Set)"].path, timeout=60).json()
    (shown,) = EXAMPLES["JWKS (JSON Web Key Set)"].answer["keys"]
    for key in answer["keys"]:
        assert key.keys() >= shown.keys()
        assert (key["kty"], key["use"], key["e"]) == (shown["kty"], shown["use"], shown["e"])


def test_a_code_buys_the_documents_tokens_and_they_tell_who_signed_in(service, john):
    client = register(service, "Contract")
    scope = EXAMPLES["Token Exchange"].answer["scope"]
    with Browser(service) as browser:
        page = browser.open(
            EXAMPLES["OIDC Authorization"].path,
            params={
                "client_id": client.client_id,
                "response_type": "code",
                "scope": scope,
                "redirect_uri": CALLBACK,
                "state": "s1",
            },
        )
        called_back = landed(browser.submit(browser.sign_in(page, "johndoe"), allow="Authorize"))
    assert called_back["state"] == "s1"
    placeholders = {
        "<authorization_code>": called_back["code"],
        "<your_client_id>": client.client_id,
        "<your_client_secret>": client.secret,
        "<your_redirect_uri>": CALLBACK,
    }
    (form,) = [text for text in specification.blocks("") if text.startswith("grant_type")]
    fields = dict(line.split("=", 1) for line in form.split())
    tokens = requests.post(
        service.url + EXAMPLES["Token Exchange"].path,
        data={name: placeholders.get(value, value) for name, value in fields.items()},
        timeout=60,
    )
    assert tokens.status_code == 200
    shown, answer = EXAMPLES["Token Exchange"].answer, tokens.json()
    assert answer.keys() >= shown.keys()
    for name in ("token_type", "expires_in", "scope"):
        assert answer[name] == shown[name]
    for name in ("access_token", "id_token"):
        assert re.fullmatch(r"eyJ[\w-]+\.[\w-]+\.[\w-]+", answer[name])
    with Api(service.url, answer["access_token"]) as api:
        assert api.get("/api/customers/").status_code == 200
        claims = api.get(EXAMPLES["Get User Information"].path).json()
    assert claims["sub"]
    assert_as_shown({**EXAMPLES["Get User Information"].answer, "sub": claims["sub"]}, claims)


def test_setup_oauth_prints_the_documents_lines(service):
    (shown,) = [text for text in specification.blocks("text") if text.startswith("OAuth2 Application")]
    # A guide that was pasted before may have registered it.
    service.manage("shell", "-c", FORGET_THE_APPLICATION)
    printed = service.manage("setup_oauth").splitlines()
    for line, ours in zip(shown.splitlines(), printed, strict=True):
        label = line.split(":")[0]
        assert re.match(rf"{label}: \S{{40}}", ours) if label in {"Client ID", "Client Secret"} else ours == line


def test_tables_have_the_documents_columns(transactional_db):
    columns = """
        SELECT attname, format_type(atttypid, atttypmod), atthasdef, attnotnull FROM pg_attribute
        WHERE attrelid = %s::regclass AND attnum > 0 AND NOT attisdropped
    """
    with connection.cursor() as cursor:
        cursor.execute("CREATE SCHEMA shown; SET search_path TO shown")
        for statement in specification.blocks("sql"):
            cursor.execute(statement.replace("uuid_generate_v4", "gen_random_uuid"))
        cursor.execute("SET search_path TO public")
        for table in ("customers", "orders"):
            shown, ours = (
                {name: column for name, *column in cursor.execute(columns, [f"{schema}.{table}"]).fetchall()}
                for schema in ("shown", "public")
            )
            for name, (*type_and_default, not_null) in shown.items():
                assert ours[name][:-1] == type_and_default
                assert ours[name][-1] >= not_null
        cursor.execute("DROP SCHEMA shown CASCADE")


def test_tables_have_the_documents_keys(transactional_db):
    """A primary key, the unique code, and orders that go with their customer."""
    keys = """
        SELECT replace(pg_get_constraintdef(oid), 'shown.', '') FROM pg_constraint
        WHERE conrelid = %s::regclass AND contype IN ('p', 'u', 'f')
    """
    with connection.cursor() as cursor:
        cursor.execute("CREATE SCHEMA shown; SET search_path TO shown")
        for statement in specification.blocks("sql"):
            cursor.execute(statement.replace("uuid_generate_v4", "gen_random_uuid"))
        cursor.execute("SET search_path TO public")
        for table, number in (("customers", 2), ("orders", 2)):
            shown, ours = (
                {key for (key,) in cursor.execute(keys, [f"{schema}.{table}"]).fetchall()}
                for schema in ("shown", "public")
            )
            assert len(shown) == number
            assert shown <= ours
        cursor.execute("DROP SCHEMA shown CASCADE")


def test_every_variable_of_the_document_is_a_setting():
    text = (ROOT / "savannah" / "settings.py").read_text()
    for name in specification.variables() - {"DJANGO_SETTINGS_MODULE"}:
        assert f'("{name}"' in text


def test_every_command_of_the_document_finds_what_it_names():
    commands = specification.commands()
    managed = {line.split("manage.py ")[1].split()[0] for line in commands if "manage.py" in line}
    assert managed == {"createsuperuser", "setup_oauth", "runserver"}
    assert managed <= set(get_commands())
    for folder, path in (
        (".", "Docker/.env.example"),
        ("savannah_test", "requirements.txt"),
        ("savannah_test", "manage.py"),
        ("savannah_test", "../database/customer_order_db.sql"),
        (".", "customers/tests.py"),
    ):
        assert any(path in line for line in commands)
        assert (ROOT / folder / path).exists()


def test_what_the_document_installs_is_all_that_its_commands_need():
    """It installs savannah_test/requirements.txt, and then starts the service and runs the tests with coverage."""
    assert "pip install -r requirements.txt" in specification.commands()
    assert any("-m pytest --cov" in line for line in specification.commands())
    locked = (ROOT / "savannah_test" / "requirements.txt").read_text()
    service = re.findall(r"^[\w.-]+==\S+", (ROOT / "requirements.txt").read_text(), re.MULTILINE)
    assert service
    for package in (*service, "pytest==", "pytest-cov=="):
        assert f"\n{package}" in f"\n{locked}"


@pytest.mark.long
def test_the_documents_pytest_lines_collect_tests_with_their_own_settings():
    """Also in the shell that has exported the document's variables, as its reader's has."""
    exported = {"DJANGO_SETTINGS_MODULE": "savannah_test.settings"}
    for line in specification.commands():
        if line.startswith("python -m pytest customers"):
            done = subprocess.run(
                [sys.executable, *line.split()[1:], "--collect-only"],
                cwd=ROOT,
                env={**os.environ, **exported},
                capture_output=True,
                text=True,
                check=False,
            )
            assert done.returncode == 0, done.stdout
            assert "settings: tests.settings" in done.stdout
