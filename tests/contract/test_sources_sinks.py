"""The promises of the two Kafka ports, over every broker that the adapters run on."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import suppress
from typing import NamedTuple

import pytest

from stream_guard.delivery.ports import Output, Sink, Source
from stream_guard.kafka.cluster.topics import Selection
from stream_guard.kafka.consumer.source import KafkaSource
from stream_guard.kafka.embedded import embedded_broker
from stream_guard.kafka.settings import KafkaSettings
from stream_guard.kafka.sink import KafkaSink
from stream_guard.records import Assigned, Intake, Lease, Record
from tests.fixtures_kafka import Kafka
from tests.members import LogBook


class Place(NamedTuple):
    """Where a test reads and writes: a group and a topic of 4 partitions, both its own."""

    settings: KafkaSettings
    topic: str

    def outputs(self, count: int) -> list[Output]:
        """Outputs of one key, so of one partition."""
        return [Output(self.topic, b"key", b"%d" % n, (), n) for n in range(count)]


@pytest.fixture(params=["embedded", pytest.param("real", marks=pytest.mark.kafka)])
def place(request: pytest.FixtureRequest) -> Iterator[Place]:
    """One on each broker that the adapters run on."""
    if request.param == "embedded":
        with embedded_broker(["in"]) as bootstrap:
            yield Place(KafkaSettings(bootstrap=bootstrap, group="g"), "in")
    else:
        kafka: Kafka = request.getfixturevalue("kafka")
        yield Place(kafka.settings(), kafka.topic(4))


@pytest.fixture
async def sink(place: Place) -> AsyncIterator[Sink]:
    """The sink under test."""
    sink = KafkaSink(place.settings, log=LogBook())
    yield sink
    await sink.close()


@pytest.fixture
async def source(place: Place) -> AsyncIterator[Source]:
    """The source under test."""
    source = await KafkaSource.open(place.settings, Selection(names=(place.topic,)), log=LogBook())
    yield source
    await source.close()


async def receipts(sink: Sink, count: int) -> list[object]:
    """The receipts of the next `count` reports, none of them an error."""
    found: list[object] = []
    async with asyncio.timeout(15):
        while len(found) < count:
            reports = await sink.reports()
            assert [r.error for r in reports] == [None] * len(reports)
            found += [r.output.receipt for r in reports]
    return found


async def until_records(source: Source, count: int, room: int) -> tuple[set[Lease], list[Record]]:
    """Receives until `count` records came; grants `room` whenever none is left."""
    leases, records, credit = set[Lease](), list[Record](), 0
    async with asyncio.timeout(20):
        while len(records) < count:
            if not credit:
                source.grant(room)
                credit = room
            for signal in await source.receive():
                if isinstance(signal, Assigned):
                    leases.update(signal.leases)
                elif isinstance(signal, Intake):
                    credit -= len(signal.records)
                    assert credit >= 0
                    records += signal.records
    return leases, records


async def records_within(source: Source, seconds: float) -> list[Record]:
    """The records that come meanwhile; of how far partitions reach it is told all the while."""
    found = list[Record]()
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            while True:
                found += [
                    each for signal in await source.receive() if isinstance(signal, Intake) for each in signal.records
                ]
    return found


async def test_every_output_has_one_report(place: Place, sink: Sink) -> None:
    """In order, with the receipt untouched; then there is nothing left to report."""
    sink.send(place.outputs(100))
    sink.send([])
    assert await receipts(sink, 100) == list(range(100))
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(sink.reports(), 0.1)


async def test_what_the_sink_wrote_the_source_reads(place: Place, sink: Sink, source: Source) -> None:
    """In order within the key, under a lease that was told before, and never more at once than was granted."""
    sink.send(place.outputs(50))
    await receipts(sink, 50)
    leases, records = await until_records(source, 50, room=7)
    assert [r.value for r in records] == [b"%d" % n for n in range(50)]
    assert {r.lease for r in records} <= leases


async def test_a_foreign_lease_is_ignored(place: Place, sink: Sink, source: Source) -> None:
    """Offsets and answers for what is not held change nothing and raise nothing."""
    stranger = Lease(place.topic, 0, 999)
    source.store({stranger: 5})
    source.released([stranger], {stranger: 5})
    source.pause([stranger])
    source.resume([stranger])
    sink.send(place.outputs(1))
    leases, _ = await until_records(source, 1, room=10)
    assert stranger not in leases


async def test_a_lease_that_is_paused_waits_until_it_is_resumed(place: Place, sink: Sink, source: Source) -> None:
    """Nothing more of it comes, nothing is lost, and what came is in order."""
    sink.send(place.outputs(1))
    leases, records = await until_records(source, 1, room=1)
    source.pause(leases)
    await asyncio.sleep(1.0)
    sink.send(place.outputs(20))
    await receipts(sink, 21)
    source.grant(100)
    assert await records_within(source, 2.0) == []
    source.resume(leases)
    _, more = await until_records(source, 20, room=100)
    assert [record.offset for record in (*records, *more)] == list(range(21))
