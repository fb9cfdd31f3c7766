"""What runs beside a block, and what becomes of it."""

from __future__ import annotations

import asyncio

import pytest

from stream_guard.alongside import alongside


async def test_it_ends_with_the_block() -> None:
    """However long it would go on."""
    ended = asyncio.Event()

    async def running() -> None:
        try:
            await asyncio.sleep(3600)
        finally:
            ended.set()

    async with alongside(running()):
        await asyncio.sleep(0)
    assert ended.is_set()


async def test_what_it_raises_ends_the_block() -> None:
    """As it is: a bug beside the service is one of the service."""

    async def running() -> None:
        raise KeyError("chat")

    with pytest.raises(KeyError, match="chat"):
        async with alongside(running()):
            await asyncio.sleep(3600)


async def test_what_the_block_raises_is_raised_as_it_is() -> None:
    """And ends what ran beside it."""
    with pytest.raises(LookupError, match="gone"):
        async with alongside(asyncio.sleep(3600)):
            raise LookupError("gone")


async def test_a_failure_keeps_what_caused_it() -> None:
    """The group around it does not take its place: the log is to show where the bug was."""

    async def running() -> None:
        raise LookupError("the poll thread ended") from KeyError("chat")

    with pytest.raises(LookupError) as raised:
        async with alongside(asyncio.sleep(3600)), alongside(running()):
            await asyncio.sleep(3600)
    assert isinstance(raised.value.__cause__, KeyError)
