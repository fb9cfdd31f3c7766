from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Collection, Mapping, Sequence

import pytest
from msgspec.structs import replace

from stream_guard.errors import RegistryUnavailable, StartRefused
from stream_guard.kafka.consumer.decoding import DecodingSource
from stream_guard.records import Assigned, Halted, Intake, Lease, Lost, Record, Revoking, Signal

AVRO, JSON = Lease("avro", 0, 1), Lease("json", 0, 1)


class FakeSource:
    """Tells what the test puts into it."""

    def __init__(self) -> None:
        self.signals: asyncio.Queue[Sequence[Signal] | Exception] = asyncio.Queue()
        self.calls: list[object] = []

    async def receive(self) -> Sequence[Signal]:
        """The next of the test's lists."""
        told = await self.signals.get()
        if isinstance(told, Exception):
            raise told
        return told

    def grant(self, records: int) -> None:
        """Remembers."""
        self.calls.append(records)

    def store(self, offsets: Mapping[Lease, int]) -> None:
        """Remembers."""
        self.calls.append(offsets)

    def released(self, leases: Sequence[Lease], offsets: Mapping[Lease, int]) -> None:
        """Remembers."""
        self.calls.append((leases, offsets))

    def pause(self, leases: Collection[Lease]) -> None:
        """Remembers."""
        self.calls.append(("pause", leases))

    def resume(self, leases: Collection[Lease]) -> None:
        """Remembers."""
        self.calls.append(("resume", leases))

    async def close(self) -> None:
        """Remembers."""
        self.calls.append("closed")


class FakeRegistry:
    """Decodes what is of topic avro, while it is up."""

    def __init__(self) -> None:
        self.up = True
        self.failure: Exception | None = None
        self.seen: list[int] = []
        self.threads: set[int] = set()
        self.gate = threading.Event()
        self.gate.set()

    def needed(self, topic: str) -> bool:
        """Of one topic."""
        return topic == "avro"

    def of(self, records: Sequence[Record]) -> list[Record]:
        """A document each."""
        self.threads.add(threading.get_ident())
        self.gate.wait(5)
        if self.failure is not None:
            raise self.failure
        if not self.up:
            raise RegistryUnavailable("down")
        self.seen += [record.offset for record in records]
        return [replace(record, document=b"{}") if self.needed(record.topic) else record for record in records]


@pytest.fixture
def inner() -> FakeSource:
    """The source behind."""
    return FakeSource()


@pytest.fixture
def registry() -> FakeRegistry:
    """Up, until the test says otherwise."""
    return FakeRegistry()


@pytest.fixture
def told() -> list[str | None]:
    """What was told of the wait."""
    return []


@pytest.fixture
async def source(inner: FakeSource, registry: FakeRegistry, told: list[str | None]) -> AsyncIterator[DecodingSource]:
    """The source under test. It tries again every few milliseconds."""
    made = DecodingSource(inner, registry, changed=told.append, max_wait_s=0.01)
    yield made
    registry.gate.set()
    await made.close()


def intake(lease: Lease, *offsets: int) -> Intake:
    """Records of a lease."""
    return Intake([Record(lease, offset, b"x") for offset in offsets])


async def until(source: DecodingSource, count: int) -> list[Signal]:
    """The next signals, at least so many."""
    found: list[Signal] = []
    async with asyncio.timeout(5):
        while len(found) < count:
            found += await source.receive()
    return found


async def nothing_comes(source: DecodingSource) -> None:
    """Receives in vain."""
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(source.receive(), 0.05)


def offsets(signals: Sequence[Signal]) -> list[tuple[str, int]]:
    """The records of the intakes among these."""
    return [(r.topic, r.offset) for signal in signals if isinstance(signal, Intake) for r in signal.records]


async def test_records_come_with_their_documents(
    source: DecodingSource, inner: FakeSource, registry: FakeRegistry
) -> None:
    """Decoded off the loop, in order, behind their assignment; records of other topics as they were."""
    await inner.signals.put([Assigned((AVRO, JSON)), intake(AVRO, 1, 2)._replace(seconds=0.5), intake(JSON, 1)])
    assigned, decoded, plain = await until(source, 3)
    assert isinstance(assigned, Assigned)
    assert isinstance(decoded, Intake)
    assert isinstance(plain, Intake)
    assert ([r.document for r in decoded.records], decoded.seconds) == ([b"{}", b"{}"], 0.5)
    assert [r.document for r in plain.records] == [None]
    assert threading.get_ident() not in registry.threads


async def test_a_source_without_such_topics_pays_nothing(
    source: DecodingSource, inner: FakeSource, registry: FakeRegistry
) -> None:
    """An intake that needs no document is handed on as it is."""
    own = intake(JSON, 1, 2)
    await inner.signals.put([Assigned((JSON,)), own])
    assert (await until(source, 2))[1] is own
    assert registry.threads == set()


async def test_while_one_waits_the_others_queue_and_signals_get_through(
    source: DecodingSource, inner: FakeSource, registry: FakeRegistry, told: list[str | None]
) -> None:
    """Also intakes that need no document: their leases may stand in the one that waits. The wait is told of once."""
    registry.up = False
    other = Lease("json", 1, 1)
    await inner.signals.put([Assigned((AVRO, JSON)), intake(AVRO, 1), intake(JSON, 1)])
    await inner.signals.put([intake(AVRO, 2), Assigned((other,)), Halted(other, "out of range"), Revoking((other,))])
    found = await until(source, 4)
    assert [type(signal) for signal in found] == [Assigned, Assigned, Halted, Revoking]
    await nothing_comes(source)
    assert (source.unavailable, told) == ("down", ["down"])
    registry.up = True
    assert offsets(await until(source, 3)) == [("avro", 1), ("json", 1), ("avro", 2)]
    assert (source.unavailable, told) == (None, ["down", None])


@pytest.mark.parametrize("ending", [Revoking, Lost])
async def test_what_is_no_longer_ours_is_delivered_and_not_asked_for(
    source: DecodingSource, inner: FakeSource, registry: FakeRegistry, ending: type[Revoking | Lost]
) -> None:
    """It used up credit, so it comes, behind the signal that ended its lease; the registry is left alone."""
    registry.up = False
    kept, back = Lease("avro", 1, 1), AVRO._replace(epoch=2)
    mixed = Intake([*intake(AVRO, 1).records, *intake(kept, 1).records])
    await inner.signals.put([Assigned((AVRO, kept)), mixed, intake(AVRO, 2)])
    await until(source, 1)
    await inner.signals.put([ending((AVRO,)), Assigned((back,)), intake(back, 1)])
    assert [type(signal) for signal in await until(source, 2)] == [ending, Assigned]
    registry.up = True
    found = await until(source, 3)
    assert [(r.lease, r.document) for s in found if isinstance(s, Intake) for r in s.records] == [
        (AVRO, None), (kept, b"{}"), (AVRO, None), (back, b"{}"),
    ]  # fmt: skip
    assert registry.seen == [1, 1]


async def test_a_queue_of_what_is_gone_needs_no_registry(
    source: DecodingSource, inner: FakeSource, registry: FakeRegistry, told: list[str | None]
) -> None:
    """Its credit comes back though the registry is down, and nothing waits any more."""
    registry.up = False
    await inner.signals.put([Assigned((AVRO,)), intake(AVRO, 1)])
    await until(source, 1)
    await nothing_comes(source)
    await inner.signals.put([Lost((AVRO,))])
    assert offsets(await until(source, 2)) == [("avro", 1)]
    assert (source.unavailable, told) == (None, ["down", None])


async def test_a_cancelled_receive_loses_nothing(
    source: DecodingSource, inner: FakeSource, registry: FakeRegistry
) -> None:
    """Neither what the other source told meanwhile nor what is being decoded."""
    registry.gate.clear()
    await inner.signals.put([Assigned((AVRO,)), intake(AVRO, 1)])
    await until(source, 1)
    await nothing_comes(source)
    await inner.signals.put([intake(AVRO, 2)])
    registry.gate.set()
    assert offsets(await until(source, 2)) == [("avro", 1), ("avro", 2)]


async def test_an_error_of_the_other_source_gets_out(
    source: DecodingSource, inner: FakeSource, registry: FakeRegistry
) -> None:
    """Also while records wait."""
    registry.up = False
    await inner.signals.put([Assigned((AVRO,)), intake(AVRO, 1)])
    await until(source, 1)
    await inner.signals.put(StartRefused("the group can't go on"))
    with pytest.raises(StartRefused, match="can't go on"):
        await source.receive()


async def test_a_bug_of_the_decoder_gets_out(source: DecodingSource, inner: FakeSource, registry: FakeRegistry) -> None:
    """Only an outage is waited for."""
    registry.failure = ZeroDivisionError()
    await inner.signals.put([Assigned((AVRO,)), intake(AVRO, 1)])
    await until(source, 1)
    with pytest.raises(ZeroDivisionError):
        await source.receive()


async def test_closing_waits_for_no_registry(inner: FakeSource, registry: FakeRegistry) -> None:
    """It may be called in the middle of a wait, of a question, or before anything came."""
    registry.up = False
    for signals in ((), (Assigned((AVRO,)), intake(AVRO, 1))):
        source = DecodingSource(inner, registry, changed=lambda _: None, max_wait_s=60)
        if signals:
            await inner.signals.put(signals)
            await until(source, 1)
        await nothing_comes(source)
        async with asyncio.timeout(1):
            await source.close()
    assert inner.calls == ["closed", "closed"]


async def test_the_rest_of_the_port_is_passed_on(source: DecodingSource, inner: FakeSource) -> None:
    """Credit, offsets and answers are the other source's."""
    source.grant(3)
    source.store({AVRO: 1})
    source.released([AVRO], {})
    source.pause([AVRO])
    source.resume([AVRO])
    assert inner.calls == [3, {AVRO: 1}, ([AVRO], {}), ("pause", [AVRO]), ("resume", [AVRO])]
