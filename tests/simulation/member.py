"""One process of the service: its ports and its pipeline, alive, taken for dead, stopping or gone."""

from __future__ import annotations

import asyncio
from collections.abc import Collection
from typing import TYPE_CHECKING

from stream_guard.errors import StartRefused
from tests.simulation.corpus import EPOCH_S
from tests.simulation.ports import SimEngine, SimSink, SimSource
from tests.simulation.rig import Probe, make_pipeline

if TYPE_CHECKING:
    from stream_guard.pipeline import Pipeline
    from stream_guard.records import Lease
    from tests.simulation.world import World

_ENDS_WITHIN_S = 1.0


class Member:
    """`in_group` says whether the broker counts on it; `gone` whether nothing of it is left."""

    def __init__(self, world: World, name: str) -> None:
        self.world = world
        self.name = name
        self.in_group = True
        self.stopping = False
        self.gone = False
        self.failing = 0.0
        """When its source failed, 0 where it did not."""
        self.skew_s = 0.0
        """How far its clock is ahead."""
        self.source = SimSource(world, self)
        self.sink = SimSink(world, self)
        self.engine = SimEngine(world, self)
        self.probe = Probe(world, self)
        self.pipeline: Pipeline | None = None
        self.task = world.loop.create_task(self._live())
        self.task.add_done_callback(self._ended)
        world.later(world.schedule.pace.auto_commit, self._auto_commit)

    async def _live(self) -> None:
        self.pipeline = make_pipeline(self)
        if self.stopping:
            self.pipeline.stop()
        try:
            await self.pipeline.run()
        finally:
            await self.source.close()
            await self.sink.close()

    def _ended(self, task: asyncio.Task[None]) -> None:
        if self.gone or self.world.over:
            if not task.cancelled():
                task.exception()
            return
        self.gone = True
        self.in_group = False
        if self.failing:
            self._check_failed(task)
        elif task.cancelled():
            self.world.fail(f"{self.name} was cancelled by nobody")
        elif (error := task.exception()) is not None:
            self.world.fail(f"{self.name} died of {error!r}", error)
        elif not self.stopping:
            self.world.fail(f"{self.name} ended by itself")
        else:
            self.world.trace("stopped", self.name)

    def _check_failed(self, task: asyncio.Task[None]) -> None:
        """Whether it ended of what its port raised, of nothing else and soon."""
        error = None if task.cancelled() else task.exception()
        if not isinstance(error, StartRefused):
            self.world.fail(f"{self.name} should have ended of StartRefused, not of {error!r}", error)
        if self.world.loop.time() > self.failing + _ENDS_WITHIN_S:
            self.world.fail(
                f"{self.name} took {self.world.loop.time() - self.failing} s to end of what its source raised"
            )

    def wall(self) -> float:
        """Unix time in seconds, as this process sees it."""
        return EPOCH_S + self.world.loop.time() + self.skew_s

    def _auto_commit(self) -> None:
        if not self.gone:
            self.world.group.commit_stored(self)
            self.world.later(self.world.schedule.pace.auto_commit, self._auto_commit)

    def stop(self) -> None:
        """SIGTERM."""
        self.stopping = True
        if self.pipeline is not None:
            self.pipeline.stop()

    def fail(self) -> None:
        """Its client gives up for good."""
        self.stopping = True
        self.failing = self.world.loop.time()
        self.source.give_up()

    def crash(self) -> None:
        """SIGKILL: not a line of it runs any more. What the broker has taken from it may still be written, or not."""
        self.gone = True
        self.in_group = False
        self.sink.die()
        self.task.cancel()

    def states(self, leases: list[Lease] | None = None) -> list[str]:
        """What these leases (or all) of this member are in the midst of, for the coverage."""
        of = set(self.source.leases.values()) if leases is None else set(leases)
        states = [
            ("ask in engine", self.engine.asks_of(of)),
            ("ack awaited", self.sink.awaits(of)),
            ("intake queued", self.source.queues(of)),
            ("engine down", self.engine.down),
            ("window full", not self.source.credit),
            ("draining", bool(self.source.draining)),
        ]
        found = [state for state, holds in states if holds]
        return found or ["idle"]

    def why_paused(self, leases: Collection[Lease]) -> str:
        """What a pause of these leases (or its end) is about, for the coverage."""
        if self.pipeline is None:
            return "nothing"
        brakes = self.pipeline.halts._brakes
        each = {"halted": brakes._halted, "ahead": brakes._ahead, "greedy": brakes._greedy}
        return next((why for why, of in each.items() if not of.isdisjoint(leases)), "over")

    def __repr__(self) -> str:
        return f"Member({self.name})"
