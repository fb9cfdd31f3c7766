"""What one side puts in and one reader takes out in batches: the shape of every port's waiting method."""

from __future__ import annotations

import asyncio
from typing import Generic, TypeVar

T = TypeVar("T")


class Mailbox(Generic[T]):
    """Items in their order. One reader at a time; a cancelled reader loses nothing."""

    __slots__ = ("_loop", "_waiter", "items")

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._waiter: asyncio.Future[None] | None = None
        self.items: list[T] = []

    def put(self, item: T) -> None:
        """Adds an item and wakes the reader."""
        self.items.append(item)
        self.wake()

    def wake(self) -> None:
        """Wakes the reader, if one waits."""
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    async def take(self) -> list[T]:
        """Waits for at least one item, takes all there are."""
        while not self.items:
            if self._waiter is not None:
                raise AssertionError("two callers wait at once, which the port forbids")
            self._waiter = self._loop.create_future()
            try:
                await self._waiter
            finally:
                self._waiter = None
        taken, self.items = self.items, []
        return taken
