"""The customer's phone: the page's files and the stream of events that feeds it."""

import asyncio
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

from aiohttp import web

from sandbox.bell import Bell
from sandbox.ledger import Ledger

SHOWN = 200
MOST_STREAMS = 50
SECONDS_BETWEEN_SIGNS_OF_LIFE = 15.0
SECONDS_BETWEEN_EVENTS = 0.1
FILES = {
    "/": ("index.html", "text/html"),
    "/phone.css": ("phone.css", "text/css"),
    "/phone.js": ("phone.js", "text/javascript"),
    "/icon.svg": ("icon.svg", "image/svg+xml"),
}


class Phone:
    """Serves the page, and streams messages to it as they are accepted."""

    def __init__(self, *, ledger: Ledger, bell: Bell, state: Callable[[], dict[str, Any]]) -> None:
        """state: what the page shows beside the messages."""
        self._ledger = ledger
        self._bell = bell
        self._state = state
        self._streams = 0
        folder = Path(__file__).parent / "page"
        self._files = {path: ((folder / name).read_bytes(), kind) for path, (name, kind) in FILES.items()}

    def routes(self) -> list[web.RouteDef]:
        """The page's files and /events."""
        return [*(web.get(path, self.file) for path in FILES), web.get("/events", self.events)]

    async def file(self, request: web.Request) -> web.Response:
        """One of FILES."""
        body, kind = self._files[request.path]
        return web.Response(body=body, content_type=kind, charset="utf-8", headers={"Cache-Control": "no-cache"})

    async def events(self, request: web.Request) -> NoReturn:
        """GET /events: `messages` with a list of ledger entries and `state`, at most ten of each a second.

        The first `messages` holds the latest SHOWN; when more come at once, the oldest are left out.
        """
        if self._streams >= MOST_STREAMS:
            raise web.HTTPServiceUnavailable(text="Too many pages are open", headers={"Retry-After": "5"})
        self._streams += 1
        try:
            stream = web.StreamResponse(headers={"Content-Type": "text/event-stream", "Cache-Control": "no-store"})
            await stream.prepare(request)
            await self._tell(stream)
        finally:
            self._streams -= 1

    async def _tell(self, stream: web.StreamResponse) -> NoReturn:
        told_sequence, told_state = 0, ""
        while True:
            seen = self._bell.rung
            latest = self._ledger.entries(limit=SHOWN)
            fresh = [entry.as_json() for entry in latest if entry.sequence > told_sequence]
            if fresh or not told_state:
                told_sequence = latest[-1].sequence if latest else 0
                await stream.write(_event("messages", json.dumps(fresh)))
            state = json.dumps(self._state())
            if state != told_state:
                told_state = state
                await stream.write(_event("state", state))
            try:
                await asyncio.wait_for(self._bell.wait(seen), SECONDS_BETWEEN_SIGNS_OF_LIFE)
            except TimeoutError:
                await stream.write(b": still here\n\n")
            await asyncio.sleep(SECONDS_BETWEEN_EVENTS)


def _event(name: str, data: str) -> bytes:
    return f"event: {name}\ndata: {data}\n\n".encode()
