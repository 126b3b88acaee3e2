"""A gateway that only accepts everything after a delay, so that it is not the bottleneck of a measurement.

HTTP/1.1 directly on asyncio's protocols: many times faster than the stand-in, which keeps a ledger and has faults.
`GET /delay/300` sets the delay to 300 ms.
"""

import argparse
import asyncio
import itertools

import uvloop

_numbers = itertools.count(1)
_CONTROL = b"GET /delay/"


class Accept(asyncio.Protocol):
    """One kept-alive connection; clients send one request at a time."""

    delay = 0.0

    def __init__(self) -> None:
        self._buffer = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        while (request := self._whole_request()) is not None:
            if self._buffer.startswith(_CONTROL):
                Accept.delay = int(self._buffer[len(_CONTROL) :].split(b" ", 1)[0]) / 1000
                self._answer()
            elif self.delay:
                asyncio.get_running_loop().call_later(self.delay, self._answer)
            else:
                self._answer()
            self._buffer = self._buffer[request:]

    def _whole_request(self) -> int | None:
        head, found, _ = self._buffer.partition(b"\r\n\r\n")
        if not found:
            return None
        length = 0
        for line in head.split(b"\r\n")[1:]:
            name, _, value = line.partition(b":")
            if name.lower() == b"content-length":
                length = int(value)
        end = len(head) + 4 + length
        return end if len(self._buffer) >= end else None

    def _answer(self) -> None:
        body = (
            b'{"SMSMessageData":{"Message":"Sent to 1/1 Total Cost: KES 0.8000","Recipients":[{"statusCode":101,'
            b'"number":"+254712345678","status":"Success","cost":"KES 0.8000","messageId":"ATXid_%d"}]}}'
        ) % next(_numbers)
        head = b"HTTP/1.1 201 Created\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(body)
        if not self._transport.is_closing():
            self._transport.write(head + body)


async def _serve(port: int) -> None:
    server = await asyncio.get_running_loop().create_server(Accept, "127.0.0.1", port, backlog=2048)
    await server.serve_forever()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    uvloop.run(_serve(parser.parse_args().port))
