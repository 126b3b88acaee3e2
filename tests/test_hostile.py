"""Whatever bytes come in: no 5xx, no hang, no process lost. Raw sockets, because no client library would send this."""

import json
import os
import socket
import sys
from contextlib import suppress
from http.client import HTTPResponse, RemoteDisconnected
from pathlib import Path

import pytest
import requests

from conftest import Api, Service, eventually
from savannah.listener import SILENT_SECONDS

HOST = b"Host: localhost\r\nConnection: close\r\n"
JSON, FORM = b"application/json", b"application/x-www-form-urlencoded"
EMPTY = b"Content-Length: 2\r\n\r\n{}"
CUSTOMER = b'{"name": "Jane", "phone_number": "+254712345678"}'


def get(target: bytes, headers: bytes = b"") -> bytes:
    return b"GET " + target + b" HTTP/1.1\r\n" + HOST + b"%TOKEN%" + headers + b"\r\n"


def post(
    headers: bytes, body: bytes = CUSTOMER, target: bytes = b"/api/customers/", media_type: bytes | None = None
) -> bytes:
    content_type = typed(media_type or (FORM if target.startswith(b"/o/") else JSON))
    return b"POST " + target + b" HTTP/1.1\r\n" + HOST + b"%TOKEN%" + content_type + headers + b"\r\n" + body


def typed(media_type: bytes) -> bytes:
    return b"Content-Type: " + media_type + b"\r\n"


def sized(body: bytes, headers: bytes = b"", **options: bytes) -> bytes:
    return post(headers + b"Content-Length: %d\r\n" % len(body), body, **options)


REQUESTS = {
    "no HTTP at all": (b"\x00\x01\x02\xff\r\n\r\n", 400),
    "TLS": (bytes.fromhex("16030100c8010000c40303") + b"\x00" * 100, 400),
    "no version": (b"GET /api/customers/\r\n\r\n", 400),
    "version 9.9": (b"GET /api/customers/ HTTP/9.9\r\n" + HOST + b"\r\n", 400),
    "unknown method": (b"BREW /api/customers/ HTTP/1.1\r\n" + HOST + b"%TOKEN%\r\n", 405),
    "TRACE": (b"TRACE /api/customers/ HTTP/1.1\r\n" + HOST + b"%TOKEN%\r\n", 405),
    "CONNECT": (b"CONNECT example.com:443 HTTP/1.1\r\n" + HOST + b"\r\n", 403),
    "OPTIONS of the server": (b"OPTIONS * HTTP/1.1\r\n" + HOST + b"\r\n", 404),
    # --- the target ---
    "absolute target": (get(b"http://localhost/api/customers/"), 200),
    "absolute target elsewhere": (get(b"http://evil.example/api/customers/"), 200),
    "target without a slash": (get(b"api/customers/"), 400),
    "two slashes": (get(b"//evil.example/api/customers"), 404),
    "raw bytes in the path": (get(b"/api/customers/\xff\xfe/"), 400),
    "no UTF-8 in the path": (get(b"/api/customers/%ff%fe/"), 404),
    "no UTF-8 in a path without its slash": (get(b"/api/customers/%ff%fe"), 308),
    "line ends in a path without its slash": (get(b"/api/customers/%0d%0aX-Split:1"), 308),
    "line ends in a query": (get(b"/api/customers?%0d%0aX-Split:1"), 308),
    "NUL in the path": (get(b"/api/orders/%00/"), 404),
    "NUL in the path of a picture": (get(b"/static/%00"), 404),
    "a picture outside its folder": (get(b"/static/%2e%2e/%2e%2e/manage.py"), 404),
    "long path": (get(b"/api/customers/" + b"a" * 70_000), 414),
    "very long path": (get(b"/api/customers/" + b"a" * 1_000_000), 431),
    "raw bytes in the query": (get(b"/api/orders/by-customer/?customer_code=\xff"), 400),
    "no UTF-8 in the query": (get(b"/api/orders/by-customer/?customer_code=%ff%fe"), 404),
    "half a surrogate in the query": (get(b"/api/orders/by-customer/?customer_code=%ed%a0%80"), 404),
    "NUL in the query": (get(b"/api/orders/by-customer/?customer_code=%00"), 404),
    "NUL in another query": (get(b"/api/audit/?actor=%00"), 400),
    "too many parameters": (get(b"/api/orders/by-customer/?" + b"a=1&" * 2000), 400),
    "an address that is none": (get(b"/o/authorize/?client_id=savannah-docs&redirect_uri=http://["), 302),
    "claims nested too deep": (get(b"/o/authorize/?claims=" + b"[" * 3900), 400),
    "NUL in a sign-in's next page": (get(b"/accounts/login/?next=%00"), 200),
    "a % in the query of a page": (get(b"/o/authorize/?state=%zz"), 400),
    "a % in the query of a form": (sized(b"grant_type=x", target=b"/o/token/?a=%zz"), 400),
    "no last slash of a POST": (sized(CUSTOMER, target=b"/api/customers"), 308),
    "a POST to nowhere": (sized(CUSTOMER, target=b"/api/order/"), 404),
    "OPTIONS of the documentation": (b"OPTIONS /api/docs/ HTTP/1.1\r\n" + HOST + b"\r\n", 405),
    # --- the headers ---
    "no Host": (b"GET /api/customers/ HTTP/1.1\r\nConnection: close\r\n%TOKEN%\r\n", 400),
    "somebody else's Host": (
        b"GET /api/customers/ HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n%TOKEN%\r\n",
        400,
    ),
    "a Host that is none": (b"GET /api/customers HTTP/1.1\r\nHost: a b<\xff>\r\nConnection: close\r\n%TOKEN%\r\n", 400),
    "header flood": (get(b"/api/customers/", b"".join(b"X-%d: 1\r\n" % number for number in range(5000))), 431),
    "very long header": (get(b"/api/customers/", b"X: " + b"a" * 1_000_000 + b"\r\n"), 431),
    "header without a colon": (get(b"/api/customers/", b"nonsense\r\n"), 400),
    "folded header": (get(b"/api/customers/", b"X: 1\r\n 2\r\n"), 400),
    "raw bytes in a request id": (get(b"/api/customers/", b"X-Request-ID: \xff\xfe\r\n"), 200),
    "raw bytes in a cookie": (get(b"/admin/", b"Cookie: sessionid=\xff\x80; csrftoken=\xff\r\n"), 302),
    "raw bytes in a token": (b"GET /api/orders/ HTTP/1.1\r\n" + HOST + b"Authorization: Bearer \xff\xfe\r\n\r\n", 401),
    "no base64 in Basic": (b"GET /api/orders/ HTTP/1.1\r\n" + HOST + b"Authorization: Basic %%\r\n\r\n", 401),
    "forwarded nonsense": (get(b"/api/customers/", b"X-Forwarded-For: \xff,, ::zz\r\nForwarded: for=\x22\r\n"), 200),
    "HTTP/2 upgrade": (get(b"/api/customers/", b"Connection: Upgrade\r\nUpgrade: h2c\r\nHTTP2-Settings: A\r\n"), 200),
    # --- the body ---
    "Content-Length that is no number": (post(b"Content-Length: abc\r\n"), 400),
    "negative Content-Length": (post(b"Content-Length: -5\r\n"), 400),
    "Content-Length of 23 digits": (post(b"Content-Length: 99999999999999999999999\r\n"), 400),
    "a gigabyte announced": (post(b"Content-Length: 999999999\r\n"), 413),
    "two Content-Lengths": (post(b"Content-Length: 5\r\nContent-Length: 49\r\n"), 400),
    "no Content-Length": (post(b""), 400),
    "Content-Length and chunks": (post(b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n", b"0\r\n\r\n"), 411),
    "chunks": (post(b"Transfer-Encoding: chunked\r\n", b"2\r\n{}\r\n0\r\n\r\n"), 411),
    "chunks of no size": (post(b"Transfer-Encoding: chunked\r\n", b"zz\r\n{}\r\n"), 411),
    "unknown Transfer-Encoding": (post(b"Transfer-Encoding: gzip\r\n"), 400),
    "Expect: 100-continue": (sized(CUSTOMER, b"Expect: 100-continue\r\n"), 400),
    "other expectations": (sized(CUSTOMER, b"Expect: a-miracle\r\n"), 400),
    "cut off in the headers": (b"GET /api/cust", None),
    "cut off in the body": (post(b"Content-Length: 500\r\n"), 400),
    "raw bytes as media type": (
        b"POST /api/orders/ HTTP/1.1\r\n" + HOST + b"%TOKEN%Content-Type: \xff/\x80\r\n" + EMPTY,
        415,
    ),
    "a charset that is no charset": (get(b"/api/customers/?search=%ff", typed(b"x/y; charset=rot13")), 200),
    "a charset that fails": (get(b"/healthz?a=%ff", typed(b"x/y; charset=undefined")), 200),
    "a charset of escapes": (get(b"/accounts/login/?next=%5Cud800", typed(b"x/y; charset=unicode_escape")), 200),
    "a charset of 16 bits": (get(b"/api/customers/?search=" + b"%00a" * 20, typed(b"x/y; charset=utf-16")), 400),
    "an unknown charset of a parameter": (get(b"/static/savannah/savannah.css", typed(b"x/y; a*=nope''x")), 200),
    "a parameter in pieces that do not fit": (get(b"/healthz", typed(b"x/y; a*=utf-8''x; a*1=y")), 200),
    "JSON with an unreadable parameter": (sized(CUSTOMER[:-1], media_type=JSON + b"; a*=nope''x"), 400),
    "a form in another charset": (sized(b"a=b", target=b"/o/token/", media_type=FORM + b"; charset=rot13"), 400),
    "a part in pieces that do not fit": (
        sized(
            b"--B\r\nContent-Disposition: form-data; name*=utf-8''a; name*1=b\r\n\r\n1\r\n--B--\r\n",
            target=b"/o/token/",
            media_type=b"multipart/form-data; boundary=B",
        ),
        400,
    ),
    "a form of unknown charset": (sized(b"a=b", b"Content-Type: text/x; charset=?\r\n", target=b"/o/token/"), 400),
    "no UTF-8 in a form": (sized(b"grant_type=%ff&code=\xff", target=b"/o/token/"), 400),
    "a form of 2000 fields": (sized(b"a=1&" * 2000, target=b"/o/token/"), 400),
    "a form of claims nested too deep": (sized(b"claims=" + b"[" * 3900, target=b"/o/token/"), 400),
    "a form of four megabytes": (sized(b"a=" + b"1" * 4_000_000, target=b"/o/token/"), 400),
}


@pytest.fixture(scope="module")
def token(service: Service) -> str:
    return service.manage("token")


@pytest.mark.parametrize("name", REQUESTS)
def test_it_answers(service, token, name):
    request, expected = REQUESTS[name]
    request = request.replace(b"%TOKEN%", f"Authorization: Bearer {token}\r\n".encode())
    status, body = send(service, request, cut_off=name.startswith("cut off"))
    assert status == expected
    # The documentation is a page.
    if b" /api/" in request[:20] and b"/docs/" not in request[:20] and body and status != 200:
        assert json.loads(body).keys() & {"error", "detail"}


def test_all_processes_live_and_answer_after_all_that(service):
    assert "respawning" not in service.printed.lower()
    assert "starting it again" not in service.printed
    assert requests.get(f"{service.url}/readyz", timeout=60).json()["status"] == "ready"


def test_it_speaks_http_1_alone(service):
    """By HTTP/2 a body has no length, and one that was taken for none would be lost with a 200."""
    with socket.create_connection(("127.0.0.1", service.port), timeout=60) as connection:
        connection.sendall(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes(3) + b"\x04" + bytes(5))
        assert connection.recv(9)[3:4] != b"\x04", "SETTINGS"


def test_slow_clients_do_not_hold_it_up(service, token):
    """Half a head costs no thread, half a body one of a quarter of them: who sends no body is always answered."""
    head = f"POST /api/orders/ HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\n"
    half_a_body = head + "Content-Type: application/json\r\nContent-Length: 100\r\n\r\n{"
    slow = [socket.create_connection(("127.0.0.1", service.port)) for _ in range(160)]
    with Api(service.url, token) as api:
        try:
            for number, connection in enumerate(slow):
                connection.sendall((half_a_body if number < 80 else head).encode())
            assert api.get("/healthz").ok
            assert api.get("/api/orders/?limit=1").ok
            # Once as many half bodies have come as may be read at once.
            (refused,) = eventually(lambda: refusals(api.post("/api/orders/", json={})))
            assert refused.json()["error"] == "Too many requests are being read: try again."
            assert refused.headers["Retry-After"] == "5"
        finally:
            for connection in slow:
                connection.close()
        assert eventually(lambda: api.post("/api/orders/", json={}).status_code == 400)


def refusals(*answers: requests.Response) -> list[requests.Response]:
    return [answer for answer in answers if answer.status_code == 503]


def test_slow_uploads_keep_no_order_out(service, token):
    head = f"POST /api/orders/upload/ HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\n"
    half_an_upload = head + "Content-Type: text/csv\r\nContent-Length: 1000000\r\n\r\ncustomer_code"
    slow = [socket.create_connection(("127.0.0.1", service.port)) for _ in range(40)]
    try:
        for connection in slow:
            connection.sendall(half_an_upload.encode())
        with Api(service.url, token) as api:
            assert [api.post("/api/orders/", json={}).status_code for _ in range(10)] == [400] * 10
    finally:
        for connection in slow:
            connection.close()


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_a_client_that_vanishes_in_a_body_is_noticed(service):
    """Nobody can pull a plug here; but the kernel counts down to when it asks whether the client is there."""
    half_a_body = b"POST /api/orders/ HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\n{"
    with socket.create_connection(("127.0.0.1", service.port)) as silent:
        silent.sendall(half_a_body)
        theirs = f":{service.port:04X} 0100007F:{silent.getsockname()[1]:04X} 01"
        (line,) = eventually(lambda: [row for row in Path("/proc/net/tcp").read_text().splitlines() if theirs in row])
        timer, _, ticks = line.split()[5].partition(":")
        assert timer == "02", "keepalive"
        assert int(ticks, 16) / os.sysconf("SC_CLK_TCK") <= SILENT_SECONDS


def send(service: Service, request: bytes, *, cut_off: bool) -> tuple[int | None, bytes]:
    """Send the bytes; return the answer's status and body, or None when the connection is closed without one."""
    with socket.create_connection(("127.0.0.1", service.port), timeout=60) as connection:
        # A server that refuses what is too long closes before it has read it.
        with suppress(BrokenPipeError, ConnectionResetError):
            connection.sendall(request)
            if cut_off:
                connection.shutdown(socket.SHUT_WR)
        answer = HTTPResponse(connection)
        try:
            answer.begin()
        except RemoteDisconnected:
            return None, b""
        return answer.status, answer.read()
