"""Wakes the page's event streams when the stand-in's state has changed."""

import asyncio


class Bell:
    """Every change rings it; the page's event streams wait for it."""

    def __init__(self) -> None:
        """Not rung yet."""
        self.rung = 0
        self._event = asyncio.Event()

    def ring(self) -> None:
        """Something has changed."""
        self.rung += 1
        self._event.set()
        self._event.clear()

    async def wait(self, seen: int) -> None:
        """Wait until `rung` differs from `seen`; return at once if it already does."""
        if self.rung == seen:
            await self._event.wait()
