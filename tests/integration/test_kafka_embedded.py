"""The embedded broker: enough of Kafka for the demo's source, sink and attach. It needs no Java."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest

from stream_guard.delivery.ports import Output
from stream_guard.kafka.cluster.admin import cluster_facts
from stream_guard.kafka.cluster.attach import attach
from stream_guard.kafka.cluster.topics import check_outputs
from stream_guard.kafka.embedded import embedded_broker
from stream_guard.kafka.settings import KafkaSettings
from stream_guard.kafka.sink import KafkaSink
from stream_guard.records import TopicPartition
from tests.members import LogBook, member


@pytest.fixture
def settings() -> Iterator[KafkaSettings]:
    """Settings for a fresh embedded broker with two topics."""
    with embedded_broker(["in", "out"]) as bootstrap:
        yield KafkaSettings(bootstrap=bootstrap, group="demo")


async def test_the_whole_road_works(settings: KafkaSettings) -> None:
    """Attach, publish, read, store: and a second member goes on behind the stored offsets."""
    report = await asyncio.to_thread(attach, settings, ["in"], "earliest", allow_latest=False)
    assert report.attached == {TopicPartition("in", p): 0 for p in range(4)}
    sink = KafkaSink(settings, log=LogBook())
    sink.send([Output("in", b"%d" % i, b"%d" % i, (("h", b"v"),), i) for i in range(40)])
    await sink.close()
    assert [r.error for r in await sink.reports()] == [None] * 40
    async with member(settings, "in") as reader:
        await reader.until(lambda: len(reader.records) == 40)
        assert reader.records[0].headers == (("h", b"v"),)
        assert {record.lease.topic_id for record in reader.records} == {None}
        reader.source.store(reader.done(*reader.held))
    again = await asyncio.to_thread(attach, settings, ["in"], "latest", allow_latest=False)
    assert again.kept == ("in",)
    async with member(settings, "in") as reader:
        await reader.until(lambda: reader.held)
        await asyncio.sleep(0.3)
        assert reader.records == []


def test_its_facts_are_what_it_can_say(settings: KafkaSettings) -> None:
    """A cluster id, topics without ids, outputs that exist, sizes unknown: nothing waits for answers that never come."""
    facts, log = cluster_facts(settings, ["in"]), LogBook()
    assert facts.cluster_id.startswith("mockCluster")
    assert facts.topic_ids == {"in": None}
    check_outputs(settings, ["out"], {"out": ["in"]}, log)
    assert log.events() == ["kafka.size_unknown"]


async def test_it_can_be_read_again_for_context(settings: KafkaSettings) -> None:
    """What stands before the committed offset is past, here as on a real broker."""
    await asyncio.to_thread(attach, settings, ["in"], "earliest", allow_latest=False)
    async with member(settings, "in") as reader:
        sink = KafkaSink(settings, log=LogBook())
        sink.send([Output("in", b"same", b"%d" % i, (), i) for i in range(10)])
        await sink.close()
        await reader.until(lambda: len(reader.records) == 10)
        reader.source.store(reader.done(*reader.held))
    async with member(settings, "in", reread=4) as reader:
        await reader.until(lambda: len(reader.records) == 4)
        assert [(r.value, r.past) for r in reader.records] == [(b"%d" % i, True) for i in range(6, 10)]
