"""The two endpoints of the gateway."""

import asyncio
import hmac
import json
import re
import uuid
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl
from weakref import WeakSet

from aiohttp import web

from sandbox import replies
from sandbox.bell import Bell
from sandbox.faults import FaultBox, Faults
from sandbox.ledger import Entry, Ledger, Message
from sandbox.replies import Recipient
from sandbox.reports import Reporter
from sandbox.segments import PRICE, cost_in_kes, segments
from sandbox.statuses import (
    ACCEPTED_CODES,
    INSUFFICIENT_BALANCE,
    INVALID_PHONE_NUMBER,
    MAGIC_CODES,
    NOT_AUTHENTICATED,
    SENT,
    USER_IN_BLACKLIST,
    Kind,
    Mishap,
    magic_mishap,
    reply_status,
)

DEFAULT_SENDER = "AFRICASTKNG"
MOST_RECIPIENTS = 10_000
_E164 = re.compile(r"\+[1-9][0-9]{7,14}")


@dataclass(frozen=True, slots=True)
class Submission:
    """What one request asks for: `text` to each of `numbers`, in the name of `sender`."""

    numbers: list[str]
    text: str
    sender: str


class Traffic:
    """Counts what reaches the two endpoints, accepted or not."""

    def __init__(self) -> None:
        """Nothing seen yet."""
        self.requests = 0
        self.connections = 0
        self.rejected: Counter[int] = Counter()
        self._open: WeakSet[asyncio.Transport] = WeakSet()

    def saw(self, request: web.Request) -> None:
        """Count `request`, and its connection if this is the first request on it."""
        self.requests += 1
        if request.transport is not None and request.transport not in self._open:
            self._open.add(request.transport)
            self.connections += 1

    def as_json(self) -> dict[str, Any]:
        """Requests and connections since the start, and rejected recipients by status code."""
        return {
            "requests": self.requests,
            "connections": self.connections,
            "rejected": {str(code): count for code, count in sorted(self.rejected.items())},
        }


class Gateway:
    """Takes messages, writes the accepted ones to the ledger, and answers as the faults in force say."""

    def __init__(
        self, *, ledger: Ledger, faults: FaultBox, reporter: Reporter, bell: Bell, api_key: str | None
    ) -> None:
        """api_key: the only valid key; None: any key that is not empty."""
        self.traffic = Traffic()
        self._ledger = ledger
        self._faults = faults
        self._reporter = reporter
        self._bell = bell
        self._api_key = api_key

    async def messaging(self, request: web.Request) -> web.StreamResponse:
        """POST /version1/messaging, form-encoded."""
        return await self._serve(request, "application/x-www-form-urlencoded", submission_of_form)

    async def bulk(self, request: web.Request) -> web.StreamResponse:
        """POST /version1/messaging/bulk, JSON."""
        return await self._serve(request, "application/json", submission_of_json)

    async def _serve(
        self, request: web.Request, content_type: str, parse: Callable[[bytes], Submission]
    ) -> web.StreamResponse:
        self.traffic.saw(request)
        faults = self._faults.take()
        self._bell.ring()
        if faults.down:
            return replies.reset(request)
        if request.content_type != content_type:
            return web.Response(status=415, text=f"The content type has to be {content_type}")
        body = await request.read()
        if not self._is_authentic(request):
            return web.Response(status=401, text=NOT_AUTHENTICATED)
        try:
            submission = parse(body)
        except ValueError as mistake:
            return web.Response(status=400, text=str(mistake))
        return await self._answer(request, submission, faults)

    def _is_authentic(self, request: web.Request) -> bool:
        given = request.headers.get("apiKey", "")
        if self._api_key is None:
            return bool(given)
        return hmac.compare_digest(given.encode("utf-8", "replace"), self._api_key.encode())

    async def _answer(self, request: web.Request, submission: Submission, faults: Faults) -> web.StreamResponse:
        mishap = next(filter(None, map(magic_mishap, submission.numbers)), None) or faults.mishap()
        taking = self._take_in(submission, faults, accept=mishap is None or mishap.accepted)
        try:
            # A client that disconnects while it waits does not cancel its message: the gateway has received it.
            recipients = await asyncio.shield(taking)
        except OSError as error:
            return web.Response(status=500, text=f"The ledger cannot be written: {error.strerror or error}")
        if mishap is None:
            return _proper(request, recipients)
        return await _go_wrong(request, recipients, mishap, faults)

    async def _take_in(self, submission: Submission, faults: Faults, *, accept: bool) -> list[Recipient]:
        latency_s = faults.latency_s()
        if latency_s:
            await asyncio.sleep(latency_s)
        if not accept:
            return []
        recipients, messages = self._judge(submission, faults)
        entries: list[Entry] = self._ledger.append(messages) if messages else []
        self._bell.ring()
        await self._reporter.follow(entries)
        return recipients

    def _judge(self, submission: Submission, faults: Faults) -> tuple[list[Recipient], list[Message]]:
        parts = segments(submission.text)
        price = PRICE * parts
        recipients, messages = [], []
        for number in submission.numbers:
            code = self._code_for(number, price, faults)
            if code not in ACCEPTED_CODES:
                self.traffic.rejected[code] += 1
                recipients.append(Recipient(number, code, reply_status(code), "0", "None", 0))
                continue
            message_id, cost = f"ATXid_{uuid.uuid4().hex}", cost_in_kes(price)
            recipients.append(Recipient(number, code, reply_status(code), cost, message_id, parts))
            messages.append(Message(number, submission.sender, submission.text, message_id, cost, parts, code))
        return recipients, messages

    def _code_for(self, number: str, price: int, faults: Faults) -> int:
        if not _E164.fullmatch(number):
            return INVALID_PHONE_NUMBER
        if number in self._faults.opted_out:
            return USER_IN_BLACKLIST
        code = MAGIC_CODES.get(number[-6:]) or faults.status_code or SENT
        if code in ACCEPTED_CODES and not self._faults.charge(price):
            return INSUFFICIENT_BALANCE
        return code


def submission_of_form(body: bytes) -> Submission:
    """The submission of a form with `username, to, message, from`. Raises ValueError with what is missing."""
    form = dict(parse_qsl(body.decode("utf-8", "replace"), keep_blank_values=True, max_num_fields=100))
    numbers = [number.strip() for number in form.get("to", "").split(",")]
    return _checked(form.get("username"), numbers, form.get("message"), form.get("from"))


def submission_of_json(body: bytes) -> Submission:
    """The submission of `{"username", "phoneNumbers", "message", "senderId"}`, or ValueError."""
    try:
        given = json.loads(body)
    except (ValueError, RecursionError):
        raise ValueError("The body is not JSON") from None
    if not isinstance(given, dict):
        raise ValueError("The body has to be a JSON object")
    numbers = given.get("phoneNumbers")
    if not isinstance(numbers, list) or not all(isinstance(number, str) for number in numbers):
        raise ValueError("phoneNumbers has to be a list of strings")
    return _checked(given.get("username"), numbers, given.get("message"), given.get("senderId"))


def _checked(username: object, numbers: list[str], text: object, sender: object) -> Submission:
    if not isinstance(username, str) or not username.strip():
        raise ValueError("The request is missing the required field: username")
    numbers = [number for number in numbers if number]
    if not numbers:
        raise ValueError("The request is missing the required field: to")
    if len(numbers) > MOST_RECIPIENTS:
        raise ValueError(f"At most {MOST_RECIPIENTS} recipients at a time")
    if not isinstance(text, str) or not text:
        raise ValueError("The request is missing the required field: message")
    if sender is not None and not isinstance(sender, str):
        raise ValueError("senderId has to be a string")
    return Submission(numbers, text, sender or DEFAULT_SENDER)


def _proper(request: web.Request, recipients: list[Recipient]) -> web.Response:
    accepted = [recipient for recipient in recipients if recipient.status_code in ACCEPTED_CODES]
    total = cost_in_kes(sum(PRICE * recipient.parts for recipient in accepted))
    return replies.answer(request, f"Sent to {len(accepted)}/{len(recipients)} Total Cost: {total}", recipients)


async def _go_wrong(
    request: web.Request, recipients: list[Recipient], mishap: Mishap, faults: Faults
) -> web.StreamResponse:
    match mishap.kind:
        case Kind.HANG:
            # Cancelled when the client disconnects or the stand-in stops.
            await asyncio.Event().wait()
        case Kind.RESET:
            return replies.reset(request)
        case Kind.GARBAGE:
            return replies.garbage()
        case Kind.HTTP:
            return replies.http_error(mishap.http_status, retry_after_s=faults.retry_after_s)
        case Kind.EMPTY:
            return replies.answer(request, "InvalidSenderId", [])
        case Kind.TRICKLE:
            return await replies.trickle(request, _proper(request, recipients), wait_s=mishap.ms / 1000)
        case Kind.SLOW:
            await asyncio.sleep(mishap.ms / 1000)
    return _proper(request, recipients)
