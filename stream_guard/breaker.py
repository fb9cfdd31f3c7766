"""The breaker: open while the engine is unavailable. It opens at the first sure sign of it, and closes by itself.

What is no sure sign (many asks fail, each for a moment) only raises doubt: then a trial ask, about a harmless content, says
whether the engine is to blame, which opens the breaker, or the asks, which run out of their time. It closes where the engine
is healthy and has answered a trial: a server that lists its models and fails every ask stays out, and no content that
fails can keep the breaker open.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Sequence
from itertools import count

from msgspec.structs import replace

from stream_guard.engines.doubt import Doubt, answered
from stream_guard.engines.port import Ask, AskId, Completion, Engine, Failure
from stream_guard.errors import EngineUnavailable
from stream_guard.telemetry.port import Telemetry

_TRIAL_IDS = count(-1_000_000_000, -1)
"""No ask of a case has a negative id, and no warm-up one as low."""


class Breaker:
    """Watches the engine's health every `probe_s` seconds. `opened` is called at every sign of an outage, `closed` once at its end.

    Without a `trial` doubt is not followed up, and the engine's health alone closes it.
    """

    def __init__(
        self,
        engine: Engine,
        telemetry: Telemetry,
        probe_s: float,
        trial_s: float = 15.0,
        *,
        opened: Callable[[], None],
        closed: Callable[[], None],
        trial: Ask | None = None,
    ) -> None:
        self._engine, self._telemetry, self._probe_s = engine, telemetry, probe_s
        self._opened, self._closed = opened, closed
        self._trial, self._trial_s = trial, trial_s
        self._doubt = Doubt()
        self._doubted = asyncio.Event()
        self._vouched = False
        self._awaited: tuple[AskId, asyncio.Future[Completion]] | None = None
        self.reason: str | None = None
        """Why the engine is unavailable, None while it is not."""

    def trip(self, reason: str) -> None:
        """An ask came back because the engine is unavailable, or a probe found it so."""
        self._opened()
        if self.reason is None:
            self._telemetry.engine_up(up=False, reason=reason)
        self.reason = reason

    def heard(self, completions: Sequence[Completion]) -> None:
        """These asks ended; the trial's end may be among them."""
        if self._awaited is not None:
            ask_id, answer = self._awaited
            for done in completions:
                if done.ask_id == ask_id and not answer.done():
                    answer.set_result(done)
        if self.reason is None:
            self._doubt.count(completions)
            self._follow_up()

    def tries(self, trial: Ask | None) -> None:
        """From now on this is the trial: the policy of the one before may be gone."""
        self._trial = trial

    @property
    def in_doubt(self) -> bool:
        """Whether it is open, or may have to: so long no case can be given up for what the engine failed to do.

        A trial that was answered vouches for the engine until the next probe: a flood of contents that fail must neither be
        kept for ever, nor cost a trial each.
        """
        if self.reason is not None or self._trial is None or self._vouched:
            return self.reason is not None
        return self._awaited is not None or self._doubt.arises

    def unheard(self, asks: int) -> None:
        """So many asks were given up, because nothing was heard of them for too long."""
        if self.reason is None:
            self._doubt.unanswered(asks)
            self._follow_up()

    async def watch(self) -> None:
        """Probes for ever; sooner where doubt arises."""
        while True:
            try:
                await self._engine.health()
                if self._trial is not None and (self.reason is not None or self._doubt.arises):
                    await self._try(self._trial)
                    self._vouched = True
            except EngineUnavailable as error:
                self.trip(str(error))
            else:
                self._close()
            await self._pause()
            self._vouched = False
            self._doubted.clear()

    async def _try(self, trial: Ask) -> None:
        """Asks, and waits for the answer. Raises EngineUnavailable where none comes, or one that says that the engine fails."""
        ask_id = AskId(next(_TRIAL_IDS))
        answer: asyncio.Future[Completion] = asyncio.get_running_loop().create_future()
        self._awaited = ask_id, answer
        self._engine.submit([replace(trial, id=ask_id)])
        try:
            async with asyncio.timeout(self._trial_s):
                done = await answer
        except TimeoutError as error:
            self._engine.cancel([ask_id])
            raise EngineUnavailable(f"a trial ask was not answered within {self._trial_s:g} s") from error
        finally:
            self._awaited = None
            self._doubt.dispel()
        if not answered(done):
            detail = done.reply.detail if isinstance(done.reply, Failure) else ""
            raise EngineUnavailable(f"a trial ask failed: {detail}")

    async def _pause(self) -> None:
        """Waits for the next probe. Doubt brings it forward, but not while the breaker is open, nor right after a trial."""
        if self.reason is not None or self._vouched:
            await asyncio.sleep(self._probe_s)
            return
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._probe_s):
                await self._doubted.wait()

    def _follow_up(self) -> None:
        if self.reason is None and self._awaited is None and self._doubt.arises:
            self._doubted.set()

    def _close(self) -> None:
        if self.reason is not None:
            self.reason = None
            self._telemetry.engine_up(up=True)
            self._closed()
