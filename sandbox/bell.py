"""Wakes whoever shows the stand-in's state when something has changed."""

import asyncio


class Bell:
    """Rung by whatever changes; waited for by the page's event streams."""

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
        """Return when it was rung after `seen`, at once if it was already."""
        if self.rung == seen:
            await self._event.wait()
