"""Signing in to the pages at an OpenID provider: this service's own, and another one that may lie."""

import json
import time
from urllib.parse import parse_qsl, urljoin, urlsplit

import pytest
import requests

from accounts.tests.browser import PASSWORD, Browser
from accounts.tests.foreign import AUDIENCE, ForeignIssuer
from conftest import Service
from tests.seed import planted

MAKE_USERS = f"""
from django.contrib.auth.models import User
User.objects.create_user("amina", "amina@example.com", "{PASSWORD}")
User.objects.create_superuser("boss", "boss@example.com", "{PASSWORD}")
"""
# The desk: only for those who are signed in.
PAGE = "/"
CLIENT = "desk"


@pytest.fixture(scope="module")
def organisation():
    issuer = ForeignIssuer()
    yield issuer
    issuer.close()


@pytest.fixture(scope="module")
def branch(seed, tmp_path_factory, organisation):
    """A service whose pages sign in at the organisation's provider."""
    running = Service(
        planted(seed, tmp_path_factory.mktemp("branch")),
        OIDC_RP_CLIENT_ID=CLIENT,
        OIDC_RP_CLIENT_SECRET="secret",
        OIDC_RP_SIGN_ALGO="RS256",
        OIDC_OP_ISSUER=organisation.url,
        OIDC_OP_AUTHORIZATION_ENDPOINT=f"{organisation.url}/authorize",
        OIDC_OP_TOKEN_ENDPOINT=f"{organisation.url}/token",
        OIDC_OP_USER_ENDPOINT=f"{organisation.url}/userinfo",
        OIDC_OP_JWKS_ENDPOINT=f"{organisation.url}/keys",
        OIDC_ISSUERS=json.dumps({organisation.url: {"audience": AUDIENCE, "roles": {"tills": "clerk"}}}),
    ).start()
    try:
        running.until_ready().manage("shell", "-c", MAKE_USERS)
        yield running
    finally:
        running.end()


@pytest.fixture
def browser(branch):
    with Browser(branch) as session:
        session.headers["Accept"] = "text/html"
        yield session


def asked_for(answer: requests.Response) -> dict[str, str]:
    """Return what the provider was asked for by a redirect."""
    return dict(parse_qsl(urlsplit(answer.headers["Location"]).query))


def come_back(browser, organisation, asked, *, told=None, userinfo=None, **token) -> requests.Response:
    """Let the organisation answer, and follow the browser back."""
    claims = {"aud": CLIENT, "azp": None, "nonce": asked["nonce"], **(told or {})}
    organisation.token_answer = {"access_token": "a", "id_token": organisation.token(**claims, **token)}
    organisation.userinfo = {"sub": "4711", "email": "boss@example.com", **(userinfo or {})}
    return browser.open(f"/oidc/callback/?code=c&state={asked['state']}")


def signed_in_as(branch: Service, browser: Browser) -> str | None:
    """Return the name of the user of the browser's session."""
    key = browser.cookies.get("desk_sessionid")
    code = f"""
from django.contrib.sessions.models import Session
from django.contrib.auth.models import User
session = Session.objects.filter(session_key={key!r}).first()
user = User.objects.filter(pk=session.get_decoded().get("_auth_user_id")).first() if session else None
print(user.username if user else "")"""
    return branch.manage("shell", "-v", "0", "-c", code) or None


def test_it_signs_in_at_another_provider_and_goes_on_to_where_the_user_wanted_to_go(branch, browser, organisation):
    answer = browser.open(PAGE)
    asked = asked_for(answer)
    assert answer.headers["Location"].startswith(f"{organisation.url}/authorize?")
    assert asked["redirect_uri"] == f"{browser.home}/oidc/callback/"
    assert asked["code_challenge_method"] == "S256"
    assert "sessionid" not in browser.cookies
    page = come_back(browser, organisation, asked, told={"groups": ["tills"]})
    assert (page.status_code, urlsplit(page.url).path) == (200, PAGE)
    # Nobody becomes the boss by having the boss's e-mail address.
    assert signed_in_as(branch, browser) == "wanjiru@127.0.0.1"
    code = """
from django.contrib.auth.models import User
import json
user = User.objects.get(username="wanjiru@127.0.0.1")
print(json.dumps([right for right in ("orders.view_order", "orders.delete_order") if user.has_perm(right)]))"""
    assert json.loads(branch.manage("shell", "-v", "0", "-c", code)) == ["orders.view_order"]
    # Another browser, later, without the group: the same user, and the role is gone.
    with Browser(branch) as later:
        come_back(later, organisation, asked_for(later.open(PAGE)))
        assert signed_in_as(branch, later) == "wanjiru@127.0.0.1"
    assert json.loads(branch.manage("shell", "-v", "0", "-c", code)) == []


@pytest.mark.parametrize(
    "lie",
    [
        {"told": {"aud": "another"}},
        {"told": {"aud": [CLIENT, "another"], "azp": "another"}},
        {"told": {"iss": "https://evil.example"}},
        {"told": {"nonce": "another"}},
        {"told": {"nonce": None}},
        {"told": {"exp": 1}},
        {"told": {"sub": None}},
        {"userinfo": {"sub": "0815"}},
        {"told": {"sub": "47\x0011"}, "userinfo": {"sub": "47\x0011"}},
        {"algorithm": "HS256", "key": "secret"},
        {"algorithm": "RS512"},
        {"headers": {"kid": "nobody"}},
    ],
    ids=str,
)
def test_an_answer_that_proves_nothing_signs_nobody_in(branch, browser, organisation, lie):
    page = come_back(browser, organisation, asked_for(browser.open(PAGE)), **lie)
    assert page.status_code == 403
    assert "You are not signed in" in page.text
    assert browser.open(PAGE).headers["Location"].startswith(organisation.url)


def test_an_answer_that_is_none_signs_nobody_in_either(browser, organisation):
    for answer in ({}, {"id_token": 7}, {"id_token": "a.b.c", "access_token": "a"}):
        asked = asked_for(browser.open(PAGE))
        organisation.token_answer = answer
        assert browser.open(f"/oidc/callback/?code=c&state={asked['state']}").status_code == 403
    for query in ("", "?code=c&state=made-up", "?error=access_denied&state=s", "?code=c"):
        assert browser.open(f"/oidc/callback/{query}").status_code == 403


def test_it_leads_to_its_one_public_address_first(branch):
    answer = requests.get(f"{branch.url}/oidc/authenticate/?next={PAGE}", allow_redirects=False, timeout=60)
    assert answer.headers["Location"] == f"http://localhost:{branch.port}/oidc/authenticate/?next={PAGE}"


def test_it_asks_the_provider_again_when_a_person_opens_a_page_and_never_for_the_api(branch, browser, organisation):
    come_back(
        browser, organisation, asked_for(browser.open(PAGE)), told={"sub": "refresh"}, userinfo={"sub": "refresh"}
    )
    key = browser.cookies["desk_sessionid"]
    branch.manage(
        "shell",
        "-c",
        f"from django.contrib.sessions.backends.db import SessionStore as S\n"
        f"s = S({key!r}); s['oidc_id_token_expiration'] = {time.time() - 1}; s.save()",
    )
    for path, headers in (("/api/orders/", {}), ("/admin/", {"Accept": "*/*"}), ("/admin/", {"HX-Request": "true"})):
        answer = browser.get(urljoin(browser.home, path), headers=headers, allow_redirects=False, timeout=60)
        assert not answer.headers.get("Location", "").startswith(organisation.url)
    asked = asked_for(browser.open("/admin/"))
    assert asked["prompt"] == "none"
    # It no longer knows the user.
    assert browser.open(f"/oidc/callback/?error=login_required&state={asked['state']}").status_code == 403
    assert signed_in_as(branch, browser) is None


def test_a_local_user_still_signs_in_by_password(branch, browser):
    page = browser.sign_in(browser.open(f"/accounts/login/?next={PAGE}"), "boss")
    assert urlsplit(page.url).path == PAGE


def test_it_signs_in_at_its_own_provider_with_the_variables_of_the_specification(seed, tmp_path):
    service = Service(planted(seed, tmp_path))
    service.manage("shell", "-c", MAKE_USERS)
    made = json.loads(service.manage("setup_oauth", "--json"))
    own = f"http://localhost:{service.port}/o"
    service.environment.update(
        OIDC_RP_CLIENT_ID=made["client_id"],
        OIDC_RP_CLIENT_SECRET=made["client_secret"],
        OIDC_OP_AUTHORIZATION_ENDPOINT=f"{own}/authorize/",
        OIDC_OP_TOKEN_ENDPOINT=f"{own}/token/",
        OIDC_OP_USER_ENDPOINT=f"{own}/userinfo/",
        OIDC_OP_JWKS_ENDPOINT=f"{own}/.well-known/jwks.json",
        OIDC_RP_SCOPES="openid profile email",
        OIDC_RP_SIGN_ALGO="HS256",
    )
    try:
        service.start().until_ready()
        with Browser(service) as browser:
            page = browser.sign_in(browser.open(PAGE))
            page = browser.submit(page, allow="Authorize")
            assert (page.status_code, urlsplit(page.url).path) == (200, PAGE)
            assert signed_in_as(service, browser) == "amina"
    finally:
        service.end()


def test_another_provider_has_to_be_named(tmp_path):
    service = Service(tmp_path, OIDC_OP_AUTHORIZATION_ENDPOINT="https://id.example/authorize").start()
    assert service.until_ended() == 1
    assert service.printed.startswith("OIDC_OP_ISSUER is not set.")
