"""openid-client 5 and 6 (npm; certified by the OpenID Foundation): discovery to log-out, each algorithm, each kind."""

import json
import shutil
import subprocess
from pathlib import Path

import pytest

from accounts.tests.browser import CALLBACK

HERE = Path(__file__).parent
needs_node = pytest.mark.skipif(
    not (shutil.which("node") and (HERE / "node_modules").exists()), reason="Node and tests/clients/node_modules"
)
KINDS = {
    "HS256": ("HS256", ()),
    "RS256": ("RS256", ("--algorithm", "RS256")),
    "public": ("RS256", ("--public",)),
}


@needs_node
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("version", ["5", "6"])
def test_openid_client_goes_from_discovery_to_log_out(provider, browser, registered, version, kind):
    algorithm, options = KINDS[kind]
    client = registered(f"openid-client {version} {kind}", *options)
    setup = {
        "issuer": f"{provider.url}/o",
        "client_id": client.client_id,
        "secret": client.secret,
        "algorithm": algorithm,
        "redirect_uri": CALLBACK,
    }
    command = ["node", HERE / f"openid_client_{version}.mjs", json.dumps(setup)]
    with subprocess.Popen(command, stdin=-1, stdout=-1, stderr=-1, text=True) as node:
        page = browser.sign_in(browser.open(node.stdout.readline().strip()))
        back = browser.submit(page, allow="Authorize").headers["Location"]
        printed, complaints = node.communicate(f"{back}\n", timeout=60)
    assert node.returncode == 0, complaints
    told = json.loads(printed)
    person = {
        "email": "zawadi@example.com",
        "given_name": "Zawadi",
        "family_name": "Njeri",
        "preferred_username": "zawadi",
    }
    assert told["userinfo"] == {"sub": told["claims"]["sub"], **person}
    assert told["claims"].items() >= person.items()
    assert told["active"] is True
    assert not provider.lets_in(told["revoked"])
    assert browser.open(told["logout"]).headers["Location"] == "http://client.example/?state=bye"
    assert "sessionid" not in browser.cookies
