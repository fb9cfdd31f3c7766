"""Runs something while a block lasts, and lets no failure of it go unnoticed, nor what caused it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Coroutine, Iterator
from contextlib import asynccontextmanager, contextmanager


@asynccontextmanager
async def alongside(running: Coroutine[object, object, None]) -> AsyncIterator[None]:
    """Ends it with the block. What it raises ends the block, and is raised by it as it is."""
    with first_failure():
        async with asyncio.TaskGroup() as group:
            task = group.create_task(running)
            yield
            task.cancel()


@contextmanager
def first_failure() -> Iterator[None]:
    """Raises the first failure of a task group as it is, with the cause that it has: a group around it would hide what brought it about."""
    try:
        yield
    except ExceptionGroup as failures:
        failure = failures.exceptions[0]
        raise failure from failure.__cause__
