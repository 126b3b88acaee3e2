"""The gateway's answers, byte for byte what a client of the real one reads."""

import asyncio
import html
import json
import re
import socket
import struct
from dataclasses import dataclass
from typing import Any

from aiohttp import web

from sandbox.statuses import HTTP_FAULTS

GARBAGE = b'{"SMSMessageData":{"Message":"Sent to 1/1 Total Co\x00\xff\xfe<html>'
_NOT_IN_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


@dataclass(frozen=True, slots=True)
class Recipient:
    """What became of one recipient. On a rejection cost is `0` and message_id the word `None`."""

    number: str
    status_code: int
    status: str
    cost: str
    message_id: str
    parts: int

    def as_json(self) -> dict[str, Any]:
        """The recipient as the gateway names its fields."""
        return {
            "statusCode": self.status_code,
            "number": self.number,
            "status": self.status,
            "cost": self.cost,
            "messageId": self.message_id,
            "messageParts": self.parts,
        }


def answer(request: web.Request, message: str, recipients: list[Recipient]) -> web.Response:
    """A 201 with `message` and `recipients`: XML, or JSON when the request's Accept asks for it."""
    if "application/json" in request.headers.get("Accept", ""):
        data = {"Message": message, "Recipients": [recipient.as_json() for recipient in recipients]}
        body, content_type = json.dumps({"SMSMessageData": data}).encode(), "application/json"
    else:
        body, content_type = _xml(message, recipients).encode(), "application/xml"
    return web.Response(status=201, body=body, content_type=content_type, charset="utf-8")


def http_error(status: int, *, retry_after_s: int) -> web.Response:
    """A plain-text error; 429 and 503 have a Retry-After."""
    headers = {"Retry-After": str(retry_after_s)} if status in {429, 503} else None
    return web.Response(status=status, text=HTTP_FAULTS[status], headers=headers)


def garbage() -> web.Response:
    """A 201 that claims to be JSON and is not."""
    return web.Response(status=201, body=GARBAGE, content_type="application/json")


def reset(request: web.Request) -> web.Response:
    """Close the connection with a TCP RST; the returned response is never sent."""
    if request.transport is not None:
        # With SO_LINGER at 0 seconds, close sends RST instead of FIN and discards unsent data.
        connection = request.transport.get_extra_info("socket")
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        request.transport.abort()
    return web.Response()


async def trickle(request: web.Request, whole: web.Response, *, wait_s: float) -> web.StreamResponse:
    """Answer `whole` one byte at a time, `wait_s` seconds before each."""
    body = whole.body if isinstance(whole.body, bytes) else b""
    response = web.StreamResponse(status=whole.status, headers={"Content-Type": whole.headers["Content-Type"]})
    response.content_length = len(body)
    await response.prepare(request)
    for place in range(len(body)):
        await asyncio.sleep(wait_s)
        await response.write(body[place : place + 1])
    return response


def _xml(message: str, recipients: list[Recipient]) -> str:
    listed = "".join(
        "<Recipient>"
        + "".join(f"<{name}>{_xml_text(value)}</{name}>" for name, value in recipient.as_json().items())
        + "</Recipient>"
        for recipient in recipients
    )
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n<AfricasTalkingResponse><SMSMessageData>'
        f"<Message>{_xml_text(message)}</Message><Recipients>{listed}</Recipients>"
        "</SMSMessageData></AfricasTalkingResponse>"
    )


def _xml_text(value: object) -> str:
    return html.escape(_NOT_IN_XML.sub("\ufffd", str(value)))
