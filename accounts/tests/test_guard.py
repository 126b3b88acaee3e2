"""Protection: waits for those who guess passwords, security headers, and the deletion of expired data."""

import re
import subprocess
import sys
from contextlib import closing
from datetime import timedelta
from http.client import HTTPConnection

import psycopg
import pytest
from django.contrib.auth import get_user_model
from django.core.management import call_command
from django.db import connection
from django.utils import timezone
from oauth2_provider.models import AccessToken, DeviceGrant

from accounts.tests.browser import PASSWORD
from conftest import ROOT, eventually
from savannah import processes
from savannah.secrets import read_or_create_rsa_key, read_or_create_secret_key, rotate_rsa_key
from savannah.sql import conninfo
from savannah.tree import Program, child_of


@pytest.fixture
def person(transactional_db):
    return get_user_model().objects.create_user("kamau", password=PASSWORD)


def sign_in(stranger, username, password):
    page = stranger.get("/accounts/login/")
    form = {"csrfmiddlewaretoken": stranger.cookies["csrftoken"], "username": username, "password": password}
    return stranger.post("/accounts/login/", data=form, headers={"Referer": page.url}, allow_redirects=False)


def test_a_refusal_is_short_and_does_not_say_whether_there_is_such_a_user(stranger, person):
    get_user_model().objects.create_user("gone", password=PASSWORD, is_active=False)
    refusals = {
        re.search(r'id="fault" role="alert">\s*(.*?)\s*</p>', sign_in(stranger, *given).text).group(1)
        for given in (("kamau", "guess"), ("nobody", "guess"), ("gone", PASSWORD))
    }
    assert refusals == {"That user name and password do not go together. Capital letters count."}


def test_who_guesses_a_password_waits_and_others_do_not(stranger, person):
    get_user_model().objects.create_user("wanjiru", password=PASSWORD)
    for _ in range(4):
        assert sign_in(stranger, "kamau", "guess").status_code == 200
    for password in ("guess", "guess", PASSWORD):
        answer = sign_in(stranger, "kamau", password)
        assert answer.status_code == 429
        assert answer.headers["Retry-After"] == "900"
        assert "Too many wrong passwords" in answer.text
        assert "sessionid" not in stranger.cookies
    assert sign_in(stranger, "wanjiru", PASSWORD).status_code == 302


def test_a_right_password_makes_up_for_the_wrong_ones_before(stranger, person):
    for _ in range(2):
        statuses = [sign_in(stranger, "kamau", password).status_code for password in ("a", "b", "c", PASSWORD)]
        assert statuses == [200, 200, 200, 302]


@pytest.mark.usefixtures("clean_throttles")
def test_who_tries_many_names_from_one_address_waits(stranger, settings):
    settings.SIGN_INS_PER_MINUTE = 3
    answers = [sign_in(stranger, f"name{number}", "guess").status_code for number in range(5)]
    assert answers == [200, 200, 200, 429, 429]


@pytest.mark.usefixtures("clean_throttles")
def test_who_tries_one_name_from_many_addresses_waits(stranger, person, settings):
    settings.SIGN_INS_PER_MINUTE, settings.TRUSTED_PROXIES = 3, 1
    for number in range(5):
        stranger.headers["X-Forwarded-For"] = f"41.90.1.{number}" if number % 2 else f"2001:db8:0:{number}::1"
        assert sign_in(stranger, "kamau", "guess").status_code == (200 if number < 3 else 429)
    assert sign_in(stranger, "wanjiru", "guess").status_code == 200


@pytest.mark.usefixtures("clean_throttles")
def test_what_is_typed_as_a_name_is_not_among_what_is_counted(stranger):
    sign_in(stranger, "a-password-in-the-wrong-field", "x")
    with connection.cursor() as cursor:
        keys = str(cursor.execute("SELECT key FROM throttles").fetchall())
    assert "sign-in as " in keys
    assert "wrong-field" not in keys


@pytest.mark.usefixtures("clean_throttles")
def test_who_tries_one_name_from_each_address_of_a_network_waits(stranger, person, settings):
    settings.TRUSTED_PROXIES = 1
    for number in range(6):
        stranger.headers["X-Forwarded-For"] = f"2001:db8::{number}"
        assert sign_in(stranger, "kamau", "guess").status_code == (200 if number < 4 else 429)


def test_a_wrong_password_is_in_no_log(stranger, person, caplog):
    for _ in range(6):
        sign_in(stranger, "kamau", "hunter2-hunter2")
    sign_in(stranger, "a-password-in-the-wrong-field", "x")
    assert "somebody at 127.0.0.1" in caplog.text
    for secret in ("hunter2", "wrong-field"):
        assert secret not in caplog.text


def test_what_the_first_start_makes_up_is_for_its_owner_alone(tmp_path):
    read_or_create_secret_key(tmp_path)
    read_or_create_rsa_key(tmp_path)
    rotate_rsa_key(tmp_path, keep=1)
    assert {file.stat().st_mode & 0o777 for file in tmp_path.iterdir()} == {0o600}


@pytest.mark.parametrize(
    ("path", "policy"),
    [
        ("/accounts/login/", "default-src 'none'"),
        ("/nothing/", "default-src 'self'"),
        ("/api/customers/", "default-src 'none'"),
        ("/o/.well-known/openid-configuration", "default-src 'none'"),
    ],
)
def test_every_answer_tells_browsers_what_they_may_do(stranger, path, policy):
    headers = stranger.get(path).headers
    assert headers["Content-Security-Policy"].startswith(policy)
    assert "frame-ancestors 'none'" in headers["Content-Security-Policy"]
    assert headers["X-Frame-Options"] == "DENY"
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Referrer-Policy"] == "same-origin"
    assert "camera=()" in headers["Permissions-Policy"]


@pytest.mark.parametrize("path", ["/api/customers/", "/nothing/"])
def test_who_is_refused_before_the_body_was_looked_at_keeps_the_connection(service, path):
    with closing(HTTPConnection("127.0.0.1", service.port, timeout=60)) as connection:
        connection.connect()
        one = connection.sock
        for _ in range(60):
            connection.request("POST", path, b" " * 5000, {"Content-Type": "application/json"})
            answer = connection.getresponse()
            assert answer.read()
            assert answer.status in {401, 404}
            assert connection.sock is one


@pytest.mark.parametrize("public_url", ["http://localhost:8000", "https://shop.example"])
def test_djangos_own_deployment_check_has_nothing_to_say(tmp_path, public_url):
    command = [sys.executable, "manage.py", "check", "--deploy", "--fail-level", "WARNING"]
    environment = {"SAVANNAH_DATA_DIR": str(tmp_path), "PUBLIC_URL": public_url}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


# Of each kind, one thing of this age; and a throttle that is still due.
AGED = """
WITH noted AS (
    INSERT INTO audit (at, action, subject) VALUES (now() - %(age)s::interval, 'aged', 'customers')
), answered AS (
    INSERT INTO idempotency_keys (caller, operation, key, fingerprint, created_at)
    VALUES (%(age)s::text, 'POST /', 'k', 'f', now() - %(age)s::interval)
)
INSERT INTO throttles
VALUES ('aged ' || %(age)s::text, now() - %(age)s::interval), ('aged', now() + interval '1 hour')
ON CONFLICT DO NOTHING
"""


def test_upkeep_deletes_what_is_over_and_nothing_else(user, token, settings):
    now = timezone.now()
    AccessToken.objects.create(user=user, token="old", scope="profile", expires=now - timedelta(hours=1))
    for code, age in (("long", 2), ("just", 0)):
        DeviceGrant.objects.create(device_code=code, client_id="x", expires=now - timedelta(hours=age))
    settings.AUDIT_KEEP_DAYS = 30
    with connection.cursor() as cursor:
        for age in ("2 hours", "40 days"):
            cursor.execute(AGED, {"age": age})
    call_command("upkeep")
    with connection.cursor() as cursor:
        for table in (
            "idempotency_keys WHERE key = 'k'",
            "throttles WHERE key LIKE 'aged%'",
            "audit WHERE action = 'aged'",
        ):
            assert cursor.execute(f"SELECT count(*) FROM {table}").fetchone() == (1,), table
    assert AccessToken.objects.count() == 1
    assert DeviceGrant.objects.get().device_code == "just"


def test_of_two_that_do_the_upkeep_at_once_one_leaves_it_to_the_other(transactional_db, capsys):
    with psycopg.connect(conninfo("test"), autocommit=True) as other:
        other.execute("SELECT pg_advisory_lock(hashtextextended('upkeep', 0))")
        call_command("upkeep")
        assert capsys.readouterr().out == "Another process is at it.\n"
    eventually(lambda: call_command("upkeep") or "forget_old" in capsys.readouterr().out)


def test_upkeep_is_started_again_and_again(tmp_path, settings):
    (started,) = processes.upkeep()
    assert started.command[-1] == "upkeep"
    settings.UPKEEP_SECONDS = 0
    assert processes.upkeep() == []
    trace = tmp_path / "trace"
    command = [sys.executable, "-c", f"open({str(trace)!r}, 'a').write('x'); raise SystemExit(1)"]
    child = child_of(Program("trace", command, 1, interval=0.05))
    child.start()
    try:
        eventually(lambda: child.keep_alive() or (trace.exists() and len(trace.read_text()) >= 2))
    finally:
        child.end()
