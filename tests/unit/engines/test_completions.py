"""The mailbox."""

from __future__ import annotations

import asyncio

import pytest

from stream_guard.engines.completions import Mailbox
from stream_guard.engines.port import AskId, Completion, Labels


def make_completion(ask_id: int) -> Completion:
    """A completion of an ask."""
    return Completion(AskId(ask_id), Labels({}))


async def test_all_that_is_there_is_taken_at_once() -> None:
    """One take empties the mailbox, in the order of arrival."""
    mailbox = Mailbox()
    mailbox.put([make_completion(1), make_completion(2)])
    mailbox.put([make_completion(3)])
    assert [done.ask_id for done in await mailbox.take()] == [1, 2, 3]
    assert len(mailbox) == 0


async def test_a_waiting_taker_is_woken_once_for_many_puts() -> None:
    """What was put between the wake-up and the take comes with it."""
    mailbox = Mailbox()
    taking = asyncio.ensure_future(mailbox.take())
    await asyncio.sleep(0)
    mailbox.put([make_completion(1)])
    mailbox.put([make_completion(2)])
    assert len(await taking) == 2


async def test_putting_nothing_wakes_nobody() -> None:
    """An empty batch is no completion."""
    mailbox = Mailbox()
    taking = asyncio.ensure_future(mailbox.take())
    await asyncio.sleep(0)
    mailbox.put([])
    await asyncio.sleep(0)
    assert not taking.done()
    taking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await taking
