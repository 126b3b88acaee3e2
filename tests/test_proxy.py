"""Behind a proxy of ours, that asks by a name of its own: every absolute address is of PUBLIC_URL all the same."""

import re
import shutil
import socket
import subprocess
from urllib.parse import parse_qs, urlsplit

import pytest
import requests

from conftest import ROOT, Api, Service, eventually, free_port
from tests.seed import planted

PUBLIC_URL = "https://orders.example.com"
SITE = """
daemon off;
pid {folder}/pid;
error_log stderr;
events {{}}
http {{
    access_log off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    server {{
        listen 127.0.0.1:{port};
        {location}
    }}
}}
"""


@pytest.fixture(scope="module")
def proxied(seed, tmp_path_factory):
    public = {"PUBLIC_URL": PUBLIC_URL, "TRUSTED_PROXIES": "1"}
    sign_in = {"OIDC_RP_CLIENT_ID": "desk", "OIDC_RP_CLIENT_SECRET": "x"}
    service = Service(planted(seed, tmp_path_factory.mktemp("proxied")), **public, **sign_in).start()
    try:
        yield service.until_ready()
    finally:
        service.end()


@pytest.fixture(scope="module")
def nginx(proxied, tmp_path_factory):
    """nginx with what the operations guide says, in front of the service."""
    program = shutil.which("nginx", path="/usr/sbin:/usr/bin")
    if program is None:
        pytest.skip("nginx is not installed")
    folder, port = tmp_path_factory.mktemp("nginx"), free_port()
    (location,) = re.findall(r"```nginx\n(.*?)```", (ROOT / "docs" / "operations.md").read_text(), re.DOTALL)
    location = location.replace("127.0.0.1:8000", f"127.0.0.1:{proxied.port}")
    (folder / "nginx.conf").write_text(SITE.format(folder=folder, port=port, location=location))
    with subprocess.Popen([program, "-c", folder / "nginx.conf", "-p", folder]) as process:
        url = f"http://127.0.0.1:{port}"
        try:
            eventually(lambda: _answers(url))
            yield url
        finally:
            process.terminate()


def _answers(url: str) -> bool:
    try:
        return requests.get(f"{url}/healthz", timeout=60).ok
    except requests.RequestException:
        return False


@pytest.mark.long
def test_clients_that_stop_in_a_body_hold_nothing_behind_it(proxied, nginx):
    token = proxied.manage("token")
    head = f"POST /api/orders/ HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\n"
    half_a_body = head + "Content-Length: 100\r\n\r\n{"
    slow = [socket.create_connection(("127.0.0.1", urlsplit(nginx).port)) for _ in range(80)]
    try:
        for connection in slow:
            connection.sendall(half_a_body.encode())
        with Api(nginx, token) as api:
            assert [api.post("/api/orders/", json={}).status_code for _ in range(10)] == [400] * 10
    finally:
        for connection in slow:
            connection.close()


@pytest.mark.long
def test_links_are_of_the_public_address(proxied, nginx):
    with Api(nginx, proxied.manage("token")) as api:
        for code in ("A", "B"):
            api.post(
                "/api/customers/", json={"code": code, "name": code, "phone_number": f"+25471234567{ord(code) % 9}"}
            )
        answer = api.get("/api/customers/?limit=1")
    assert answer.links["next"]["url"].startswith(f"{PUBLIC_URL}/api/customers/?")
    assert "max-age" in answer.headers["Strict-Transport-Security"]


@pytest.mark.long
def test_signing_in_goes_to_the_provider_at_once(nginx):
    answer = requests.get(f"{nginx}/oidc/authenticate/", allow_redirects=False, timeout=60)
    target = urlsplit(answer.headers["Location"])
    assert target.path == "/o/authorize/"
    assert parse_qs(target.query)["redirect_uri"] == [f"{PUBLIC_URL}/oidc/callback/"]
