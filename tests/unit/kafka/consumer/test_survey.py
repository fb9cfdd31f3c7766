"""How it is kept track of how far partitions reach; the cluster itself is asked in tests/integration/test_backlog.py."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from typing import Any

import pytest

from stream_guard.errors import StartRefused
from stream_guard.kafka.consumer.survey import Survey
from stream_guard.kafka.settings import KafkaSettings
from stream_guard.records import Assigned, Extent, Extents, Lease, Lost, Revoking, Signal, TopicPartition
from tests.members import LogBook

ONE, TWO, THREE = (Lease("t", partition, partition + 1) for partition in range(3))


class Cluster:
    """Answers in place of the admin client: what it was asked, and how far each partition reaches."""

    def __init__(self) -> None:
        self.ends: dict[TopicPartition, int] = {TopicPartition("t", n): 100 for n in range(3)}
        self.asked: list[tuple[dict[TopicPartition, int | None], set[TopicPartition]]] = []
        self.refuses = False
        self.at_ms: int | None = 5
        """When the records were written at which leases begin, None where that is not answered."""

    @property
    def client(self) -> Cluster:
        """What asks."""
        if self.refuses:
            raise StartRefused("the file is no certificate")
        return self

    def of(self, partitions: Iterable[TopicPartition], committed_only: bool) -> dict[TopicPartition, int]:
        """How far they reach."""
        assert committed_only
        return {where: end for where in partitions if (end := self.ends.get(where)) is not None}


class Rig:
    """A survey on that cluster."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.cluster, self.log, self.posted = Cluster(), LogBook(), list[Signal]()
        admin: Any = self.cluster
        settings = KafkaSettings(bootstrap="none", group="g", survey_s=0.01)

        def ends(_: Any, where: Any, __: float, *, committed_only: bool) -> dict[TopicPartition, int]:
            return self.cluster.of(where, committed_only)

        def extents(_: Any, reach: Mapping[TopicPartition, int], begins: Any, unaged: Any, __: float) -> Any:
            self.cluster.asked.append((begins, unaged))
            at_ms = self.cluster.at_ms
            return {
                where: Extent(end, begins[where], at_ms if where in unaged else None) for where, end in reach.items()
            }

        monkeypatch.setattr("stream_guard.kafka.consumer.survey.ends", ends)
        monkeypatch.setattr("stream_guard.kafka.consumer.survey.extents", extents)
        self.survey = Survey(settings, admin, self.posted.append, self.log)
        self.task = asyncio.create_task(self.survey.watch())

    async def until(self, holds: Callable[[], object]) -> None:
        """Waits until it holds."""
        async with asyncio.timeout(5):
            while not holds():  # noqa: ASYNC110 - the thread that asks tells nobody
                await asyncio.sleep(0.005)

    def told(self) -> Extents:
        """What was posted last."""
        last = self.posted[-1]
        assert isinstance(last, Extents)
        return last


@pytest.fixture
async def rig(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Rig]:
    """A survey that runs."""
    made = Rig(monkeypatch)
    yield made
    made.task.cancel()


async def test_who_holds_nothing_asks_nothing(rig: Rig) -> None:
    """A member without partitions is no load on the cluster."""
    await asyncio.sleep(0.05)
    assert (rig.posted, rig.cluster.asked) == ([], [])


async def test_what_is_held_is_told_again_and_again_and_its_beginning_is_looked_up_once(rig: Rig) -> None:
    """With the offset at which each lease began; what left is asked about no more."""
    rig.survey.follow([Assigned((ONE, TWO), (7, None))])
    await rig.until(lambda: len(rig.posted) >= 2)
    assert rig.told().extents == {ONE: Extent(100, 7), TWO: Extent(100, None)}
    both = {TopicPartition("t", 0), TopicPartition("t", 1)}
    assert [unaged for _, unaged in rig.cluster.asked[:2]] == [both, set()]
    rig.survey.follow([Revoking((ONE,)), Lost((TWO,)), Assigned((THREE,))])
    await rig.until(lambda: rig.told().extents == {THREE: Extent(100, None)})


async def test_what_can_not_be_asked_is_left_out_and_said_once(rig: Rig) -> None:
    """Others are told; and again once it can."""
    del rig.cluster.ends[TopicPartition("t", 1)]
    rig.survey.follow([Assigned((ONE, TWO), (0, 0))])
    await rig.until(lambda: len(rig.posted) >= 3)
    assert rig.told().extents == {ONE: Extent(100, 0)}
    assert rig.log.events() == ["kafka.extents_unknown"]
    rig.cluster.ends[TopicPartition("t", 1)] = 5
    await rig.until(lambda: TWO in rig.told().extents)


async def test_credentials_that_can_not_be_used_end_nothing(rig: Rig) -> None:
    """It is asked again: whoever mends them restarts nothing."""
    rig.cluster.refuses = True
    rig.survey.follow([Assigned((ONE,), (0,))])
    await rig.until(rig.log.events)
    rig.cluster.refuses = False
    await rig.until(lambda: rig.posted)
    assert rig.told().extents[ONE].end == 100


async def test_when_a_lease_begins_is_asked_until_it_is_answered(rig: Rig) -> None:
    """Of an old backlog behind slow brokers the first question may get no answer; without one it would look young."""
    rig.cluster.at_ms = None
    rig.survey.follow([Assigned((ONE,), (7,))])
    await rig.until(lambda: len(rig.cluster.asked) >= 3)
    assert all(unaged for _, unaged in rig.cluster.asked)
    rig.cluster.at_ms = 1_000
    await rig.until(lambda: rig.cluster.asked[-1][1] == set())
    assert Extents in {type(signal) for signal in rig.posted}
    assert any(isinstance(told, Extents) and told.extents[ONE].begin_ms == 1_000 for told in rig.posted)


async def test_of_a_lease_that_begins_at_the_end_nothing_is_asked(rig: Rig) -> None:
    """There is no record there yet."""
    rig.cluster.at_ms = None
    rig.survey.follow([Assigned((ONE,), (100,))])
    await rig.until(lambda: len(rig.cluster.asked) >= 2)
    assert rig.cluster.asked[-1][1] == set()
