"""oidc-provider (npm; certified by the OpenID Foundation) as another issuer: the API takes its access tokens."""

import json
import subprocess

import pytest
import requests

from conftest import Api, eventually, free_port
from tests.clients.test_openid_client import HERE, needs_node

AUDIENCE = "https://api.savannah.example"


@pytest.fixture
def foreign():
    """The issuer's address; its one client is a till, whose tokens carry the group `tills`."""
    port = free_port()
    with subprocess.Popen(["node", HERE / "foreign_provider.mjs", str(port), AUDIENCE], stdout=-1, stderr=-3) as node:
        eventually(lambda: node.stdout.readline() == b"listening\n", 60)
        yield f"http://127.0.0.1:{port}"
        node.terminate()


@needs_node
def test_the_api_takes_the_access_tokens_of_a_certified_provider(foreign, live_server, transactional_db, settings):
    settings.OIDC_ISSUERS = json.dumps({foreign: {"audience": AUDIENCE, "roles": {"tills": "clerk"}}})
    asked = {"grant_type": "client_credentials", "resource": AUDIENCE, "scope": "orders:read"}
    token = requests.post(f"{foreign}/token", asked, auth=("till", "secret"), timeout=30).json()["access_token"]
    with Api(live_server.url, token) as api:
        assert api.get("/api/orders/").json() == []
        assert api.post("/api/orders/", json={}).status_code == 403
        assert api.get("/api/customers/").status_code == 403
    settings.OIDC_ISSUERS = json.dumps({foreign: {"audience": "another", "roles": {"tills": "clerk"}}})
    with Api(live_server.url, token) as api:
        assert api.get("/api/orders/").status_code == 401
