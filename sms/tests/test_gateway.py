"""The client: what each of the gateway's replies means for the message, and for the gateway."""

import asyncio
import json
import re
import socket
from collections.abc import Callable, Iterator

import pytest

from conftest import StandIn
from sms.gateway import Gateway, Reply, Says, read_recipients
from sms.tests.strange import strange

PHONE = "+254712345678"


@pytest.fixture(scope="module")
def gateway(tmp_path_factory) -> Iterator[StandIn]:
    running = StandIn(tmp_path_factory.mktemp("gateway"))
    running.start()
    yield running
    running.stop()


@pytest.fixture
def ask(gateway, monkeypatch) -> Iterator[Callable[..., Reply]]:
    """Break the gateway, and send one message."""
    monkeypatch.setattr("sms.gateway.CONNECT_SECONDS", 60.0)

    def send(*, body: str = "Hello", url: str = gateway.url, **faults: object) -> Reply:
        # A short timeout for replies that never come, or never come completely.
        seconds = 0.5 if faults.keys() & {"hang", "slow_accept_ms", "trickle_ms"} else 60

        async def once() -> Reply:
            async with Gateway(
                base_url=url, api_key="k", username="sandbox", sender="", send_seconds=seconds
            ) as client:
                return await client.send(PHONE, body)

        gateway.break_with(**faults)
        return asyncio.run(once())

    yield send
    gateway.break_with()


@pytest.mark.parametrize(
    ("faults", "state", "says"),
    [
        ({}, "accepted", Says.WORKS),
        *[({"status_code": code}, "accepted", Says.WORKS) for code in (100, 101, 102)],
        *[({"status_code": code}, "rejected", Says.WORKS) for code in (401, 403, 404, 406, 407)],
        *[({"status_code": code}, "queued", Says.REFUSES) for code in (402, 405)],
        *[({"status_code": code}, "queued", Says.WORKS) for code in (409, 500, 501, 502)],
        ({"empty_recipients": True}, "queued", Says.REFUSES),
        *[({"http_status": status}, "queued", Says.BUSY) for status in (429, 503)],
        *[({"http_status": status}, "unknown", Says.FAILS) for status in (500, 502, 504)],
        ({"garbage": True}, "unknown", Says.FAILS),
        ({"hang": True}, "unknown", Says.FAILS),
        ({"slow_accept_ms": 5000}, "unknown", Says.FAILS),
        ({"trickle_ms": 200}, "unknown", Says.FAILS),
        ({"accept_then_reset": True}, "unknown", Says.FAILS),
        ({"down": True}, "unknown", Says.FAILS),
    ],
)
def test_it_knows_what_a_reply_means(ask, faults, state, says):
    reply = ask(**faults)
    assert (reply.state, reply.says) == (state, says)
    assert bool(reply.reason) == (state != "accepted")


def test_it_keeps_the_gateways_id_and_the_cost(ask):
    reply = ask()
    assert reply.provider_message_id.startswith("ATXid_")
    assert (reply.cost, reply.http_status) == ("KES 0.8000", 201)


def test_a_gateway_that_is_not_there_is_a_safe_retry(ask):
    reply = ask(url="http://127.0.0.1:9")
    assert (reply.state, reply.says, reply.http_status) == ("queued", Says.FAILS, None)


def test_it_waits_as_long_as_the_gateway_asks_for_within_reason(ask):
    assert ask(http_status=429, retry_after_s=7).retry_after == 7
    assert ask(http_status=429, retry_after_s=3600).retry_after == 300
    assert ask(status_code=409).retry_after == 1800


def test_a_wrong_key_or_address_holds_all_up(gateway, ask):
    reply = ask(url=f"{gateway.url}/nowhere")
    assert (reply.state, reply.says, reply.http_status) == ("queued", Says.REFUSES, 404)


def test_a_message_that_is_refused_for_itself_is_rejected(ask):
    assert ask(body="").state == "rejected"


def with_recipients(*recipients: dict[str, object]) -> str:
    return json.dumps({"SMSMessageData": {"Message": "Sent", "Recipients": recipients}})


ACCEPTED = {"statusCode": 101, "status": "Success", "number": PHONE, "cost": "KES 0.8000", "messageId": "ATXid_1"}


@pytest.fixture
def ask_another() -> Callable[..., Reply]:
    """Send one message to a gateway that answers with these bytes and closes the connection."""

    def send(answer: bytes) -> Reply:
        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            head = await reader.readuntil(b"\r\n\r\n")
            await reader.readexactly(int(re.search(rb"Content-Length: (\d+)", head)[1]))
            writer.write(answer)
            writer.close()

        async def once() -> Reply:
            server = await asyncio.start_server(serve, "127.0.0.1")
            url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
            async with (
                server,
                Gateway(base_url=url, api_key="k", username="sandbox", sender="", send_seconds=60) as client,
            ):
                return await client.send(PHONE, "Hello")

        return asyncio.run(once())

    return send


def http(status: str, body: str | bytes = b"", *headers: str) -> bytes:
    content = body.encode() if isinstance(body, str) else body
    return "\r\n".join([f"HTTP/1.1 {status}", f"Content-Length: {len(content)}", *headers, "", ""]).encode() + content


@pytest.mark.parametrize(
    ("answer", "state"),
    [
        # Only what certainly was not sent is sent again without a flag.
        (http("202 Accepted", with_recipients(ACCEPTED)), "accepted"),
        (http("202 Accepted"), "unknown"),
        (http("204 No Content"), "unknown"),
        (http("201 Created", with_recipients({**ACCEPTED, "statusCode": 103, "status": "Scheduled"})), "unknown"),
        # By its id, a delivery report is found; without one, the report might be taken for another message's.
        (http("201 Created", with_recipients({"statusCode": "101", "messageId": "ATXid_1"})), "accepted"),
        (http("201 Created", with_recipients({"statusCode": "101"})), "unknown"),
        (http("201 Created", with_recipients({**ACCEPTED, "messageId": ""})), "unknown"),
        (http("201 Created", with_recipients({"statusCode": 403})), "rejected"),
        # None of these raises an error.
        (http("201 Created", with_recipients({**ACCEPTED, "statusCode": float("inf")})), "unknown"),
        (http("201 Created", "[" * 100_000), "unknown"),
        (http("201 Created", with_recipients(ACCEPTED)[:-20]), "unknown"),
        (http("201 Created", "<!doctype html><title>Sign in</title>", "Content-Type: text/html"), "unknown"),
        (http("201 Created", "not gzip", "Content-Encoding: gzip"), "unknown"),
        (b"SMTP, please\r\n", "unknown"),
        (http("302 Found", "", "Location: http://127.0.0.1:9/"), "queued"),
    ],
)  # fmt: skip
def test_no_answer_however_odd_is_taken_for_one_that_is_safe_to_try_again(ask_another, answer, state):
    assert ask_another(answer).state == state


def test_it_stores_what_postgresql_can_store():
    recipient = {"statusCode": 100, "status": "Processed", "messageId": "AT\x00" + "x" * 200, "cost": "KES \ud800"}
    reply = read_recipients({"SMSMessageData": {"Message": "", "Recipients": [recipient]}})
    assert reply.provider_message_id == "AT" + "x" * 98
    assert reply.cost == "KES ?"


def send_to(url: str) -> Reply:
    async def once() -> Reply:
        async with Gateway(base_url=url, api_key="k", username="shop", sender="SHOP", send_seconds=60) as client:
            return await client.send(PHONE, "Hello")

    return asyncio.run(once())


@pytest.mark.parametrize(
    ("status", "state", "says"),
    [
        *[(status, "rejected", Says.WORKS) for status in (400, 413, 422)],
        *[(status, "queued", Says.REFUSES) for status in (401, 403, 404, 302, 307, 308)],
    ],
)
def test_it_asks_one_address_once_and_knows_what_each_refusal_is_about(monkeypatch, status, state, says):
    monkeypatch.setattr("sms.gateway.CONNECT_SECONDS", 60.0)
    with strange(status) as server:
        reply = send_to(server.url)
    assert (reply.state, reply.says, reply.http_status) == (state, says, status)
    form = {"username": ["shop"], "bulkSMSMode": ["1"], "from": ["SHOP"], "to": [PHONE], "message": ["Hello"]}
    assert server.asked == [("/version1/messaging", "k", form)]


def test_a_connection_that_does_not_come_about_is_a_safe_retry(monkeypatch):
    monkeypatch.setattr("sms.gateway.CONNECT_SECONDS", 0.2)
    with socket.create_server(("127.0.0.1", 0), backlog=0) as full:
        # Nobody accepts these connections, so they fill the backlog: the server ignores the next attempt to connect.
        waiting = [socket.socket() for _ in range(4)]
        for one in waiting:
            one.setblocking(False)
            one.connect_ex(full.getsockname())
        reply = send_to(f"http://127.0.0.1:{full.getsockname()[1]}")
        for one in waiting:
            one.close()
    assert (reply.state, reply.says) == ("queued", Says.FAILS)
