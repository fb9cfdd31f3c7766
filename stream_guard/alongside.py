"""Runs something while a block lasts, and lets no failure of it go unnoticed."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager


@asynccontextmanager
async def alongside(running: Coroutine[object, object, None]) -> AsyncIterator[None]:
    """Ends it with the block. What it raises ends the block, and is raised by it as it is."""
    try:
        async with asyncio.TaskGroup() as group:
            task = group.create_task(running)
            yield
            task.cancel()
    except ExceptionGroup as failures:
        raise failures.exceptions[0] from failures
