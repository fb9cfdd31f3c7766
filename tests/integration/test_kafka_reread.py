"""Reading again what stands before the committed offset, against a real broker: never judged, never committed, never a halt."""

from __future__ import annotations

import pytest
from confluent_kafka import Consumer, KafkaError, KafkaException, Producer, TopicPartition
from msgspec.structs import replace

from stream_guard.kafka.settings import GroupProtocol, KafkaSettings
from stream_guard.records import Assigned, Lost
from tests.fixtures_kafka import Kafka
from tests.members import LogBook, Member, member

pytestmark = pytest.mark.kafka

WAYS = ("cooperative", "eager", "consumer")


@pytest.fixture(params=WAYS)
def settings(request: pytest.FixtureRequest, kafka: Kafka) -> KafkaSettings:
    """A group under each way of changing hands."""
    return make_settings(kafka, request.param)


def make_settings(kafka: Kafka, way: str) -> KafkaSettings:
    """A group's settings."""
    if way == "consumer":
        return kafka.settings(protocol=GroupProtocol.CONSUMER)
    return kafka.settings(consumer={"partition.assignment.strategy": "range"} if way == "eager" else {})


def offsets(reader: Member, *, past: bool, partition: int = 0) -> list[int]:
    """What came, in order."""
    return [r.offset for r in reader.records if r.past is past and r.partition == partition]


def make_log(kafka: Kafka, settings: KafkaSettings, committed: int = 12, *, begins: int = 0) -> str:
    """A topic of two partitions with 20 records each, of which the group has committed some."""
    topic = kafka.topic(2)
    for partition in (0, 1):
        kafka.send(topic, [b"%d" % n for n in range(20)], partition=partition)
    kafka.commit(settings.group, topic, {0: committed, 1: 20})
    if begins:
        kafka.delete_before(topic, 0, begins)
    return topic


async def test_a_partition_begins_before_its_committed_offset(kafka: Kafka, settings: KafkaSettings) -> None:
    """What stands there is marked as past, what follows is not, and the committed offset stays where it was."""
    topic = make_log(kafka, settings)
    async with member(settings, topic, reread=5) as reader:
        await reader.until(lambda: len(reader.records) == 18)
        assert (offsets(reader, past=True), offsets(reader, past=False)) == ([*range(7, 12)], [*range(12, 20)])
        assert offsets(reader, past=True, partition=1) == [*range(15, 20)]
        kafka.send(topic, [b"more"], partition=1)
        await reader.until(lambda: offsets(reader, past=False, partition=1) == [20])
        assert len(reader.of(Assigned)) == 1
    assert kafka.committed(settings.group, topic, 2) == {0: 12, 1: 20}


@pytest.mark.parametrize("begins", [9, 11, 12])
async def test_what_the_log_has_lost_is_not_read_again(kafka: Kafka, settings: KafkaSettings, begins: int) -> None:
    """Retention took part of it, or all: what is left is read, and nothing halts."""
    topic = make_log(kafka, settings, begins=begins)
    async with member(settings, topic, reread=5) as reader:
        await reader.until(lambda: offsets(reader, past=False) == [*range(12, 20)])
        assert offsets(reader, past=True) == [*range(begins, 12)]
        assert not reader.halted


@pytest.mark.parametrize(("committed", "begins"), [(12, 15), (50, 0)])
async def test_a_committed_offset_that_is_not_in_the_log_halts_as_ever(
    kafka: Kafka, settings: KafkaSettings, committed: int, begins: int
) -> None:
    """Records that nobody judged must not be passed over, nor new ones be taken for past."""
    topic = make_log(kafka, settings, committed, begins=begins)
    async with member(settings, topic, reread=500) as reader:
        await reader.until(lambda: reader.halted)
        assert [halted.lease.partition for halted in reader.halted] == [0]
        assert not [r for r in reader.records if r.partition == 0]


class MisledConsumer(Consumer):
    """A consumer that is told an older beginning: retention moves on right after it asked."""

    def get_watermark_offsets(
        self, partition: TopicPartition, timeout: float = 0, cached: bool = False
    ) -> tuple[int, int]:
        """All of it is there."""
        return 0, 20


async def test_a_log_that_shrinks_while_it_is_read_again_halts_nothing(
    kafka: Kafka, settings: KafkaSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It goes on at the committed offset, under a new lease; the other partition never notices."""
    monkeypatch.setattr("stream_guard.kafka.consumer.poller.Consumer", MisledConsumer)
    topic, log = make_log(kafka, settings, begins=10), LogBook()
    async with member(settings, topic, reread=5, log=log) as reader:
        await reader.until(lambda: offsets(reader, past=False) == [*range(12, 20)])
        kafka.send(topic, [b"more"], partition=1)
        await reader.until(lambda: offsets(reader, past=False, partition=1) == [20])
        assert not reader.halted
        assert offsets(reader, past=True) == []
        assert offsets(reader, past=True, partition=1) == [*range(15, 20)]
        (lost,) = reader.of(Lost)
        assert isinstance(lost, Lost)
        assert {r.lease for r in reader.records if r.partition == 0}.isdisjoint(lost.leases)
        reader.source.store(reader.done(*reader.held))
    assert "kafka.reread_failed" in log.events()
    assert kafka.committed(settings.group, topic, 2) == {0: 20, 1: 21}


class SilentConsumer(Consumer):
    """A consumer that is not told where logs begin."""

    def get_watermark_offsets(  # type: ignore[override]  # its documentation says None, its stub does not
        self, partition: TopicPartition, timeout: float = 0, cached: bool = False
    ) -> tuple[int, int] | None:
        """One partition fails, the other gets no answer."""
        if partition.partition:
            return None
        raise KafkaException(KafkaError(KafkaError._TIMED_OUT, "no answer"))


async def test_where_the_log_can_not_be_asked_nothing_is_read_again(
    kafka: Kafka, settings: KafkaSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It begins at the committed offset as ever, and says so in the log."""
    monkeypatch.setattr("stream_guard.kafka.consumer.poller.Consumer", SilentConsumer)
    topic, log = make_log(kafka, settings), LogBook()
    async with member(settings, topic, reread=5, log=log) as reader:
        await reader.until(lambda: offsets(reader, past=False) == [*range(12, 20)])
        assert not [r for r in reader.records if r.past]
    assert [fields["partition"] for event, fields in log.lines if event == "kafka.reread_skipped"] == [0, 1]


async def test_who_takes_a_partition_over_reads_again_what_was_settled(kafka: Kafka, settings: KafkaSettings) -> None:
    """What the first member committed is past for the second; nobody judges a record twice."""
    topic = kafka.topic(2)
    for partition in (0, 1):
        kafka.send(topic, [b"%d" % n for n in range(10)], partition=partition)
    async with member(settings, topic, reread=4) as first:
        await first.until(lambda: len(first.records) == 20)
        first.source.store(first.done(*first.held))
        async with member(settings, topic, reread=4) as second:
            await second.until(lambda: second.held)
            (lease, *_) = second.held
            kafka.send(topic, [b"new"], partition=lease.partition)
            await second.until(lambda: offsets(second, past=False, partition=lease.partition) == [10])
            assert offsets(second, past=True, partition=lease.partition) == [6, 7, 8, 9]


async def test_what_the_operator_stepped_over_is_not_in_the_way_again(kafka: Kafka, settings: KafkaSettings) -> None:
    """A batch that no client can unpack stands before the committed offset: it halted the partition once, never twice."""
    sizes = {"fetch.max.bytes": "1000000", "receive.message.max.bytes": "20000000"}
    settings = replace(settings, consumer={**settings.consumer, **sizes})
    topic, log = kafka.topic(), LogBook()
    kafka.send(topic, [b"%d" % n for n in range(5)])
    bomb = Producer({**kafka.own, "compression.type": "zstd", "message.max.bytes": "100000000", "log_level": 0})
    bomb.produce(topic, b"\0" * 70_000_000)
    assert bomb.flush(20) == 0
    kafka.send(topic, [b"%d" % n for n in range(6, 10)])
    kafka.commit(settings.group, topic, {0: 6})
    async with member(settings, topic, reread=500, log=log) as reader:
        await reader.until(lambda: offsets(reader, past=False) == [6, 7, 8, 9])
        assert offsets(reader, past=True) == [0, 1, 2, 3, 4]
        assert not reader.halted
        reader.source.store(reader.done(*reader.held))
    assert log.events().count("kafka.reread_failed") == 1
    assert kafka.committed(settings.group, topic) == {0: 10}
