"""mozilla-django-oidc, with the specification's OIDC_* variables: sign-in, renewal by prompt=none, log-out."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import requests

from accounts.tests.browser import Browser
from conftest import eventually, free_port


@pytest.fixture(params=["HS256", "RS256"])
def site(request, registered, provider):
    """The site's address."""
    port = free_port()
    url = f"http://localhost:{port}"
    options = ("--algorithm", request.param)
    client = registered(f"Mozilla {request.param}", *options, redirect_uri=f"{url}/oidc/callback/")
    environment = {
        **os.environ,
        "PORT": str(port),
        "OIDC_RP_CLIENT_ID": client.client_id,
        "OIDC_RP_CLIENT_SECRET": client.secret,
        "OIDC_OP_AUTHORIZATION_ENDPOINT": f"{provider.url}/o/authorize/",
        "OIDC_OP_TOKEN_ENDPOINT": f"{provider.url}/o/token/",
        "OIDC_OP_USER_ENDPOINT": f"{provider.url}/o/userinfo/",
        "OIDC_OP_JWKS_ENDPOINT": f"{provider.url}/o/.well-known/jwks.json",
        "LOGOUT": f"{provider.url}/o/logout/",
        "OIDC_RP_SCOPES": "openid profile email",
        "OIDC_RP_SIGN_ALGO": request.param,
    }
    environment.pop("DJANGO_SETTINGS_MODULE", None)
    script = Path(__file__).with_name("mozilla_site.py")
    server = subprocess.Popen([sys.executable, script], env=environment, stdout=-3, stderr=-3)
    try:
        eventually(lambda: server.poll() is not None or _answers(url))
        assert server.poll() is None
        yield url
    finally:
        server.terminate()
        server.wait(60)


def _answers(url: str) -> bool:
    try:
        return requests.get(f"{url}/", timeout=60).ok
    except requests.RequestException:
        return False


def test_a_site_with_mozilla_django_oidc_signs_in_renews_and_logs_out(site, people, provider):
    with Browser(people, site, person="zawadi") as browser:
        page = browser.submit(browser.sign_in(browser.open(f"{site}/oidc/authenticate/")), allow="Authorize")
        first = page.json()
        assert first["email"] == "zawadi@example.com"
        assert provider.lets_in(first["token"])
        renewed = eventually(lambda: (now := browser.open(f"{site}/").json())["token"] != first["token"] and now)
        assert renewed["email"] == "zawadi@example.com"
        assert provider.lets_in(renewed["token"])
        left = browser.open(browser.post(f"{site}/oidc/logout/", allow_redirects=False, timeout=60).headers["Location"])
        assert (left.url, left.json()) == (f"{site}/", {"email": "", "token": None})
        assert not provider.lets_in(renewed["token"])
        assert "sessionid" not in browser.cookies
        assert 'name="password"' in browser.open(f"{site}/oidc/authenticate/").text
