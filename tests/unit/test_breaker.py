"""When the breaker opens, what it asks, and when it closes again."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager

import pytest
from msgspec.structs import replace

from stream_guard.breaker import Breaker
from stream_guard.engines.port import Ask, AskId, Completion, Failure, FailureKind, LabelRead, Labels
from stream_guard.engines.scripted import SCRIPTED, ScriptedEngine
from stream_guard.errors import EngineUnavailable
from stream_guard.telemetry.null import NullTelemetry

TRIAL = Ask(AskId(0), [1, 2, 3], LabelRead((1, 2)))
FAILED = Completion(AskId(7), Failure(FailureKind.TRANSIENT, "status 500"))
GOOD = Completion(AskId(7), Labels({1: -0.1, 2: -3.0}))


class Sick(ScriptedEngine):
    """An engine that is healthy, by its own account, and answers every ask as it is told."""

    def __init__(self) -> None:
        self.says: Failure | Labels | None = Failure(FailureKind.TRANSIENT, "status 500")
        self.asked: list[Ask] = []
        self.cancelled: list[AskId] = []
        super().__init__(lambda _: self.says, identity=SCRIPTED)

    def submit(self, asks: Sequence[Ask]) -> None:
        """Notes what it is asked."""
        self.asked.extend(asks)
        super().submit(asks)

    def cancel(self, ask_ids: object) -> None:
        """Notes what is given up."""
        self.cancelled.extend(ask_ids)  # type: ignore[arg-type]


class Told(NullTelemetry):
    """Notes whether the engine is said to be up."""

    def __init__(self) -> None:
        self.up: list[bool] = []

    def engine_up(self, up: bool, reason: str = "") -> None:
        """Notes it."""
        self.up.append(up)


class Rig:
    """A breaker over an engine, fed as the pipeline feeds it."""

    def __init__(self, trial: Ask | None = TRIAL, *, probe_s: float = 0.02, trial_s: float = 0.05) -> None:
        self.engine, self.telemetry = Sick(), Told()
        self.opened = self.closed = 0
        self.breaker = Breaker(
            self.engine, self.telemetry, probe_s, trial_s, opened=self._open, closed=self._close, trial=trial
        )

    def _open(self) -> None:
        self.opened += 1

    def _close(self) -> None:
        self.closed += 1

    async def _feed(self) -> None:
        while True:
            self.breaker.heard(await self.engine.completions())

    @asynccontextmanager
    async def running(self) -> AsyncIterator[Rig]:
        """Watches until the test is over."""
        tasks = [asyncio.ensure_future(self._feed()), asyncio.ensure_future(self.breaker.watch())]
        try:
            yield self
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def until(self, holds: Callable[[], object]) -> None:
        """Waits, for a while."""
        async with asyncio.timeout(3):
            while not holds():  # noqa: ASYNC110 - nobody tells
                await asyncio.sleep(0.001)


async def test_an_engine_that_fails_everything_is_out_and_comes_back_by_itself() -> None:
    """It looks healthy, but fails its trial too: open, until a trial is answered."""
    async with Rig().running() as rig:
        rig.breaker.heard([FAILED] * 5)
        assert rig.breaker.in_doubt
        await rig.until(lambda: rig.breaker.reason)
        assert rig.breaker.reason == "a trial ask failed: status 500"
        await rig.until(lambda: len(rig.engine.asked) > 3)
        assert (rig.closed, rig.breaker.in_doubt) == (0, True)
        rig.engine.says = Labels({1: -0.1, 2: -3.0})
        await rig.until(lambda: rig.breaker.reason is None)
        assert (rig.closed, rig.breaker.in_doubt, rig.telemetry.up) == (1, False, [False, True])


async def test_asks_that_fail_while_a_trial_is_answered_are_to_blame_themselves() -> None:
    """Doubt is dispelled by one ask, the breaker stays closed, and nothing is recalled."""
    async with Rig().running() as rig:
        rig.engine.says = Labels({1: -0.1, 2: -3.0})
        rig.breaker.heard([FAILED] * 20)
        await rig.until(lambda: rig.engine.asked and not rig.breaker.in_doubt)
        rig.breaker.heard([FAILED])
        assert not rig.breaker.in_doubt
        assert (rig.opened, rig.breaker.reason) == (0, None)


async def test_a_flood_of_contents_that_fail_costs_a_trial_a_probe() -> None:
    """In between they can be given up: the engine was shown to work a moment ago."""
    async with Rig(probe_s=0.2).running() as rig:
        rig.engine.says = Labels({1: -0.1, 2: -3.0})
        rig.breaker.heard([FAILED] * 20)
        await rig.until(lambda: rig.engine.asked and not rig.breaker.in_doubt)
        for _ in range(50):
            rig.breaker.heard([FAILED] * 20)
            assert not rig.breaker.in_doubt
            await asyncio.sleep(0.001)
        assert len(rig.engine.asked) == 1
        await rig.until(lambda: len(rig.engine.asked) == 2)


async def test_doubt_does_not_wait_for_the_next_probe() -> None:
    """The trial is asked at once."""
    async with Rig(probe_s=60.0).running() as rig:
        await asyncio.sleep(0.02)
        rig.breaker.unheard(2)
        await rig.until(lambda: rig.breaker.reason)


async def test_a_trial_that_hangs_is_given_up_and_opens_the_breaker() -> None:
    """An engine that hears and never answers is out too."""
    async with Rig().running() as rig:
        rig.engine.says = None
        rig.breaker.heard([FAILED] * 5)
        await rig.until(lambda: rig.breaker.reason)
        assert rig.breaker.reason == "a trial ask was not answered within 0.05 s"
        assert rig.engine.cancelled == [rig.engine.asked[0].id]


@pytest.mark.parametrize("kind", [FailureKind.REJECTED, FailureKind.TOO_LONG])
async def test_an_engine_that_refuses_the_trial_works(kind: FailureKind) -> None:
    """It said so itself."""
    async with Rig().running() as rig:
        rig.engine.says = Failure(kind, "no")
        rig.breaker.trip("an ask said so")
        await rig.until(lambda: rig.breaker.reason is None)


@pytest.mark.parametrize("kind", [FailureKind.UNAVAILABLE, FailureKind.DIED, FailureKind.TRANSIENT])
async def test_health_alone_does_not_close_it(kind: FailureKind) -> None:
    """A server may list its models and fail every ask: no flapping."""
    async with Rig().running() as rig:
        rig.engine.says = Failure(kind, "no")
        rig.breaker.trip("an ask said so")
        await rig.until(lambda: len(rig.engine.asked) > 4)
        assert (rig.closed, rig.telemetry.up) == (0, [False])


async def test_without_a_trial_health_decides() -> None:
    """Where there is nothing harmless to ask, failures are left to the cases' own time."""
    async with Rig(trial=None).running() as rig:
        rig.breaker.heard([FAILED] * 50)
        assert not rig.breaker.in_doubt
        rig.breaker.trip("an ask said so")
        await rig.until(lambda: rig.breaker.reason is None)
        assert rig.engine.asked == []


async def test_an_outage_is_told_once_however_many_signs_there_are() -> None:
    """Every sign recalls what was asked meanwhile."""
    async with Rig().running() as rig:
        rig.engine.outage("down")
        for _ in range(3):
            rig.breaker.trip("an ask said so")
        await rig.until(lambda: rig.opened > 5)
        assert rig.telemetry.up == [False]
        with pytest.raises(EngineUnavailable):
            await rig.engine.health()
        rig.engine.recover()
        rig.engine.says = Labels({1: -0.1, 2: -3.0})
        await rig.until(lambda: rig.telemetry.up == [False, True])


async def test_every_trial_has_an_id_of_its_own_that_no_case_has() -> None:
    """The late answer of one trial is not taken for that of the next."""
    async with Rig().running() as rig:
        rig.breaker.trip("an ask said so")
        await rig.until(lambda: len(rig.engine.asked) > 4)
        ids = [ask.id for ask in rig.engine.asked]
        assert len(set(ids)) == len(ids)
        assert max(ids) < 0


async def test_the_trial_follows_the_policies() -> None:
    """What an engine in doubt is asked next is the other ask; without one, doubt is not followed up."""
    async with Rig().running() as rig:
        rig.engine.says = Labels({1: -0.1, 2: -3.0})
        rig.breaker.tries(replace(TRIAL, prompt=[4, 5]))
        rig.breaker.heard([FAILED] * 20)
        await rig.until(lambda: rig.engine.asked and not rig.breaker.in_doubt)
        assert rig.engine.asked[0].prompt == [4, 5]
        rig.breaker.tries(None)
        rig.breaker.heard([FAILED] * 20)
        assert not rig.breaker.in_doubt
