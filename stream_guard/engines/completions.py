"""The mailbox in which an engine's completions wait for the one caller of `completions()`."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

from stream_guard.engines.port import Completion


class Mailbox:
    """Holds completions until they are taken, all at once. Belongs to one event loop; one taker at a time."""

    def __init__(self) -> None:
        self._held: list[Completion] = []
        self._taker: asyncio.Future[None] | None = None

    def put(self, completions: Iterable[Completion]) -> None:
        """Adds completions and wakes the taker. Never blocks."""
        self._held.extend(completions)
        if self._held and self._taker is not None and not self._taker.done():
            self._taker.set_result(None)

    async def take(self) -> list[Completion]:
        """Waits for at least one completion, takes all there are. A cancelled wait loses none."""
        while not self._held:
            self._taker = asyncio.get_running_loop().create_future()
            try:
                await self._taker
            finally:
                self._taker = None
        taken, self._held = self._held, []
        return taken

    def __len__(self) -> int:
        return len(self._held)
