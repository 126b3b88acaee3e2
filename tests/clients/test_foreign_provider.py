"""oidc-provider (npm; certified by the OpenID Foundation) as another issuer, for the API and for the desk."""

import json
import re
import subprocess

import pytest
import requests

from accounts.tests.browser import Browser
from conftest import Api, Service, eventually, free_port
from tests.clients.test_openid_client import HERE, needs_node
from tests.seed import planted

AUDIENCE = "https://api.savannah.example"


@pytest.fixture
def desk(seed, tmp_path):
    """A service that has yet to start."""
    return Service(planted(seed, tmp_path))


@pytest.fixture
def foreign(desk):
    """The issuer's address; its clients are the desk, and a till, whose tokens carry the group `tills`."""
    port = free_port()
    command = ["node", HERE / "foreign_provider.mjs", str(port), AUDIENCE, f"http://localhost:{desk.port}"]
    with subprocess.Popen(command, stdout=-1, stderr=-3) as node:
        eventually(lambda: node.stdout.readline() == b"listening\n")
        yield f"http://127.0.0.1:{port}"
        node.terminate()


@needs_node
def test_the_api_takes_the_access_tokens_of_a_certified_provider(
    foreign, live_server, transactional_db, settings, monkeypatch
):
    monkeypatch.setattr("accounts.issuer_keys.TIMEOUT_SECONDS", 60.0)
    settings.OIDC_ISSUERS = json.dumps({foreign: {"audience": AUDIENCE, "roles": {"tills": "clerk"}}})
    asked = {"grant_type": "client_credentials", "resource": AUDIENCE, "scope": "orders:read"}
    token = requests.post(f"{foreign}/token", asked, auth=("till", "secret"), timeout=60).json()["access_token"]
    with Api(live_server.url, token) as api:
        assert api.get("/api/orders/").json() == []
        assert api.post("/api/orders/", json={}).status_code == 403
        assert api.get("/api/customers/").status_code == 403
    settings.OIDC_ISSUERS = json.dumps({foreign: {"audience": "another", "roles": {"tills": "clerk"}}})
    with Api(live_server.url, token) as api:
        assert api.get("/api/orders/").status_code == 401


@needs_node
def test_the_desk_signs_in_and_out_at_a_certified_provider(foreign, desk):
    about = requests.get(f"{foreign}/.well-known/openid-configuration", timeout=60).json()
    desk.environment |= {
        "OIDC_RP_CLIENT_ID": "desk",
        "OIDC_RP_CLIENT_SECRET": "secret",
        "OIDC_RP_SIGN_ALGO": "RS256",
        "OIDC_OP_ISSUER": about["issuer"],
        "OIDC_OP_AUTHORIZATION_ENDPOINT": about["authorization_endpoint"],
        "OIDC_OP_TOKEN_ENDPOINT": about["token_endpoint"],
        "OIDC_OP_USER_ENDPOINT": about["userinfo_endpoint"],
        "OIDC_OP_JWKS_ENDPOINT": about["jwks_uri"],
        "OIDC_OP_LOGOUT_ENDPOINT": about["end_session_endpoint"],
    }
    desk.start()
    try:
        desk.until_ready()
        with Browser(desk, foreign) as browser:
            browser.headers["Accept"] = "text/html"
            page = browser.submit(browser.submit(browser.open("/"), login="wanjiru", password="any"))
            assert (page.status_code, page.url) == (200, f"{browser.home}/")
            # Asked again, the provider knows who it is.
            assert browser.open("/oidc/authenticate/").url == f"{browser.home}/"
            token = re.search(r'name="csrfmiddlewaretoken" value="([^"]*)"', page.text)[1]
            form = {"data": {"csrfmiddlewaretoken": token}, "headers": {"Referer": page.url}}
            answer = browser.post(f"{browser.home}/accounts/logout/", allow_redirects=False, timeout=60, **form)
            page = browser.submit(browser.open(answer.headers["Location"]), logout="yes")
            # Back at the desk, which leads to the provider, which asks.
            assert 'name="login"' in page.text
            assert page.url.startswith(f"{foreign}/interaction/")
    finally:
        desk.end()
