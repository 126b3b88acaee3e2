"""The client for Africa's Talking: one request a message, and what its reply means.

Source of the rules: Africa's Talking's "Bulk SMS" documentation; the meaning of a failure is decided here alone.
"""

from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self

import aiohttp

CONNECT_SECONDS = 1.0
SEND_SECONDS = 25.0

ACCEPTED = {100, 101, 102}
REJECTED = {401, 403, 404, 406, 407}
WAIT_FOR_FUNDS_OR_SENDER = {402, 405}
WAIT_FOR_HOURS = {409}


@dataclass(frozen=True)
class Reply:
    """What became of one send. `state` is the message's next state; `pause` says that no other send would fare better.

    `retry_after` is the gateway's own wish in seconds (RFC 9110, 10.2.3), if it had one.
    """

    state: str
    reason: str = ""
    provider_message_id: str = ""
    cost: str = ""
    pause: bool = False
    retry_after: float | None = field(default=None)


class Gateway:
    """A pool of kept-alive connections to the gateway. Use as an async context manager."""

    def __init__(self, *, base_url: str, api_key: str, username: str, sender: str, connections: int) -> None:
        self._url = f"{base_url}/version1/messaging"
        self._form = {"username": username, "bulkSMSMode": "1", **({"from": sender} if sender else {})}
        self._headers = {"apiKey": api_key, "Accept": "application/json"}
        self._connections = connections

    async def __aenter__(self) -> Self:
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=self._connections, keepalive_timeout=30),
            headers=self._headers,
            timeout=aiohttp.ClientTimeout(total=SEND_SECONDS, sock_connect=CONNECT_SECONDS),
            cookie_jar=aiohttp.DummyCookieJar(),
        )
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._session.close()

    async def send(self, phone_number: str, body: str) -> Reply:
        """Ask the gateway to send `body` to `phone_number` (E.164); never raises for what the network does."""
        form = {**self._form, "to": phone_number, "message": body}
        try:
            async with self._session.post(self._url, data=form, allow_redirects=False) as response:
                return await _read_reply(response)
        except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError) as error:
            # Nothing was written: to try again is safe.
            return Reply("queued", f"no connection: {type(error).__name__}")
        except (aiohttp.ClientError, TimeoutError, ConnectionError) as error:
            return Reply("unknown", f"no reply: {type(error).__name__}")


async def _read_reply(response: aiohttp.ClientResponse) -> Reply:
    if response.status in {200, 201}:
        try:
            return read_recipients(await response.json(content_type=None))
        except (ValueError, TypeError, LookupError, AttributeError):
            return Reply("unknown", "the gateway's reply was not understood")
    if response.status in {401, 403}:
        return Reply("queued", "the gateway refused our API key", pause=True)
    if response.status in {429, 503}:
        return Reply("queued", f"HTTP {response.status}", retry_after=_seconds(response.headers.get("Retry-After")))
    if response.status >= 500:
        return Reply("unknown", f"HTTP {response.status}")
    return Reply("rejected", f"HTTP {response.status}")


def _seconds(value: str | None) -> float | None:
    return min(float(value), 300.0) if value and value.isdecimal() else None


def read_recipients(reply: Any) -> Reply:
    """Return what a 2xx reply says of its one recipient; raises when it has another shape."""
    data = reply["SMSMessageData"]
    if not data["Recipients"]:
        # An unregistered sender: success by its status, and nothing was sent.
        return Reply("queued", str(data["Message"])[:200], pause=True)
    recipient = data["Recipients"][0]
    code, reason = int(recipient["statusCode"]), f"{recipient['statusCode']} {recipient['status']}"[:200]
    if code in ACCEPTED:
        return Reply(
            "accepted",
            provider_message_id=str(recipient["messageId"])[:100],
            cost=str(recipient["cost"])[:30],
        )
    if code in REJECTED:
        return Reply("rejected", reason)
    return Reply("queued", reason, pause=code in WAIT_FOR_FUNDS_OR_SENDER, retry_after=_until_hours(code))


def _until_hours(code: int) -> float | None:
    return 1800.0 if code in WAIT_FOR_HOURS else None
