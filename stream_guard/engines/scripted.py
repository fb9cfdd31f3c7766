"""The scripted engine: deterministic replies after deterministic delays, for tests, load and the simulator."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from heapq import heappop, heappush

from stream_guard.engines.completions import Mailbox
from stream_guard.engines.port import Ask, AskId, Completion, EngineIdentity, Failure, FailureKind, Usage
from stream_guard.engines.scripts import Delay, Script, ShareScript
from stream_guard.errors import EngineUnavailable

SCRIPTED = EngineIdentity(name="scripted", version="1", model="scripted", manifest="scripted", max_model_len=131_072)
"""Who judges where nobody does."""

_COMPLETION_TOKENS = 1


class ScriptedEngine:
    """An engine that follows a script.

    Without a delay an ask is complete when `submit` returns, at the cost of a few microseconds; with one, all open
    asks share one timer. `outage` and `recover` take it down and up again.
    """

    def __init__(self, script: Script, delay: Delay | None = None, identity: EngineIdentity = SCRIPTED) -> None:
        self._script = script
        self._delay = delay
        self._identity = identity
        self._mailbox = Mailbox()
        self._open: dict[AskId, Ask] = {}
        self._due: list[tuple[float, int, Ask]] = []
        self._sequence = 0
        self._timer: asyncio.TimerHandle | None = None
        self._outage: str | None = None

    @property
    def identity(self) -> EngineIdentity:
        """Who judges."""
        return self._identity

    def submit(self, asks: Sequence[Ask]) -> None:
        """Takes asks; see the port."""
        if self._outage is not None:
            self._mailbox.put([self._unavailable(ask) for ask in asks])
        elif self._delay is None:
            self._mailbox.put(self._completed(asks))
        else:
            self._schedule(asks, self._delay)

    async def completions(self) -> Sequence[Completion]:
        """Waits for at least one completion, returns all there are."""
        return await self._mailbox.take()

    def cancel(self, ask_ids: Iterable[AskId]) -> None:
        """Forgets asks that are not complete."""
        for ask_id in ask_ids:
            self._open.pop(ask_id, None)

    async def health(self) -> None:
        """Raises EngineUnavailable during an outage."""
        if self._outage is not None:
            raise EngineUnavailable(self._outage)

    def outage(self, reason: str = "a scripted outage") -> None:
        """Takes the engine down: open asks and those to come end as unavailable."""
        self._outage = reason
        self._mailbox.put([self._unavailable(ask) for ask in self._open.values()])
        self._open.clear()

    def recover(self) -> None:
        """Brings the engine back."""
        self._outage = None

    @property
    def open(self) -> int:
        """How many asks are taken and not complete."""
        return len(self._open)

    def close(self) -> None:
        """Drops what is open."""
        self._open.clear()
        self._due.clear()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _completed(self, asks: Sequence[Ask]) -> list[Completion]:
        """The completions of asks whose time has come. One that is never answered stays open until it is cancelled."""
        done: list[Completion] = []
        for ask in asks:
            completion = self._completion(ask, 0.0 if self._delay is None else self._delay(ask))
            if completion is None:
                self._open[ask.id] = ask
            else:
                done.append(completion)
        return done

    def _completion(self, ask: Ask, seconds: float) -> Completion | None:
        length = len(ask.prompt)
        if length >= self._identity.max_model_len:
            return Completion(ask.id, Failure(FailureKind.TOO_LONG, f"the prompt has {length} tokens"))
        reply = self._script(ask)
        if reply is None:
            return None
        usage = Usage(prompt_tokens=length, completion_tokens=_COMPLETION_TOKENS, engine_s=seconds)
        return Completion(ask.id, reply, usage)

    def _unavailable(self, ask: Ask) -> Completion:
        return Completion(ask.id, Failure(FailureKind.UNAVAILABLE, self._outage or "unavailable"))

    def _schedule(self, asks: Sequence[Ask], delay: Delay) -> None:
        now = asyncio.get_running_loop().time()
        for ask in asks:
            self._sequence += 1
            self._open[ask.id] = ask
            heappush(self._due, (now + delay(ask), self._sequence, ask))
        self._arm()

    def _arm(self) -> None:
        """Sets the one timer to the next due ask."""
        if self._timer is not None:
            self._timer.cancel()
        self._timer = asyncio.get_running_loop().call_at(self._due[0][0], self._ring) if self._due else None

    def _ring(self) -> None:
        now = asyncio.get_running_loop().time()
        due: list[Ask] = []
        while self._due and self._due[0][0] <= now:
            _, _, ask = heappop(self._due)
            if self._open.get(ask.id) is ask:  # neither cancelled nor failed in an outage
                del self._open[ask.id]
                due.append(ask)
        self._mailbox.put(self._completed(due))
        self._arm()

    def __repr__(self) -> str:
        state = "up" if self._outage is None else "down"
        return f"ScriptedEngine({state}, {len(self._open)} open, {len(self._mailbox)} complete)"


@asynccontextmanager
async def scripted_engine(
    script: Script | None = None, delay: Delay | None = None, identity: EngineIdentity = SCRIPTED
) -> AsyncIterator[ScriptedEngine]:
    """Opens a scripted engine (a fifth of all contents violates where no script is given)."""
    engine = ScriptedEngine(script or ShareScript(), delay, identity)
    try:
        yield engine
    finally:
        engine.close()
