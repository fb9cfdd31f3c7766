"""The unchanged pipeline behind a source that waits for a schema registry: outages among rebalances, crashes and stops."""

from __future__ import annotations

import asyncio
import os
import random
from collections import Counter
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import msgspec
import pytest

from stream_guard.errors import RegistryUnavailable, StartRefused
from stream_guard.kafka.consumer.decoding import DecodingSource
from stream_guard.records import Assigned, Intake, Lease, Lost, Record, Revoking, Signal
from tests.simulation.corpus import TOPICS
from tests.simulation.coverage import Coverage
from tests.simulation.ports import SimSource
from tests.simulation.rig import LARGEST_RECORD
from tests.simulation.simulate import run_schedule

if TYPE_CHECKING:
    from tests.simulation.member import Member
    from tests.simulation.world import World

SCHEDULES = int(os.environ.get("SIMULATION_SCHEDULES", "400"))


class Bare:
    """The simulated source as the one that decodes sees it: the pipeline has heard of nothing yet."""

    def __init__(self, source: DecodedSource) -> None:
        self._source = source

    async def receive(self) -> Sequence[Signal]:
        """Takes what there is."""
        signals = await self._source._ready.take()
        if self._source._given_up:
            raise StartRefused("the simulated client gave up")
        return signals

    async def close(self) -> None:
        """Leaves the group."""
        await SimSource.close(self._source)

    def __getattr__(self, name: str) -> object:
        raise AssertionError(f"{name} is not expected here")


class Registry:
    """Is down now and then. What it was asked for is decoded: a document is the value itself."""

    def __init__(self, world: World, met: Counter[str]) -> None:
        rng, horizon = random.Random(f"registry {world.schedule.seed}"), world.schedule.horizon
        self._world, self._met = world, met
        self._outages = [
            (start := rng.uniform(0, horizon), start + rng.uniform(0.1, 5.0)) for _ in range(rng.choice((1, 2, 3)))
        ]
        self._topics = rng.choice((TOPICS, TOPICS[:1]))

    def needed(self, topic: str) -> bool:
        """Of one topic only, in some schedules."""
        return topic in self._topics

    def of(self, records: Sequence[Record]) -> list[Record]:
        """The records with their documents."""
        now = self._world.loop.time()
        if now < self._world.schedule.horizon and any(start <= now < end for start, end in self._outages):
            self._met["asked in vain"] += 1
            raise RegistryUnavailable("down")
        return [msgspec.structs.replace(r, document=r.value) if self.needed(r.topic) else r for r in records]


class DecodedSource(SimSource):
    """A simulated source behind one that decodes."""

    met: Counter[str]

    def __init__(self, world: World, member: Member) -> None:
        super().__init__(world, member)
        self._registry = Registry(world, self.met)
        self._told: set[Lease] = set()
        """The leases that the pipeline was told of and not to let go of."""
        self._decoding = DecodingSource(
            Bare(self),  # type: ignore[arg-type]  # what passes it by is not asked of it
            self._registry,
            changed=self._changed,
            max_wait_s=1.0,
            apart=self._apart,
        )

    async def receive(self) -> Sequence[Signal]:
        """What the pipeline hears, checked."""
        signals = await self._decoding.receive()
        for signal in signals:
            self._check(signal)
            self._world.oracle.heard(self._member, signal)
        return signals

    async def close(self) -> None:
        """Ends what decodes too; promptly, whatever the registry does."""
        begun = self._world.loop.time()
        await self._decoding.close()
        if self._world.loop.time() > begun:
            self._world.fail("closing waited")

    async def _apart(self, call: Callable[[Sequence[Record]], list[Record]], records: Sequence[Record]) -> list[Record]:
        await asyncio.sleep(self._world.delay(0.05))
        return call(records)

    def _changed(self, reason: str | None) -> None:
        self.met["down" if reason else "back"] += 1

    def _check(self, signal: Signal) -> None:
        if isinstance(signal, Assigned):
            self._told.update(signal.leases)
        elif isinstance(signal, Revoking | Lost):
            self._told.difference_update(signal.leases)
            if self._decoding.unavailable is not None:
                self.met["a signal came through an outage"] += 1
        elif isinstance(signal, Intake):
            for record in signal.records:
                if record.lease not in self._told:
                    self.met["turned away"] += 1
                elif self._registry.needed(record.topic) and record.document != record.value:
                    self._world.fail(f"{record} would be judged as it was written")


@pytest.mark.timeout(600)
def test_no_outage_breaks_a_promise(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is lost, judged undecoded, committed early or leaked; and what is rare was met."""
    met: Counter[str] = Counter()
    monkeypatch.setattr(DecodedSource, "met", met, raising=False)
    monkeypatch.setattr("tests.simulation.member.SimSource", DecodedSource)
    # A document is as large as its value.
    monkeypatch.setattr("tests.simulation.rig.LARGEST_RECORD", 2 * LARGEST_RECORD)
    for seed in range(SCHEDULES):
        random.seed(seed)  # tenacity draws its waits from there
        run_schedule(seed, Coverage())
    assert (
        min(met[what] for what in ("asked in vain", "down", "back", "turned away", "a signal came through an outage"))
        > 10
    ), met
