"""The source against a real broker: what is read, what is held back and where it begins."""

from __future__ import annotations

import asyncio
import re

import pytest
from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition

from stream_guard.errors import StartRefused
from stream_guard.kafka.cluster.admin import Admin
from stream_guard.kafka.cluster.attach import attach
from stream_guard.kafka.cluster.topics import Selection
from stream_guard.kafka.consumer.source import KafkaSource
from stream_guard.kafka.settings import GroupProtocol, KafkaSettings
from stream_guard.records import Assigned, Record
from tests.fixtures_kafka import Kafka
from tests.members import LogBook, member

pytestmark = pytest.mark.kafka


async def test_a_record_arrives_as_it_was_written(kafka: Kafka) -> None:
    """Nulls stay null, empty stays empty, headers keep their order and their duplicates."""
    topic = kafka.topic()
    headers = [("a", b"1"), ("a", b"2"), ("none", None), ("empty", b"")]
    kafka.send(topic, [b"hello"], key=b"k", headers=headers, timestamp=1_700_000_000_123)
    kafka.send(topic, [None, b""])
    async with member(kafka.settings(), topic) as reader:
        await reader.until(lambda: len(reader.records) == 3)
        first, null, empty = reader.records
        assert first.lease.topic == topic
        assert first == Record(
            lease=first.lease, offset=0, value=b"hello", key=b"k", headers=tuple(headers),
            timestamp_ms=1_700_000_000_123, timestamp_type="create", leader_epoch=0,
        )  # fmt: skip
        assert (null.value, null.key, null.headers) == (None, None, ())
        assert (empty.value, empty.offset) == (b"", 2)


async def test_log_append_time_is_named(kafka: Kafka) -> None:
    """A timestamp that the broker wrote is not taken for the producer's."""
    topic = kafka.topic(message_timestamp_type="LogAppendTime")
    kafka.send(topic, [b"x"])
    async with member(kafka.settings(), topic) as reader:
        await reader.until(lambda: reader.records)
        assert reader.records[0].timestamp_type == "log_append"


async def test_no_more_is_taken_than_was_granted(kafka: Kafka) -> None:
    """A grant counts records, whatever number of batches they come in."""
    topic = kafka.topic()
    kafka.send(topic, [b"%d" % i for i in range(50)])
    async with member(kafka.settings(), topic, room=None) as reader:
        reader.source.grant(7)
        await reader.until(lambda: len(reader.records) == 7)
        await asyncio.sleep(0.3)
        assert len(reader.records) == 7


async def test_a_long_time_without_credit_loses_nothing(kafka: Kafka) -> None:
    """Past two seconds everything is paused and the prefetch thrown away; every record still comes once, in order."""
    topic = kafka.topic(2)
    expected = [b"%03d" % i for i in range(200)]
    kafka.send(topic, expected)
    async with member(kafka.settings(), topic, room=None) as reader:
        reader.source.grant(10)
        await reader.until(lambda: len(reader.records) == 10)
        before = reader.source.last_poll
        await asyncio.sleep(2.6)
        assert reader.source.last_poll > before + 2
        reader.source.grant(1000)
        await reader.until(lambda: len(reader.records) >= 200)
        assert reader.values == expected


@pytest.mark.parametrize("protocol", GroupProtocol)
async def test_stored_offsets_are_committed_at_close(kafka: Kafka, protocol: GroupProtocol) -> None:
    """What was stored, and nothing beyond it, is committed when the source leaves."""
    topic, settings = kafka.topic(), kafka.settings(protocol=protocol)
    kafka.send(topic, [b"x"] * 5)
    async with member(settings, topic) as reader:
        await reader.until(lambda: len(reader.records) == 5)
        (lease,) = reader.held
        reader.source.store({lease: 3, lease._replace(epoch=lease.epoch + 1): 5})
    assert kafka.committed(settings.group, topic) == {0: 3}


async def test_stored_offsets_are_committed_while_running(kafka: Kafka) -> None:
    """A stored offset is committed within seconds, without a rebalance."""
    topic, settings = kafka.topic(), kafka.settings()
    kafka.send(topic, [b"x"] * 5)
    async with member(settings, topic) as reader:
        await reader.until(lambda: len(reader.records) == 5)
        reader.source.store(reader.done(*reader.held))
        await reader.until(lambda: kafka.committed(settings.group, topic) == {0: 5})


@pytest.mark.parametrize("protocol", GroupProtocol)
async def test_a_partition_added_later_begins_at_its_beginning(kafka: Kafka, protocol: GroupProtocol) -> None:
    """What was written before the group noticed the partition is read."""
    topic = kafka.topic()
    kafka.send(topic, [b"skipped"])
    settings = kafka.settings(protocol=protocol, consumer={"topic.metadata.refresh.interval.ms": "500"})
    attach(settings, [topic], "latest", allow_latest=True)
    async with member(settings, topic) as reader:
        await reader.until(lambda: reader.held)
        kafka.add_partitions(topic, 2)
        kafka.send(topic, [b"early"], partition=1)
        kafka.send(topic, [b"old partition"], partition=0)
        await reader.until(lambda: len(reader.records) == 2)
        assert sorted(v for v in reader.values if v) == [b"early", b"old partition"]


async def test_out_of_range_halts_that_partition_alone(kafka: Kafka) -> None:
    """A position that is gone neither resets nor stops the others; it is told once."""
    topic, settings = kafka.topic(2), kafka.settings()
    for partition in (0, 1):
        kafka.send(topic, [b"x"] * 10, partition=partition)
    kafka.commit(settings.group, topic, {0: 2, 1: 2})
    kafka.delete_before(topic, 0, 5)
    async with member(settings, topic) as reader:
        await reader.until(lambda: len(reader.records) == 8 and reader.halted)
        kafka.send(topic, [b"more"], partition=1)
        await reader.until(lambda: len(reader.records) == 9)
        assert {r.partition for r in reader.records} == {1}
        assert [h.lease.partition for h in reader.halted] == [0]
        assert "set the group's offset" in reader.halted[0].reason
    assert kafka.committed(settings.group, topic, 2)[0] == 2


async def test_a_beginning_is_decided_late_where_the_lookup_failed(
    kafka: Kafka, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where offsets can't be read at the assignment, a new partition still begins at its beginning."""
    topic, log = kafka.topic(), LogBook()
    kafka.send(topic, [b"x"] * 3)
    monkeypatch.setattr("stream_guard.kafka.consumer.poller.Consumer", ForgetfulConsumer)
    async with member(kafka.settings(), topic, log=log) as reader:
        await reader.until(lambda: len(reader.records) == 3)
        assert not reader.halted
    assert "kafka.committed_unknown" in log.events()


class ForgetfulConsumer(Consumer):
    """A consumer whose first look-up of committed offsets times out."""

    asked = 0

    def committed(self, partitions: list[TopicPartition], timeout: float = -1) -> list[TopicPartition]:
        """Fails once."""
        self.asked += 1
        if self.asked == 1:
            raise KafkaException(KafkaError(KafkaError._TIMED_OUT, "no answer"))
        found: list[TopicPartition] = super().committed(partitions, timeout=timeout)
        return found


async def test_patterns_follow_the_cluster_and_spare_our_own_topics(kafka: Kafka) -> None:
    """A topic that matches is read, one made later too; an own output topic never is."""
    stem = kafka.name("chat")
    one, own = kafka.topic(name=f"{stem}.one"), kafka.topic(name=f"{stem}.verdicts")
    for topic in (one, own):
        kafka.send(topic, [topic.encode()])
    selection = Selection(patterns=(re.compile(rf"{stem}\..*"),), own=frozenset({own}))
    async with member(kafka.settings(refresh_s=0.3), selection=selection) as reader:
        await reader.until(lambda: reader.records)
        two = kafka.topic(name=f"{stem}.two")
        kafka.send(two, [two.encode()])
        await reader.until(lambda: len(reader.records) == 2)
        assert reader.values == [one.encode(), two.encode()]
        assert len({record.lease.topic_id for record in reader.records} - {None}) == 2


async def test_a_name_waits_for_its_topic(kafka: Kafka) -> None:
    """A topic that does not exist yet is no error; it is read from its beginning once it does."""
    name = kafka.name("later")
    settings = kafka.settings(consumer={"topic.metadata.refresh.interval.ms": "500"})
    async with member(settings, name) as reader:
        await asyncio.sleep(0.5)
        kafka.topic(name=name)
        kafka.send(name, [b"first"])
        await reader.until(lambda: reader.values == [b"first"])


async def test_topic_ids_are_known_at_the_assignment(kafka: Kafka) -> None:
    """The id is the broker's, the same as an admin client reads."""
    topic, settings = kafka.topic(), kafka.settings()
    async with member(settings, topic) as reader:
        await reader.until(lambda: reader.of(Assigned))
        (lease,) = reader.held
        assert lease.topic_id == Admin(settings).topic_ids([topic])[topic]


@pytest.mark.parametrize("protocol", GroupProtocol)
@pytest.mark.parametrize("records", [5, 25], ids=["shorter than it was", "longer than it was"])
async def test_a_topic_that_is_made_anew_is_read_from_its_beginning(
    kafka: Kafka, protocol: GroupProtocol, records: int
) -> None:
    """Where it grows past the old position, to read on from there would lose what stands before; nothing halts."""
    topic, settings, log = kafka.topic(), kafka.settings(protocol=protocol, refresh_s=0.5), LogBook()
    kafka.send(topic, [b"old"] * 10)
    async with member(settings, topic, log=log) as reader:
        await reader.until(lambda: len(reader.records) == 10)
        reader.source.store(reader.done(*reader.held))
        await reader.until(lambda: kafka.committed(settings.group, topic) == {0: 10})
        kafka.make_anew(topic)
        kafka.send(topic, [b"%d" % number for number in range(records)])

        def under_its_id() -> list[bytes | None]:
            old = reader.records[0].lease.topic_id
            return [record.value for record in reader.records if record.lease.topic_id != old]

        await reader.until(lambda: under_its_id() == [b"%d" % number for number in range(records)])
        assert reader.halted == []
        assert "kafka.topic_made_anew" in log.events()

        def committed() -> bool:
            """The group may take the partition away once more meanwhile, when it, too, learns of the new topic."""
            reader.source.store(dict.fromkeys(reader.held, records))
            return kafka.committed(settings.group, topic) == {0: records}

        await reader.until(committed)


@pytest.mark.parametrize("protocol", GroupProtocol)
async def test_an_offset_of_a_topic_that_is_gone_does_not_count(kafka: Kafka, protocol: GroupProtocol) -> None:
    """A member that comes later, and never saw the old topic, does not begin where that was committed."""
    topic, settings, log = kafka.topic(), kafka.settings(protocol=protocol), LogBook()
    kafka.send(topic, [b"x"] * 5)
    other = f"topic-id:{Admin(settings).cluster_id()}:{'A' * 22}"
    consumer = Consumer({**kafka.own, "group.id": settings.group})
    consumer.commit(offsets=[TopicPartition(topic, 0, 3, other)], asynchronous=False)
    consumer.close()
    async with member(settings, topic, log=log) as reader:
        await reader.until(lambda: len(reader.records) == 5)
        reader.source.store(reader.done(*reader.held))
    assert "kafka.offset_of_deleted_topic" in log.events()
    consumer = Consumer({**kafka.own, "group.id": settings.group})
    (committed,) = consumer.committed([TopicPartition(topic, 0)], timeout=10)
    consumer.close()
    assert committed.offset == 5
    assert str(committed.metadata).endswith(Admin(settings).topic_ids([topic])[topic] or "")


async def test_an_unreachable_broker_is_refused_at_the_start() -> None:
    """Patterns need the cluster's topics: without an answer nothing starts."""
    settings = KafkaSettings(bootstrap="127.0.0.1:1", group="g", timeout_s=0.3)
    with pytest.raises(StartRefused, match="did not tell its topics"):
        await KafkaSource.open(settings, Selection(patterns=(re.compile("x"),)), log=LogBook())
