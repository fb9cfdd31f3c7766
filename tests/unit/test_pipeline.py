"""The flow from end to end on ports that do nothing by themselves. The simulator does the rest."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Generic, TypeVar

import pytest
from msgspec.structs import replace

from stream_guard.delivery.guard import GuardBounds
from stream_guard.delivery.hearing import Hearing
from stream_guard.delivery.outbox import Receipt
from stream_guard.delivery.pace import Pace
from stream_guard.delivery.ports import Output, Report
from stream_guard.delivery.window import Bounds, Window
from stream_guard.engines.port import Ask
from stream_guard.engines.scripted import ScriptedEngine
from stream_guard.engines.scripts import PhraseScript, SeededDelay, ShareScript
from stream_guard.errors import InvariantViolated, StartRefused, StreamGuardError
from stream_guard.events.model import View
from stream_guard.judging.bench import Bench, BenchBounds
from stream_guard.judging.retry import Retry, RetryPolicy
from stream_guard.judging.terms import Quota, Terms, TooLong
from stream_guard.pipeline import Pipeline
from stream_guard.policy.document import Decision
from stream_guard.records import Assigned, Extent, Extents, Intake, Lease, Lost, Record, Revoking, Signal
from stream_guard.routing import Context, Ordering, Route, Routes
from stream_guard.telemetry.null import NullTelemetry
from stream_guard.telemetry.port import Trace
from stream_guard.verdicts.decoding import decode_verdict
from tests.cases import (
    LEASE,
    NOW_MS,
    RENDERER,
    make_decider,
    make_docket,
    make_policy,
    make_publisher,
    make_record,
    make_route,
    make_tombstone,
)

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
        self.paused: set[Lease] = set()

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

    def pause(self, leases: Collection[Lease]) -> None:
        """See the port."""
        self.paused.update(leases)

    def resume(self, leases: Collection[Lease]) -> None:
        """See the port."""
        self.paused.difference_update(leases)

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

    def __init__(
        self, engine: ScriptedEngine | None = None, *routes: Route, guard: GuardBounds | None = None, records: int = 8
    ) -> None:
        self.source, self.sink = FakeSource(), FakeSink()
        self.engine = engine or ScriptedEngine(ShareScript())
        bench: Bench[Hearing] = Bench(RENDERER, Retry(RetryPolicy(), random.Random(0)), BenchBounds())
        self.pipeline = Pipeline(
            source=self.source,
            sink=self.sink,
            engine=self.engine,
            docket=make_docket(*routes),
            bench=bench,
            decider=make_decider(),
            publisher=make_publisher(),
            window=Window(Bounds(records=records)),
            telemetry=NullTelemetry(),
            wall=lambda: NOW_MS / 1000,
            pace=Pace(drain_s=0.2, tick_s=0.01, probe_s=0.01, resend_s=0.01, max_resend_s=0.02),
            guard=guard,
        )
        self.running = asyncio.create_task(self.pipeline.run())

    @property
    def opened(self) -> int:
        """Records that came in so far, settled or not: so much credit was used."""
        return self.source.granted - self.pipeline.window._credit

    async def until(self, condition: Callable[[], object]) -> None:
        """Waits until a condition holds."""
        async with asyncio.timeout(30):
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


async def test_a_document_takes_room_too() -> None:
    """A value of a few bytes may be a large document: what is in flight is bounded all the same."""
    rig = Rig()
    await rig.until(lambda: rig.source.granted == 8)
    rig.engine.outage()
    await rig.until(lambda: rig.pipeline.unavailable)
    record = make_record(offset=1)
    written = replace(record, value=b"small", document=record.value)
    rig.source.inbox.put(Assigned((LEASE,)), Intake([written]))
    await rig.until(lambda: rig.pipeline.window.records == 1)
    assert rig.pipeline.window.bytes == written.size + len(record.value or b"")
    rig.engine.recover()
    await rig.until(lambda: rig.pipeline.window.records == 0)
    assert rig.pipeline.window.bytes == 0
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


async def test_a_dead_letter_that_can_not_be_written_holds_its_key_and_no_other() -> None:
    """On a route that wants order, what follows in its key is judged meanwhile, and published once the letter stands."""
    rig = Rig(None, make_route(ordering=Ordering.KEY))
    rig.sink.writes = False
    await rig.until(lambda: rig.source.granted)
    records = [make_record(b"?", offset=1), make_record(offset=2), make_record(offset=3, key=b"other")]
    rig.source.inbox.put(Assigned((LEASE,)), Intake(records))
    await rig.until(lambda: len(rig.sink.sent) == 4)
    (letter,) = (output for output in rig.sink.sent if output.topic == "dead-letters")
    rig.sink.inbox.put(
        *(Report(output) for output in rig.sink.sent if output is not letter), Report(letter, "no leader")
    )
    await rig.until(lambda: len(rig.sink.sent) == 5)
    await rig.until(lambda: rig.pipeline.asks == 0)
    assert [offset_of(output) for output in rig.sink.sent] == [1, 1, 3, 3, 1]
    rig.sink.inbox.put(Report(letter))
    await rig.until(lambda: len(rig.sink.sent) == 7)
    assert [offset_of(output) for output in rig.sink.sent[5:]] == [2, 2]
    rig.sink.inbox.put(*map(Report, rig.sink.sent[5:]))
    await rig.until(lambda: rig.source.stored.get(LEASE) == 4)
    await rig.stop()


def offset_of(output: Output) -> int:
    """The offset of the record that an output is about."""
    assert isinstance(output.receipt, Receipt)
    return output.receipt.hearing.record.offset


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


async def test_what_nobody_waits_for_any_more_abstains_even_in_an_outage() -> None:
    """Where the route says until when an answer is of use: whoever holds a message for it hears of that in time."""
    rig = Rig(None, make_route(terms=Terms(respond_by_s=1.1)))  # the record's timestamp is a second ago
    await rig.until(lambda: rig.source.granted == 8)
    rig.engine.outage()
    await rig.until(lambda: rig.pipeline.unavailable)
    rig.source.inbox.put(Assigned((LEASE,)), Intake([make_record(offset=1)]))
    await rig.until(lambda: rig.source.stored)
    verdict = decode_verdict(rig.sink.sent[0].value or b"")
    assert verdict.abstention is not None
    assert (verdict.abstention.reason, verdict.decision, verdict.attempt) == ("expired", "review", 0)
    assert rig.topics() == ["verdicts", "rulings"]
    assert rig.pipeline.unavailable
    await rig.stop()


async def test_segments_that_can_change_nothing_are_cancelled() -> None:
    """The first says all that there is to say: the engine hears that the others are not waited for."""
    engine = ScriptedEngine(PhraseScript("forbidden"), lambda ask: 0.01 if b"forbidden" in _bytes(ask) else 60.0)
    rig = Rig(engine, make_route(terms=Terms(content_tokens=100, overlap=0, abstain=Decision.FLAG)))
    await rig.until(lambda: rig.source.granted)
    record = make_record({"kind": "message", "content": "forbidden " + "something else " * 30}, offset=1)
    rig.source.inbox.put(Assigned((LEASE,)), Intake([record]))
    await rig.until(lambda: engine.open > 2)
    await rig.until(lambda: rig.source.stored)
    assert (engine.open, rig.pipeline.asks) == (0, 0)
    verdict = decode_verdict(rig.sink.sent[0].value or b"")
    assert (verdict.decision, verdict.signals) == (Decision.FLAG, ("split",))
    await rig.stop()


async def test_what_ends_unasked_settles_too() -> None:
    """Too long on arrival, or of a key whose quota is used up, before or while it waits."""
    terms = Terms(content_tokens=50, too_long=TooLong.ABSTAIN, quota=Quota(10, 3600.0))
    rig = Rig(ScriptedEngine(PhraseScript("forbidden")), make_route(terms=terms))
    await rig.until(lambda: rig.source.granted)
    records = [
        make_record({"kind": "message", "content": text}, offset=offset, key=key)
        for offset, (text, key) in enumerate([("a" * 30, b"k"), ("b", b"k"), ("c" * 99, b"other"), ("d", b"third")])
    ]
    rig.source.inbox.put(Assigned((LEASE,)), Intake(records))
    await rig.until(lambda: rig.source.stored.get(LEASE) == 4)
    rig.source.inbox.put(Intake([make_record({"kind": "message", "content": "e"}, offset=4, key=b"k")]))
    await rig.until(lambda: rig.source.stored.get(LEASE) == 5)
    verdicts = [decode_verdict(output.value or b"") for output in rig.sink.sent if output.topic == "verdicts"]
    ended = {v.sources[0].offset: v.abstention.reason if v.abstention else v.decision for v in verdicts}
    assert ended == {0: "allow", 1: "rate_limited", 2: "too_long", 3: "allow", 4: "rate_limited"}
    assert rig.topics().count("dead-letters") == 1
    await rig.stop()


def _bytes(ask: Ask) -> bytes:
    return bytes(i for i in ask.prompt if i < 256)


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


class Counting(NullTelemetry):
    """Counts what was polled, what was read again and what ended."""

    def __init__(self) -> None:
        self.polled_offsets: list[int] = []
        self.again: list[tuple[str, int]] = []
        self.outcomes = 0

    def polled(self, records: Sequence[Record], seconds: float) -> list[Trace | None]:
        """Counts."""
        self.polled_offsets += [record.offset for record in records]
        return super().polled(records, seconds)

    def reread(self, topic: str, count: int) -> None:
        """Counts."""
        self.again.append((topic, count))

    def outcome(self, route: str, outcome: str, reason: str, count: int = 1) -> None:
        """Counts."""
        self.outcomes += count


class Gauged(NullTelemetry):
    """Keeps how partitions stand."""

    def __init__(self) -> None:
        self.lags: dict[tuple[str, int], float] = {}
        self.backlogs: dict[tuple[str, int], int] = {}

    def lag(self, topic: str, partition: int, seconds: float) -> None:
        """Keeps it."""
        self.lags[topic, partition] = seconds

    def backlog(self, topic: str, partition: int, records: int) -> None:
        """Keeps it."""
        self.backlogs[topic, partition] = records


def make_gauged_rig() -> tuple[Rig, Gauged]:
    """A pipeline whose gauges are looked at."""
    rig = Rig()
    telemetry = rig.pipeline._telemetry = rig.pipeline._accounts._telemetry = Gauged()
    return rig, telemetry


async def test_a_backlog_of_which_nothing_is_read_is_told_with_its_age() -> None:
    """A partition that just came, or is not read on: what waits there waits all the same."""
    rig, telemetry = make_gauged_rig()
    rig.source.inbox.put(Assigned((LEASE, OTHER)), Extents({LEASE: Extent(9, 4, NOW_MS - 60_000)}, NOW_MS / 1000))
    await rig.until(lambda: telemetry.backlogs.get(LEASE[:2]))
    assert (telemetry.backlogs, telemetry.lags) == ({LEASE[:2]: 5}, {LEASE[:2]: 60})  # of the other nothing is known
    rig.source.inbox.put(Intake([make_record(offset=4)], 0.0, {LEASE: 9}))
    await rig.until(lambda: rig.source.stored)
    await rig.until(lambda: telemetry.backlogs[LEASE[:2]] == 0)
    assert telemetry.lags[LEASE[:2]] == 0
    await rig.stop()


async def test_what_was_turned_away_is_a_backlog_though_it_was_read_to_its_end() -> None:
    """The guard stopped the partition: what comes after is read, and nothing of it is opened."""
    rig, telemetry = make_gauged_rig()
    rig.pipeline.halts._guard.tripped.add(LEASE)
    rig.source.inbox.put(Assigned((LEASE,)), Extents({LEASE: Extent(9, 4, NOW_MS - 60_000)}, NOW_MS / 1000))
    rig.source.inbox.put(Intake([make_record(offset=4)], 0.0, {LEASE: 9}))
    await rig.until(lambda: telemetry.backlogs.get(LEASE[:2]))
    await asyncio.sleep(0.05)
    assert (telemetry.backlogs[LEASE[:2]], telemetry.lags[LEASE[:2]]) == (5, 60)
    await rig.stop()


async def test_an_ask_that_nobody_ever_hears_of_is_a_standstill_and_an_outage_is_none() -> None:
    """The first is a fault of ours, which only a new process mends; in the second nothing need move, however long it lasts."""
    rig = Rig(ScriptedEngine(ShareScript(), SeededDelay(1000.0, 1000.0, seed=0)))
    assert await rested(rig)  # nothing is in flight
    rig.source.inbox.put(Assigned((LEASE,)), Intake([make_record(offset=1)]))
    await rig.until(lambda: rig.pipeline.asks)
    assert not await rested(rig)
    rig.engine.outage()
    await rig.until(lambda: rig.pipeline.unavailable)
    assert rig.pipeline.window.records == 1
    assert await rested(rig)
    rig.running.cancel()


async def test_a_halted_partition_is_no_standstill_others_beside_it_are() -> None:
    """Its dead letter is not taken, so that nothing of it moves until somebody mends that: a restart would not."""
    rig = Rig()
    rig.sink.writes = False
    rig.source.inbox.put(Assigned((LEASE, OTHER)), Intake([make_record(b"?", offset=1)]))
    await rig.until(lambda: rig.sink.sent)
    assert not await rested(rig)
    rig.sink.inbox.put(*(Report(output, "not allowed", retriable=False) for output in rig.sink.sent))
    await rig.until(lambda: len(rig.pipeline.halts))
    assert await rested(rig)
    rig.source.inbox.put(Intake([make_record(offset=1, lease=OTHER)]))
    await rig.until(lambda: rig.pipeline.window.records > 1)
    assert not await rested(rig)
    rig.running.cancel()


async def rested(rig: Rig) -> bool:
    """Whether a standstill was not counted while a few ticks went by."""
    now = asyncio.get_running_loop().time
    began = now()
    await asyncio.sleep(0.1)
    return rig.pipeline.still_s < now() - began


def make_room_rig() -> tuple[Rig, Counting]:
    """A pipeline of a route with a context."""
    template = RENDERER.template(make_policy(), View.MESSAGE_IN_CONTEXT)
    rig = Rig(None, make_route(templates={View.MESSAGE_IN_CONTEXT: (template,)}, context=Context(3)))
    telemetry = rig.pipeline._telemetry = rig.pipeline._accounts._telemetry = Counting()
    return rig, telemetry


async def test_what_is_past_leaves_at_once_and_nothing_of_it_is_stored() -> None:
    """It is neither judged nor counted nor committed, and its credit is given anew: the lease has no offset to take along."""
    rig, telemetry = make_room_rig()
    await rig.until(lambda: rig.source.granted == 8)
    rig.source.inbox.put(Assigned((LEASE,)))
    past = [replace(make_record(offset=n), past=True) for n in range(8)]
    bad = [replace(make_record(b"?", offset=8), past=True), replace(make_tombstone(9), past=True)]
    rig.source.inbox.put(Intake(past), Intake(bad))
    await rig.until(lambda: rig.source.granted == 18)
    assert (rig.pipeline.window.records, rig.pipeline.window.bytes) == (0, 0)
    rig.source.inbox.put(Revoking((LEASE,)))
    await rig.until(lambda: rig.source.final is not None)
    assert (rig.source.final, rig.source.stored, rig.sink.sent) == ({}, {}, [])
    assert telemetry.again == [("chat", 8), ("chat", 2)]
    assert (telemetry.polled_offsets, telemetry.outcomes) == ([], 0)
    await rig.stop()


async def test_what_is_past_is_shown_with_what_follows() -> None:
    """In the same intake; from the first record that is judged on, offsets are stored as ever."""
    rig, telemetry = make_room_rig()
    await rig.until(lambda: rig.source.granted == 8)
    rig.source.inbox.put(Assigned((LEASE,)))
    rig.source.inbox.put(Intake([replace(make_record(offset=0), past=True), make_record(offset=1)]))
    await rig.until(lambda: rig.source.stored)
    assert rig.source.stored == {LEASE: 2}
    (verdict,) = [decode_verdict(output.value or b"") for output in rig.sink.sent if output.topic == "verdicts"]
    assert verdict.coverage is not None
    assert (verdict.coverage.context_turns, verdict.signals) == (1, ())
    assert (telemetry.polled_offsets, telemetry.outcomes, telemetry.again) == ([1], 1, [("chat", 1)])
    await rig.stop()


async def test_what_is_past_of_a_lease_that_is_gone_is_not_remembered() -> None:
    """Nor what was remembered of it before: its next owner reads it again."""
    rig, telemetry = make_room_rig()
    await rig.until(lambda: rig.source.granted == 8)
    rig.source.inbox.put(Assigned((LEASE,)), Intake([replace(make_record(offset=3), past=True)]))
    await rig.until(lambda: telemetry.again)
    rig.source.inbox.put(Lost((LEASE,)), Intake([replace(make_record(offset=4), past=True)]))
    await rig.until(lambda: rig.source.granted == 10)
    assert telemetry.again == [("chat", 1)]
    assert rig.pipeline.window.records == 0
    assert rig.pipeline._docket._contexts.bytes == 0
    await rig.stop()


OTHER = LEASE._replace(partition=1)


async def test_the_guard_opens_nothing_more_not_even_of_the_same_intake() -> None:
    """The offset stands at the first record that was not opened; the window is free for others, which go on."""
    rig = Rig(guard=GuardBounds(max_consecutive=3))
    await rig.until(lambda: rig.source.granted == 8)
    bad = [make_record(b"?", offset=n) for n in range(5)]
    good = make_record(offset=7, lease=OTHER)
    rig.source.inbox.put(Assigned((LEASE, OTHER)), Intake([*bad, good]), Intake([make_record(offset=5)]))
    await rig.until(lambda: rig.source.stored == {LEASE: 3, OTHER: 8})
    assert rig.source.paused == {LEASE}
    assert rig.topics().count("dead-letters") == 3
    await rig.until(lambda: rig.pipeline.window.records == rig.pipeline.window.bytes == 0)
    assert (rig.pipeline.nothing_flows, len(rig.pipeline.halts)) == (False, 1)
    rig.source.inbox.put(Revoking((OTHER,)))
    await rig.until(lambda: rig.source.final is not None)
    assert rig.pipeline.nothing_flows
    rig.source.inbox.put(Lost((LEASE,)))
    await rig.until(lambda: not rig.pipeline.nothing_flows)
    await rig.stop()


async def test_replies_that_nobody_can_parse_trip_the_guard_too() -> None:
    """What is in flight when it does settles; then nothing more of the partition is read."""
    rig = Rig(ScriptedEngine(ShareScript(malformed=1.0)), guard=GuardBounds(max_consecutive=2))
    await rig.until(lambda: rig.source.granted == 8)
    rig.source.inbox.put(Assigned((LEASE,)), Intake([make_record(offset=n) for n in range(4)]))
    await rig.until(lambda: rig.source.paused)
    await rig.until(lambda: rig.source.stored == {LEASE: 4})
    rig.source.inbox.put(Intake([make_record(offset=4)]))
    await asyncio.sleep(0.05)
    assert (rig.source.stored, rig.topics().count("dead-letters")) == ({LEASE: 4}, 4)
    await rig.stop()


async def test_a_dead_letter_that_is_refused_halts_its_partition_until_it_is_written() -> None:
    """It is sent again all the while, and its offset stands."""
    rig = Rig()
    rig.sink.writes = False
    await rig.until(lambda: rig.source.granted)
    rig.source.inbox.put(Assigned((LEASE, OTHER)), Intake([make_record(b"?", offset=1)]))
    await rig.until(lambda: len(rig.sink.sent) == 2)
    letter, ruling = sorted(rig.sink.sent, key=lambda output: output.topic)
    rig.sink.inbox.put(Report(ruling), Report(letter, "no right to write", retriable=False))
    await rig.until(lambda: rig.source.paused == {LEASE})
    await rig.until(lambda: len(rig.sink.sent) == 3)
    rig.sink.inbox.put(Report(rig.sink.sent[2]))
    await rig.until(lambda: rig.source.stored == {LEASE: 2})
    await rig.until(lambda: not rig.source.paused)
    await rig.stop()


async def test_a_partition_that_fills_the_window_gives_way() -> None:
    """It is read again once there is room."""
    rig = Rig(records=40)
    rig.sink.writes = False
    await rig.until(lambda: rig.source.granted == 40)
    rig.source.inbox.put(Assigned((LEASE, OTHER)), Intake([make_record(offset=n) for n in range(35)]))
    await rig.until(lambda: rig.source.paused == {LEASE})
    rig.sink.writes = True
    rig.sink.inbox.put(*map(Report, rig.sink.sent))
    await rig.until(lambda: not rig.source.paused)
    await rig.stop()


# -- other editions -----------------------------------------------------------------------------------------------------


def make_edition(revision: int) -> Route:
    """A route under two policies of this revision."""
    policies = [make_policy(policy, revision) for policy in ("spam", "harassment")]
    return make_route(templates={View.MESSAGE: tuple(RENDERER.template(policy, View.MESSAGE) for policy in policies)})


async def test_what_is_in_flight_keeps_its_edition_and_what_comes_gets_the_next() -> None:
    """Whether it waits, is at the engine, or is asked again after an outage: each record's verdicts are of one edition."""
    rig = Rig(ScriptedEngine(ShareScript(), SeededDelay(0.02, 0.04)), make_edition(1), records=100)
    rig.pipeline._bench._bounds = BenchBounds(asks=4)
    await rig.until(lambda: rig.source.granted == 100)
    rig.source.inbox.put(Assigned((LEASE,)), Intake([make_record(offset=n) for n in range(20)]))
    await rig.until(lambda: rig.engine.open)
    rig.pipeline.enact(Routes((make_edition(2),)), None)
    rig.source.inbox.put(Intake([make_record(offset=n) for n in range(20, 40)]))
    await rig.until(lambda: rig.opened == 40)
    rig.engine.outage()
    await rig.until(lambda: rig.pipeline.unavailable)
    rig.pipeline.enact(Routes((make_edition(3),)), None)
    rig.engine.recover()
    rig.source.inbox.put(Intake([make_record(offset=n) for n in range(40, 60)]))
    await rig.until(lambda: rig.source.stored.get(LEASE) == 60)
    verdicts = [decode_verdict(output.value or b"") for output in rig.sink.sent if output.topic == "verdicts"]
    assert len(verdicts) == 120
    versions: dict[str, str] = {t.policy.version: t.prompt_version for n in (1, 2, 3) for t in make_edition(n).policies}
    for verdict in verdicts:
        (source,) = verdict.sources
        assert verdict.policy.revision == source.offset // 20 + 1
        assert verdict.prompt_version == versions[verdict.policy.version]
        assert verdict.abstention is None
    await rig.stop()
