"""What a role gives, what a scope takes away, and what a 403 says."""

import secrets
from datetime import timedelta
from uuid import uuid4

import pytest
from django.contrib.auth.models import Group, Permission, User
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from oauth2_provider.models import AccessToken

from accounts.models import Application
from accounts.tests.browser import register
from conftest import Api, refused

NOBODY = uuid4()
CUSTOMER = {"code": "CUST001", "name": "John Doe", "phone_number": "+254712345678"}
ORDER = {"customer_code": "NOBODY", "item": "Laptop Computer", "amount": 1299.99}
# Each request, the right that it needs, and the answer to a user who has it (404: there is no such row).
DEEDS = [
    ("GET", "/api/customers/", None, "customers.view_customer", 200),
    ("POST", "/api/customers/", CUSTOMER, "customers.add_customer", 201),
    ("GET", f"/api/customers/{NOBODY}/", None, "customers.view_customer", 404),
    ("PUT", f"/api/customers/{NOBODY}/", {"name": "N"}, "customers.change_customer", 404),
    ("PATCH", f"/api/customers/{NOBODY}/", {"name": "N"}, "customers.change_customer", 404),
    ("DELETE", f"/api/customers/{NOBODY}/", None, "customers.delete_customer", 404),
    ("GET", "/api/orders/", None, "orders.view_order", 200),
    ("POST", "/api/orders/", ORDER, "orders.add_order", 404),
    ("GET", "/api/orders/by-customer/?customer_code=NOBODY", None, "orders.view_order", 404),
    ("GET", f"/api/orders/customer/{NOBODY}/", None, "orders.view_order", 404),
    ("GET", f"/api/orders/{NOBODY}/", None, "orders.view_order", 404),
    ("PUT", f"/api/orders/{NOBODY}/", {"item": "I"}, "orders.change_order", 404),
    ("PATCH", f"/api/orders/{NOBODY}/", {"item": "I"}, "orders.change_order", 404),
    ("DELETE", f"/api/orders/{NOBODY}/", None, "orders.delete_order", 404),
]
ACTIONS = {"viewer": {"view"}, "clerk": {"view", "add", "change"}, "manager": {"view", "add", "change", "delete"}}


@pytest.fixture
def bearer(live_server, user):
    """Give a client with a token of the user (or of another one) for a scope."""
    sessions = []

    def give(scope: str = "openid profile email", *, of: User | None = user, application=None) -> Api:
        text = secrets.token_urlsafe(30)
        expires = timezone.now() + timedelta(hours=1)
        AccessToken.objects.create(user=of, token=text, expires=expires, scope=scope, application=application)
        sessions.append(Api(live_server.url, text))
        return sessions[-1]

    yield give
    for session in sessions:
        session.close()


def action_of(right: str) -> str:
    return right.split(".")[1].split("_", maxsplit=1)[0]


def scope_of(right: str) -> str:
    return f"{right.split('.', maxsplit=1)[0]}:{'read' if action_of(right) == 'view' else 'write'}"


@pytest.mark.parametrize("role", ["viewer", "clerk", "manager"])
def test_a_role_gives_its_rights_and_a_403_names_the_missing_one(bearer, user, role):
    user.groups.add(Group.objects.get(name=role))
    client = bearer()
    for method, path, body, right, status in DEEDS:
        answer = client.request(method, path, json=body)
        if action_of(right) in ACTIONS[role]:
            assert answer.status_code == status, (method, path, answer.text)
        else:
            sentence = f"You need the right {right}, and your role does not give it."
            assert refused(answer, 403, sentence)
            assert "WWW-Authenticate" not in answer.headers


@pytest.mark.parametrize(
    "scopes", ["customers:read", "openid customers:write", "orders:read", "orders:read orders:write"]
)
def test_a_token_with_api_scopes_is_limited_to_them_and_a_403_names_the_missing_one(bearer, scopes):
    client = bearer(scopes)
    for method, path, body, right, status in DEEDS:
        answer = client.request(method, path, json=body)
        scope = scope_of(right)
        if scope in scopes.split():
            assert answer.status_code == status, (method, path, answer.text)
        else:
            sentence = f"You need the scope {scope}, and this token does not have it."
            assert refused(answer, 403, sentence)
            challenge = f'Bearer realm="api", error="insufficient_scope", scope="{scope}", resource_metadata="http'
            assert answer.headers["WWW-Authenticate"].startswith(challenge)


def test_a_scope_gives_nobody_more_than_their_role(bearer, user):
    user.groups.add(Group.objects.get(name="viewer"))
    answer = bearer("orders:write").delete(f"/api/orders/{NOBODY}/")
    sentence = "You need the right orders.delete_order, and your role does not give it."
    assert refused(answer, 403, sentence)


@pytest.mark.parametrize(("default_role", "may"), [("manager", {"view", "delete"}), ("viewer", {"view"}), ("", set())])
def test_a_user_in_no_group_has_the_default_role(bearer, user, settings, default_role, may):
    settings.DEFAULT_ROLE = default_role
    client = bearer()
    assert client.get(f"/api/orders/{NOBODY}/").status_code == (404 if "view" in may else 403)
    assert client.delete(f"/api/orders/{NOBODY}/").status_code == (404 if "delete" in may else 403)
    # The pages go by the same rule.
    as_page_sees = User.objects.get(pk=user.pk)
    assert {action for action in ("view", "delete") if as_page_sees.has_perm(f"orders.{action}_order")} == may


def test_a_group_of_the_operators_own_and_a_right_of_ones_own_count_too(bearer, user):
    lookers = Group.objects.create(name="lookers")
    lookers.permissions.add(Permission.objects.get(codename="view_order"))
    user.groups.add(lookers)
    client = bearer()
    assert client.get(f"/api/orders/{NOBODY}/").status_code == 404
    assert client.delete(f"/api/orders/{NOBODY}/").status_code == 403
    user.user_permissions.add(Permission.objects.get(codename="delete_order"))
    assert client.delete(f"/api/orders/{NOBODY}/").status_code == 404
    assert User.objects.get(pk=user.pk).has_perm("orders.view_order")
    assert not User.objects.get(pk=user.pk).has_perm("orders.change_order")


def test_an_administrator_has_every_right_whatever_the_role(bearer, user):
    user.groups.add(Group.objects.get(name="viewer"))
    User.objects.filter(pk=user.pk).update(is_superuser=True)
    assert bearer().delete(f"/api/orders/{NOBODY}/").status_code == 404
    assert bearer("orders:read").delete(f"/api/orders/{NOBODY}/").status_code == 403


def test_an_application_that_is_registered_for_a_scope_does_not_get_past_it(bearer, user):
    application = Application.objects.create(
        name="Screen", client_type="confidential", authorization_grant_type="client-credentials", user=user,
        allowed_scopes="profile orders:read",
    )  # fmt: skip
    for scope in ("profile", "profile orders:read"):
        client = bearer(scope, of=None, application=application)
        assert client.get(f"/api/orders/{NOBODY}/").status_code == 404
        assert client.delete(f"/api/orders/{NOBODY}/").status_code == 403


def test_a_method_that_is_not_there_is_405_and_options_is_for_those_who_may_look(bearer, user, settings):
    client = bearer()
    assert client.patch("/api/orders/", json={}).status_code == 405
    assert client.options("/api/orders/").status_code == 200
    settings.DEFAULT_ROLE = ""
    assert client.options("/api/orders/").status_code == 403


def test_the_rights_come_with_the_one_statement_of_the_bearer_check(bearer, client):
    token = bearer().headers["Authorization"]
    with CaptureQueriesContext(connection) as statements:
        assert client.get(f"/api/orders/{NOBODY}/", headers={"Authorization": token}).status_code == 404
    check, _read = statements.captured_queries
    assert "oauth2_provider_accesstoken" in check["sql"]


def test_a_machine_that_is_registered_for_a_scope_gets_it_without_asking(provider, people):
    reader = register(people, "Reader", "--client-credentials", "--scope", "orders:read")
    tokens = provider.post("/o/token/", reader.form(grant_type="client_credentials")).json()
    assert tokens["scope"] == "orders:read"
    assert provider.get("/api/orders/", tokens["access_token"]).status_code == 200
    assert provider.get("/api/customers/", tokens["access_token"]).status_code == 403
    refused = provider.post("/o/token/", reader.form(grant_type="client_credentials", scope="orders:write"))
    assert (refused.status_code, refused.json()["error"]) == (400, "invalid_scope")


def test_the_api_tells_which_scopes_it_knows_and_the_provider_shows_what_the_specification_shows(provider):
    challenge = provider.get("/api/orders/").headers["WWW-Authenticate"]
    address = challenge.split('resource_metadata="')[1].rstrip('"')
    resource = provider.get(address.removeprefix(provider.url)).json()
    assert resource["scopes_supported"] == ["customers:read", "customers:write", "orders:read", "orders:write"]
    document = provider.get("/o/.well-known/openid-configuration").json()
    assert document["scopes_supported"] == ["openid", "profile", "email"]


def test_a_token_of_one_line_may_be_limited(people, provider):
    token = people.manage("token", "--user", "amina", "--scope", "orders:read")
    assert provider.get("/api/orders/", token).status_code == 200
    assert provider.get("/api/customers/", token).status_code == 403
    with pytest.raises(AssertionError, match="There is no scope orders:all"):
        people.manage("token", "--scope", "orders:all")
