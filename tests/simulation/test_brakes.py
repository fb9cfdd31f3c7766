"""Partitions are held back where they must be, and nowhere else; and the simulator finds it where they are not."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import pytest
from msgspec.structs import replace

from stream_guard.delivery.brakes import Brakes, Change
from stream_guard.delivery.halts import Halts
from stream_guard.delivery.outbox import Receipt
from stream_guard.delivery.ports import Report
from stream_guard.engines.port import Ask, Failure, Labels, Text
from stream_guard.pipeline import Pipeline
from stream_guard.policy.packed import Asked
from stream_guard.records import Intake, Lease, Signal, TopicPartition
from tests.simulation.brakes import BAD, IN_A_ROW, LEAD, WINDOW, Garbage, Hot, Stuck, Troubled, Unwritable
from tests.simulation.corpus import EPOCH_S
from tests.simulation.engine import SimEngine
from tests.simulation.ports import SimSource
from tests.simulation.schedule import Happening

SEEDS = range(12)
BOUNDED_WAIT_S = 3.0
Plant: TypeAlias = Callable[[pytest.MonkeyPatch], None]


class HotFirst(SimSource):
    """A client whose queue is full of the hot partition. Notes how long the records of others waited."""

    def _in_turn(self, readable: list[TopicPartition]) -> list[TopicPartition]:
        return sorted(readable)

    async def receive(self) -> Sequence[Signal]:
        """Notes what comes."""
        signals = await super().receive()
        if isinstance(self._world, Hot):
            records = [r for signal in signals if isinstance(signal, Intake) for r in signal.records]
            now = EPOCH_S + self._world.loop.time()
            self._world.waits += [now - (r.timestamp_ms or 0) / 1000 for r in records if r.partition != BAD.partition]
        return signals


class Mute(SimEngine):
    """Says nothing about one record, ever."""

    def _reply(self, ask: Ask, asked: Asked, number: int) -> Labels | Text | Failure | None:
        if isinstance(self._world, Stuck) and number == self._world.stuck:
            self._spoil(asked, number, "stuck")
            return None
        return super()._reply(ask, asked, number)


@pytest.fixture(autouse=True)
def troubles(monkeypatch: pytest.MonkeyPatch) -> None:
    """The ports of a member know the troubles of these worlds."""
    monkeypatch.setattr("tests.simulation.member.SimSource", HotFirst)
    monkeypatch.setattr("tests.simulation.member.SimEngine", Mute)


def played(world: Troubled) -> Troubled:
    """The world after its end, in which nothing was wrong."""
    world.play()
    assert world.wrong is None, f"seed {world.schedule.seed}: {world.wrong}\n{world.story[-3_000:]}"
    return world


@pytest.mark.parametrize("seed", SEEDS)
def test_garbage_stops_its_partition_and_no_other(seed: int) -> None:
    """Exactly as many records go to the dead letters as the limit says, the next one is the committed offset, the rest flows."""
    world = Garbage(seed)
    played(world)
    letters = world.letters()
    assert len(letters) == IN_A_ROW
    assert letters == [r.offset for r in world.logs[BAD] if r is not None][:IN_A_ROW]
    assert world.group.committed[BAD] == letters[-1] + 1
    assert world.others_done()


@pytest.mark.parametrize("seed", SEEDS)
def test_a_partition_that_moves_is_counted_anew(seed: int) -> None:
    """Each of its owners dead-letters no more than the limit, whoever of them crashed, left or gave it back."""
    changes = [Happening(1.0, "bounce"), Happening(2.0, "crash"), Happening(4.0, "join"), Happening(6.0, "leave")]
    world = Garbage(seed, *changes)
    played(world)
    tenures = [lease for _, lease in world.oracle._tenures if lease[:2] == BAD]
    assert IN_A_ROW < len(world.letters()) <= IN_A_ROW * len(tenures)
    assert world.group.committed[BAD] <= world.letters()[-1] + 1


@pytest.mark.parametrize("seed", SEEDS)
def test_dead_letters_that_can_not_be_written_halt_their_partition_alone(seed: int) -> None:
    """Until they can: then it goes on by itself, and all is settled in the end."""
    world = Unwritable(seed)
    played(world)
    counts = world.coverage.counts
    assert counts["halt", "dead_letter_not_written"] == counts["halt is over", "dead_letter_not_written"] > 0
    first_bad = next(r.offset for r in world.logs[BAD] if r is not None and r.content.reason is not None)
    assert world.committed_meanwhile[BAD] <= first_bad
    assert all(world.committed_meanwhile[tp] > 10 for tp in world.logs if tp != BAD)


@pytest.mark.parametrize("seed", SEEDS)
def test_a_hot_partition_starves_no_other(seed: int) -> None:
    """Though it could fill the window for half a minute, and its records stand first in the client's queue."""
    world = Hot(seed)
    played(world)
    assert len(world.waits) == 2 * world.little
    assert max(world.waits) < BOUNDED_WAIT_S


@pytest.mark.parametrize("seed", SEEDS)
def test_a_stuck_record_bounds_what_is_read_behind_it(seed: int) -> None:
    """By the lead, and what was on its way; once it has its verdict, the partition is read to its end."""
    world = Stuck(seed)
    played(world)
    assert LEAD < world.lead <= LEAD + 2 * WINDOW


def never_paused(patch: pytest.MonkeyPatch) -> None:
    """Nobody tells the source."""
    patch.setattr(Brakes, "step", lambda *_: Change())


def never_resumed(patch: pytest.MonkeyPatch) -> None:
    """A halt has no end."""
    patch.setattr(Halts, "written", lambda *_: None)


def refused_is_dropped(patch: pytest.MonkeyPatch) -> None:
    """A dead letter that nobody may write counts as written."""
    on_report = Pipeline._on_report

    def hopeful(pipeline: Pipeline, report: Report, *rest: Any) -> None:
        receipt = report.output.receipt
        dropped = not report.retriable and isinstance(receipt, Receipt) and receipt.dead_letter
        on_report(pipeline, Report(report.output) if dropped else report, *rest)

    patch.setattr(Pipeline, "_on_report", hopeful)


def stopped_too_late(patch: pytest.MonkeyPatch) -> None:
    """What came in the same intake, and what comes after, is opened all the same."""
    patch.setattr(Pipeline, "_admits", lambda pipeline, lease: pipeline.ledgers.admits(lease))
    init = Halts.__init__

    def open_to_all(halts: Halts, *rest: Any) -> None:
        init(halts, *rest)
        halts.closed = frozenset[Lease]()

    patch.setattr(Halts, "__init__", open_to_all)


@pytest.mark.parametrize(
    ("plant", "world", "shows"),
    [
        (never_paused, Unwritable, "though halted"),
        (never_resumed, Unwritable, "nothing was committed for"),
        (refused_is_dropped, Unwritable, "is not settled under it|took or asked for"),
        (stopped_too_late, Garbage, "after the guard had stopped"),
    ],
)
def test_planted_bug_is_found(
    plant: Plant, world: Callable[[int], Troubled], shows: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each for what it is, at the first seed."""
    plant(monkeypatch)
    found = world(0)
    found.play()
    assert re.search(shows, found.wrong or "nothing")


def test_without_shares_a_hot_partition_starves_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    """So the test of it tests something."""
    world = Hot(0)
    world.schedule = replace(world.schedule, brakes=replace(world.schedule.brakes, crowded=2.0))
    played(world)
    assert max(world.waits) > 3 * BOUNDED_WAIT_S


def test_without_a_bound_a_stuck_record_is_left_far_behind() -> None:
    """So the test of it tests something."""
    world = Stuck(0)
    world.schedule = replace(world.schedule, brakes=replace(world.schedule.brakes, lead=10_000))
    played(world)
    assert world.lead > 4 * LEAD
