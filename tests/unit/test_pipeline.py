"""The flow from end to end on ports that do nothing by themselves. The simulator does the rest."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Mapping, Sequence
from typing import Generic, TypeVar

import pytest

from stream_guard.delivery.hearing import Hearing
from stream_guard.delivery.ports import Output, Report
from stream_guard.delivery.window import Bounds, Window
from stream_guard.engines.scripted import ScriptedEngine
from stream_guard.engines.scripts import ShareScript
from stream_guard.errors import InvariantViolated, StartRefused, StreamGuardError
from stream_guard.judging.bench import Bench, BenchBounds
from stream_guard.judging.retry import Retry, RetryPolicy
from stream_guard.pipeline import Pace, Pipeline
from stream_guard.records import Assigned, Intake, Lease, Lost, Revoking, Signal
from stream_guard.telemetry.null import NullTelemetry
from tests.cases import LEASE, NOW_MS, RENDERER, make_decider, make_docket, make_publisher, make_record, make_tombstone

T = TypeVar("T")


class Inbox(Generic[T]):
    """What a fake port hands out."""

    def __init__(self) -> None:
        self._items: asyncio.Queue[T | StreamGuardError] = asyncio.Queue()

    def put(self, *items: T | StreamGuardError) -> None:
        """Hands items out, or raises an error, at the next take."""
        for item in items:
            self._items.put_nowait(item)

    async def take(self) -> list[T]:
        """The next item."""
        item = await self._items.get()
        if isinstance(item, StreamGuardError):
            raise item
        return [item]


class FakeSource:
    """Tells what the test says, and notes what it is told."""

    def __init__(self) -> None:
        self.inbox: Inbox[Signal] = Inbox()
        self.granted = 0
        self.stored: dict[Lease, int] = {}
        self.final: dict[Lease, int] | None = None

    async def receive(self) -> Sequence[Signal]:
        """See the port."""
        return await self.inbox.take()

    def grant(self, records: int) -> None:
        """See the port."""
        self.granted += records

    def store(self, offsets: Mapping[Lease, int]) -> None:
        """See the port."""
        self.stored.update(offsets)

    def released(self, leases: Sequence[Lease], offsets: Mapping[Lease, int]) -> None:
        """See the port."""
        self.final = dict(offsets)

    async def close(self) -> None:
        """See the port."""


class FakeSink:
    """Keeps what it is sent; acknowledges at once if `writes`."""

    def __init__(self) -> None:
        self.inbox: Inbox[Report] = Inbox()
        self.sent: list[Output] = []
        self.writes = True

    def send(self, outputs: Sequence[Output]) -> None:
        """See the port."""
        self.sent.extend(outputs)
        if self.writes:
            self.inbox.put(*map(Report, outputs))

    async def reports(self) -> Sequence[Report]:
        """See the port."""
        return await self.inbox.take()

    async def close(self) -> None:
        """See the port."""


class Rig:
    """A pipeline on fakes, which runs while the context is open."""

    def __init__(self) -> None:
        self.source, self.sink = FakeSource(), FakeSink()
        self.engine = ScriptedEngine(ShareScript())
        bench: Bench[Hearing] = Bench(RENDERER, Retry(RetryPolicy(), random.Random(0)), BenchBounds())
        self.pipeline = Pipeline(
            source=self.source,
            sink=self.sink,
            engine=self.engine,
            docket=make_docket(),
            bench=bench,
            decider=make_decider(),
            publisher=make_publisher(),
            window=Window(Bounds(records=8)),
            telemetry=NullTelemetry(),
            wall=lambda: NOW_MS / 1000,
            pace=Pace(drain_s=0.2, tick_s=0.01, probe_s=0.01, resend_s=0.01, max_resend_s=0.02),
        )
        self.running = asyncio.create_task(self.pipeline.run())

    async def until(self, condition: Callable[[], object]) -> None:
        """Waits until a condition holds."""
        async with asyncio.timeout(5):
            while not condition():  # noqa: ASYNC110 - what it looks at tells nobody of a change
                await asyncio.sleep(0.005)

    async def stop(self) -> None:
        """Stops, and waits for the end."""
        self.pipeline.stop()
        await asyncio.wait_for(self.running, 5)

    def topics(self) -> list[str]:
        """Where outputs went."""
        return [output.topic for output in self.sink.sent]


async def test_records_of_all_fates_settle_in_the_end() -> None:
    """Judged, dead-lettered, ignored: the offset passes all three, and the window is empty."""
    rig = Rig()
    await rig.until(lambda: rig.source.granted == 8)
    records = [make_record(offset=1), make_record(b"?", offset=2), make_tombstone(3), make_record(offset=9)]
    rig.source.inbox.put(Assigned((LEASE,)), Intake(records))
    await rig.until(lambda: rig.source.stored)
    await rig.until(lambda: list(rig.source.stored.values()) == [10])
    assert sorted(rig.topics()) == ["dead-letters", "rulings", "rulings", "rulings", "verdicts", "verdicts"]
    assert (rig.pipeline.window.records, rig.pipeline.window.bytes) == (0, 0)
    await rig.stop()


async def test_an_output_that_is_not_written_holds_the_offset_until_it_is() -> None:
    """It is sent again and again."""
    rig = Rig()
    rig.sink.writes = False
    await rig.until(lambda: rig.source.granted)
    rig.source.inbox.put(Assigned((LEASE,)), Intake([make_record(offset=1)]))
    await rig.until(lambda: len(rig.sink.sent) == 2)
    verdict, ruling = rig.sink.sent
    rig.sink.inbox.put(Report(ruling), Report(verdict, "no leader"))
    await rig.until(lambda: len(rig.sink.sent) == 3)
    assert rig.source.stored == {}
    rig.sink.inbox.put(Report(verdict))
    await rig.until(lambda: rig.source.stored)
    assert rig.source.stored == {LEASE: 2}
    await rig.stop()


async def test_a_lease_that_leaves_waits_for_its_work() -> None:
    """And takes the offsets along that its work made committable; nothing more is opened for it."""
    rig = Rig()
    rig.sink.writes = False
    await rig.until(lambda: rig.source.granted)
    rig.source.inbox.put(Assigned((LEASE,)), Intake([make_record(offset=1)]))
    await rig.until(lambda: len(rig.sink.sent) == 2)
    rig.source.inbox.put(Revoking((LEASE,)), Intake([make_record(offset=2)]))
    await asyncio.sleep(0.05)
    assert rig.source.final is None
    rig.sink.inbox.put(*map(Report, rig.sink.sent))
    await rig.until(lambda: rig.source.final is not None)
    assert rig.source.final == {LEASE: 2}
    assert rig.pipeline.window.records == 0
    await rig.stop()


async def test_a_lease_that_is_lost_is_dropped_at_once() -> None:
    """What comes for it later counts nowhere."""
    rig = Rig()
    rig.sink.writes = False
    await rig.until(lambda: rig.source.granted)
    rig.source.inbox.put(Assigned((LEASE,)), Intake([make_record(offset=1)]))
    await rig.until(lambda: len(rig.sink.sent) == 2)
    rig.source.inbox.put(Lost((LEASE,)))
    await rig.until(lambda: rig.pipeline.window.records == 0)
    rig.sink.inbox.put(*map(Report, rig.sink.sent))
    await rig.stop()
    assert rig.source.stored == {}


async def test_an_outage_stops_intake_and_nothing_abstains() -> None:
    """No more is granted until the engine is back."""
    rig = Rig()
    await rig.until(lambda: rig.source.granted == 8)
    rig.engine.outage()
    await rig.until(lambda: rig.pipeline.unavailable)
    rig.source.inbox.put(Assigned((LEASE,)), Intake([make_record(offset=1)]))
    await rig.until(lambda: rig.pipeline.window.records == 1)
    await asyncio.sleep(0.05)
    assert (rig.sink.sent, rig.source.granted, rig.pipeline.takes_in) == ([], 8, False)
    rig.engine.recover()
    await rig.until(lambda: rig.source.stored)
    assert rig.topics() == ["verdicts", "rulings"]
    await rig.stop()


async def test_stopping_does_not_wait_for_what_can_not_settle() -> None:
    """The drain is bounded, and what is left is not stored."""
    rig = Rig()
    rig.sink.writes = False
    await rig.until(lambda: rig.source.granted)
    rig.source.inbox.put(Assigned((LEASE,)), Intake([make_record(offset=1)]))
    await rig.until(lambda: len(rig.sink.sent) == 2)
    await rig.stop()
    assert rig.source.stored == {}


@pytest.mark.parametrize("port", ["source", "sink"])
async def test_what_a_port_raises_ends_the_run(port: str) -> None:
    """As it was raised, not wrapped in a group."""
    rig = Rig()
    inbox: Inbox[object] = getattr(rig, port).inbox
    inbox.put(StartRefused("the cluster says no"))
    with pytest.raises(StartRefused, match="says no"):
        await asyncio.wait_for(rig.running, 5)


async def test_a_source_that_takes_more_than_it_was_granted_is_a_bug() -> None:
    """The bound on memory is not a wish."""
    rig = Rig()
    await rig.until(lambda: rig.source.granted == 8)
    rig.source.inbox.put(Assigned((LEASE,)), Intake([make_record(offset=n) for n in range(9)]))
    with pytest.raises(InvariantViolated, match="more than it was granted"):
        await asyncio.wait_for(rig.running, 5)
