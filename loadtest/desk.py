"""An engine that is asked one thing at a time by many at once: each waits for its own answer."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from itertools import count

from stream_guard.engines.port import Ask, AskId, Completion, Engine, Failure, Read


class Desk:
    """Hands each completion to whoever asked. Made by `open_desk`."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._ids = count(1)
        self._open: dict[AskId, asyncio.Future[Completion]] = {}

    async def ask(self, prompt: Sequence[int], read: Read) -> Completion:
        """How one ask ends. Raises RuntimeError where it fails: what is measured beside a failure means nothing."""
        ask = Ask(AskId(next(self._ids)), list(prompt), read)
        waited: asyncio.Future[Completion] = asyncio.get_running_loop().create_future()
        self._open[ask.id] = waited
        self._engine.submit([ask])
        done = await waited
        if isinstance(done.reply, Failure):
            raise RuntimeError(f"an ask failed: {done.reply.kind}, {done.reply.detail}")  # noqa: TRY004 - no matter of types
        return done

    async def hand_out(self) -> None:
        """Hands out what completes, until it is cancelled."""
        while True:
            for completion in await self._engine.completions():
                self._open.pop(completion.ask_id).set_result(completion)


@asynccontextmanager
async def open_desk(engine: Engine) -> AsyncIterator[Desk]:
    """A desk in front of an engine that nobody else asks."""
    desk = Desk(engine)
    serving = asyncio.ensure_future(desk.hand_out())
    try:
        yield desk
    finally:
        serving.cancel()
        with suppress(asyncio.CancelledError):
            await serving
