"""The client for Africa's Talking: one request per message, and what its reply means.

Source of the rules: Africa's Talking's "Bulk SMS" documentation. Only this module decides what a failure means.
"""

import re
from dataclasses import dataclass, replace
from enum import Enum
from types import TracebackType
from typing import Any, Self

import aiohttp

from savannah.logs import request_id
from savannah.text import storable

CONNECT_SECONDS = 1.0
# Shorter than the idle timeouts of the load balancers we know: when one closes a connection while we write, nobody
# knows whether the message was sent.
KEEPALIVE_SECONDS = 15.0
LONGEST_RETRY_AFTER = 300.0

ACCEPTED = {100, 101, 102}
REJECTED = {401, 403, 404, 406, 407}
TRY_AGAIN = {500, 501, 502}
WAIT_FOR_FUNDS_OR_SENDER = {402, 405}
WAIT_FOR_HOURS = {409}
HOURS_SECONDS = 1800.0
REFUSED_FOR_ITSELF = {400, 413, 422}


class Says(Enum):
    """What a reply says about the gateway itself, whatever happened to the message."""

    WORKS = "works"
    FAILS = "fails"
    BUSY = "busy"
    # Every other message would be refused, too, until someone acts.
    REFUSES = "refuses"


@dataclass(frozen=True)
class Reply:
    """The result of one send. `state` is the message's next state.

    `retry_after` is in seconds: the earliest retry of this message and, if the gateway is BUSY, of any message.
    """

    state: str
    reason: str = ""
    says: Says = Says.WORKS
    provider_message_id: str = ""
    cost: str = ""
    http_status: int | None = None
    retry_after: float | None = None


class Gateway:
    """A pool of keep-alive connections to the gateway. Use as an async context manager."""

    def __init__(self, *, base_url: str, api_key: str, username: str, sender: str, send_seconds: float) -> None:
        self.name = base_url[:200]
        self._url = f"{base_url}/version1/messaging"
        self._form = {"username": username, "bulkSMSMode": "1", **({"from": sender} if sender else {})}
        self._headers = {"apiKey": api_key, "Accept": "application/json"}
        self._send_seconds = send_seconds

    async def __aenter__(self) -> Self:
        self._session = aiohttp.ClientSession(
            # The worker limits the sends in flight; with a limit here, sends would use up their timeout waiting.
            connector=aiohttp.TCPConnector(limit=0, keepalive_timeout=KEEPALIVE_SECONDS),
            headers=self._headers,
            timeout=aiohttp.ClientTimeout(total=self._send_seconds, sock_connect=CONNECT_SECONDS),
            cookie_jar=aiohttp.DummyCookieJar(),
        )
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._session.close()

    async def send(self, phone_number: str, body: str) -> Reply:
        """Ask the gateway to send `body` to `phone_number` (E.164); return network errors as replies, raise none."""
        form = {**self._form, "to": phone_number, "message": body}
        headers = {"X-Request-ID": request_id.get()} if request_id.get() else None
        try:
            async with self._session.post(self._url, data=form, headers=headers, allow_redirects=False) as response:
                return replace(await _read_reply(response), http_status=response.status)
        except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError) as error:
            # Nothing was sent: a retry is safe.
            return Reply("queued", f"no connection: {type(error).__name__}", Says.FAILS)
        except (aiohttp.ClientError, TimeoutError, ConnectionError) as error:
            return Reply("unknown", f"no reply: {type(error).__name__}", Says.FAILS)


async def _read_reply(response: aiohttp.ClientResponse) -> Reply:
    reason = f"HTTP {response.status}"
    if 200 <= response.status < 300:
        try:
            return read_recipients(await response.json(content_type=None))
        except (ValueError, TypeError, LookupError, AttributeError, ArithmeticError, RecursionError):
            return Reply("unknown", "the gateway's reply was not understood", Says.FAILS)
    if response.status in {429, 503}:
        return Reply("queued", reason, Says.BUSY, retry_after=_seconds(response.headers.get("Retry-After")))
    if response.status >= 500:
        return Reply("unknown", reason, Says.FAILS)
    if response.status in REFUSED_FOR_ITSELF:
        return Reply("rejected", reason)
    # 401 and 403: the API key is wrong. Others (a redirect, 404): the address is wrong. The message is not at fault.
    return Reply("queued", f"{reason}: the gateway refuses us", Says.REFUSES)


def _seconds(value: str | None) -> float | None:
    return min(float(value), LONGEST_RETRY_AFTER) if value and value.isdecimal() else None


def read_recipients(reply: Any) -> Reply:
    """Return what a 2xx reply says about its one recipient; raise if its structure is not the documented one."""
    data = reply["SMSMessageData"]
    if not data["Recipients"]:
        # The sender is not registered: the HTTP status says success, but nothing was sent.
        return Reply("queued", storable(data["Message"], 200), Says.REFUSES)
    recipient = data["Recipients"][0]
    code = int(recipient["statusCode"])
    reason = storable(f"{recipient['statusCode']} {recipient.get('status', '')}".strip(), 200)
    if code in ACCEPTED and recipient.get("messageId"):
        id_, cost = recipient["messageId"], recipient.get("cost", "")
        return Reply("accepted", provider_message_id=storable(id_, 100), cost=storable(cost, 30))
    if code in REJECTED:
        return Reply("rejected", reason)
    if code in WAIT_FOR_FUNDS_OR_SENDER:
        return Reply("queued", reason, Says.REFUSES)
    if code in WAIT_FOR_HOURS:
        return Reply("queued", reason, retry_after=HOURS_SECONDS)
    if code in TRY_AGAIN:
        return Reply("queued", reason)
    # A code that we do not know may mean that the message was sent. And without an id, the report of an accepted one
    # can only be matched by the phone number, as it is done for unknown ones.
    return Reply("unknown", reason, Says.FAILS)


def masked(reason: str) -> str:
    """Return the gateway's words for others. Six or more digits, however grouped, are masked as a phone number."""
    return re.sub(r"\d(?:[ ().-]{0,2}\d){5,}", "***", reason)
