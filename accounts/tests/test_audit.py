"""The audit: what happened, who did it, and that nobody can change or delete an entry."""

import re
from datetime import timedelta

import pytest
from django.contrib.auth.models import Group, User
from django.db import DatabaseError, connection, transaction
from django.utils import timezone
from oauth2_provider.models import AccessToken

from accounts import upkeep
from accounts.clients import Registration, register
from accounts.tests.browser import PASSWORD
from conftest import Api, refused
from savannah.sql import fetch_value

JANE = {"code": "CUST002", "name": "Jane", "phone_number": "+254712345679"}
AGED = """
INSERT INTO audit (at, action, subject)
SELECT now() - make_interval(days => age), 'aged', 'customers' FROM unnest(%(ages)s::int[]) age
"""


@pytest.fixture
def shop(live_server, user):
    """An application that acts for the user."""
    application, _ = register(Registration(name="Shop", redirect_uris=["https://shop.example/"]))
    expires = timezone.now() + timedelta(hours=1)
    AccessToken.objects.create(user=user, application=application, token="shop", scope="openid", expires=expires)
    with Api(live_server.url, "shop") as session:
        session.client_id = application.client_id
        yield session


def history(api, **asked) -> list[dict]:
    answer = api.get("/api/audit/", params=asked)
    assert answer.status_code == 200, answer.text
    return answer.json()


def short(entry: dict) -> tuple:
    return entry["action"], entry["before"], entry["after"]


def test_it_tells_who_changed_a_customer_and_what_without_the_whole_phone_number(api, user):
    customer = api.post("/api/customers/", json=JANE).json()
    address = f"/api/customers/{customer['id']}/"
    api.put(address, json={"name": "Jane Doe", "phone_number": "+254712345678"})
    api.put(address, json={"name": "Jane Doe"})
    api.delete(address)
    entries = history(api, subject="customers", subject_id=customer["id"])
    assert [short(entry) for entry in entries] == [
        ("delete", {"code": "CUST002", "name": "Jane Doe", "phone_number": "+2547*****678"}, None),
        (
            "update",
            {"name": "Jane", "phone_number": "+2547*****679"},
            {"name": "Jane Doe", "phone_number": "+2547*****678"},
        ),
        ("insert", None, {"code": "CUST002", "name": "Jane", "phone_number": "+2547*****679"}),
    ]
    assert {(entry["actor"], entry["actor_id"], entry["client"]) for entry in entries} == {("amina", user.pk, None)}
    assert all(entry["at"].endswith("Z") for entry in entries)


def test_it_tells_of_orders_and_of_those_that_went_with_their_customer(api, customer, settings):
    settings.SMS_WAIT_SECONDS = 0.0
    order = api.post("/api/orders/", json={"customer_code": "CUST001", "item": "Laptop", "amount": 5}).json()
    api.put(f"/api/orders/{order['id']}/", json={"amount": 7})
    api.delete(f"/api/customers/{customer['id']}/")
    entries = history(api, subject="orders", subject_id=order["id"])
    assert [entry["action"] for entry in entries] == ["delete", "update", "insert"]
    assert (entries[1]["before"], entries[1]["after"]) == ({"amount": 5.0}, {"amount": 7.0})
    assert entries[2]["after"].items() >= {"item": "Laptop", "customer_id": customer["id"]}.items()
    assert {entry["actor"] for entry in entries} == {"amina"}
    assert entries[0] in history(api, actor="amina")


def test_it_tells_which_application_it_was(api, shop):
    customer = shop.post("/api/customers/", json=JANE).json()
    (entry,) = history(api, subject="customers", subject_id=customer["id"])
    assert entry["client"] == shop.client_id


def test_it_shows_no_secret_of_an_application_or_a_user(api):
    other = User.objects.create(username="juma", password="!")
    application, secret = register(Registration(name="Shop", redirect_uris=["https://shop.example/"]))
    application.client_secret = "another secret"
    application.save()
    other.set_password("another password")
    other.save()
    entries = history(api, subject="applications", subject_id=str(application.pk))
    assert short(entries[0]) == ("update", {"client_secret": "***"}, {"client_secret": "***"})
    assert entries[1]["after"].items() >= {"name": "Shop", "client_secret": "***"}.items()
    assert secret not in str(entries)
    changed = history(api, subject="auth_user", subject_id=str(other.pk))[0]
    assert short(changed) == ("update", {"password": "***"}, {"password": "***"})
    # Nobody was signed in: a shell, with the database's own user.
    assert changed["actor"].startswith("database user ")


def test_it_tells_which_role_was_given_and_taken(api, user):
    clerk = Group.objects.get(name="clerk")
    user.groups.add(clerk, Group.objects.get(name="manager"))
    user.groups.remove(clerk)
    entries = history(api, subject="auth_user", subject_id=str(user.pk))
    assert short(entries[0]) == ("revoke", {"role": "clerk"}, None)
    assert ("grant", None, {"role": "clerk"}) in map(short, entries)
    view_order = clerk.permissions.get(codename="view_order")
    clerk.permissions.remove(view_order)
    user.user_permissions.add(view_order)
    (lost, *_) = history(api, subject="auth_group", subject_id=str(clerk.pk))
    assert short(lost) == ("revoke", {"right": "orders.view_order"}, None)
    (given, *_) = history(api, subject="auth_user", subject_id=str(user.pk))
    assert short(given) == ("grant", None, {"right": "orders.view_order"})


def test_it_is_for_managers_newest_first(api, user, stranger):
    assert stranger.get("/api/audit/").status_code == 401
    ids = [entry["id"] for entry in history(api)]
    assert ids == sorted(ids, reverse=True)
    assert len(ids) > 1
    assert history(api, subject="nothing") == []
    for wrong in ({"actor": "\x00"}, {"limit": "0"}, {"limit": "all"}, {"cursor": "x"}, {"colour": "red"}):
        assert api.get("/api/audit/", params=wrong).status_code == 400
    user.groups.set([Group.objects.get(name="clerk")])
    answer = api.get("/api/audit/")
    sentence = "You need the right accounts.view_auditentry, and your role does not give it."
    assert refused(answer, 403, sentence)


def test_it_comes_in_pages_when_asked_to(api):
    for number in range(5):
        api.post("/api/customers/", json={**JANE, "code": f"C{number}"})
    path, pages = "/api/audit/?subject=customers&actor=amina&limit=2", []
    while len(pages) < 3:
        answer = api.get(path)
        pages.append([(entry["after"] or {}).get("code") for entry in answer.json()])
        path = answer.links["next"]["url"].removeprefix(api.url)
    assert pages[:2] == [["C4", "C3"], ["C2", "C1"]]
    assert pages[2][0] == "C0"
    end = api.get("/api/audit/?subject=nothing&limit=2")
    assert (end.json(), end.links) == ([], {})


@pytest.mark.django_db
@pytest.mark.parametrize("deed", ["UPDATE audit SET actor = 'nobody'", "DELETE FROM audit", "TRUNCATE audit"])
def test_nobody_changes_it(deed):
    with pytest.raises(DatabaseError, match="append-only"), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(deed)


@pytest.mark.parametrize(("days", "left"), [(0, 26), (3, 2), (9, 26)])
def test_it_is_kept_for_as_long_as_the_operator_says(transactional_db, settings, monkeypatch, days, left):
    monkeypatch.setattr(upkeep, "FORGET_AT_ONCE", 10)
    settings.AUDIT_KEEP_DAYS = days
    with connection.cursor() as cursor:
        cursor.execute("SELECT audit_forget('-1 day', 1000000)")  # what other tests left
        cursor.execute(AGED, {"ages": [5] * 24 + [1, 0]})
        upkeep.forget_audit()
        assert cursor.execute("SELECT count(*) FROM audit WHERE action = 'aged'").fetchone() == (left,)
        # Neither after that nor later in its transaction.
        with transaction.atomic():
            upkeep.forget_audit()
            with pytest.raises(DatabaseError, match="append-only"), transaction.atomic():
                cursor.execute("DELETE FROM audit WHERE action = 'aged'")
        with pytest.raises(DatabaseError, match="append-only"):
            cursor.execute("DELETE FROM audit WHERE action = 'aged'")


def test_nobodys_name_sticks_to_a_connection(api):
    api.post("/api/customers/", json=JANE)
    assert not fetch_value("SELECT current_setting('savannah.actor', true)")


def test_it_notes_sign_ins_and_what_is_done_on_pages(people, provider, browser, as_operator):
    as_operator(f'User.objects.create_superuser("auditor", "a@example.com", "{PASSWORD}")')
    form = browser.open("/accounts/login/?next=/admin/accounts/auditentry/")
    browser.submit(form, username="auditor", password="wrong")
    browser.submit(form, username="correct horse battery", password="auditor")
    page = browser.submit(form, username="auditor", password=PASSWORD)
    assert "sign_in_failed" in page.text
    assert "correct horse battery" not in page.text
    form = browser.open("/admin/auth/group/add/")
    token = re.search(r'name="csrfmiddlewaretoken" value="([^"]*)"', form.text)[1]
    browser.post(form.url, {"name": "cashier", "csrfmiddlewaretoken": token}, headers={"Referer": form.url})
    token = people.manage("token", "--user", "auditor")
    entries = provider.get("/api/audit/", token).json()
    (made,) = [entry for entry in entries if entry["after"] == {"name": "cashier"}]
    assert (made["actor"], made["action"], made["subject"]) == ("auditor", "insert", "auth_group")
    signed = [entry for entry in entries if entry["action"].startswith("sign_in")][:3]
    assert [entry["actor"] for entry in signed] == ["auditor", None, None]
    assert [entry["action"] for entry in signed] == ["sign_in", "sign_in_failed", "sign_in_failed"]
    assert [entry["after"] for entry in signed] == [
        {"username": "auditor", "address": "127.0.0.1"},
        {"address": "127.0.0.1"},
        {"username": "auditor", "address": "127.0.0.1"},
    ]
    entry = browser.open(f"/admin/accounts/auditentry/{made['id']}/change/")
    assert "cashier" in entry.text
    assert 'name="_save"' not in entry.text
    for path in ("add/", f"{made['id']}/delete/"):
        assert browser.open(f"/admin/accounts/auditentry/{path}").status_code == 403
