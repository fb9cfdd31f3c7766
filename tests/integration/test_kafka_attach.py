"""The first attach against a real broker: where a group begins, and when it must not."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from stream_guard.errors import StartRefused
from stream_guard.kafka.cluster.attach import AttachReport, Start, attach
from stream_guard.kafka.settings import GroupProtocol, KafkaSettings
from stream_guard.records import TopicPartition
from tests.fixtures_kafka import Kafka
from tests.members import member

pytestmark = pytest.mark.kafka

NOON = 1_700_000_000_000


def make_history(kafka: Kafka) -> str:
    """A topic of two partitions: five records, a second apart, the first two deleted; and an empty one."""
    topic = kafka.topic(2, retention_ms="-1")
    for second in range(5):
        kafka.send(topic, [b"x"], timestamp=NOON + second * 1000)
    kafka.delete_before(topic, 0, 2)
    return topic


@pytest.mark.parametrize(
    ("start", "first", "second"),
    [
        ("earliest", 2, 0),
        ("latest", 5, 0),
        (NOON + 2500, 3, 0),
        (datetime.fromtimestamp((NOON + 4000) / 1000, tz=UTC), 4, 0),
        (NOON + 9000, 5, 0),
        (0, 2, 0),
    ],
)
def test_a_start_is_resolved_and_committed(kafka: Kafka, start: Start, first: int, second: int) -> None:
    """Earliest is the log's beginning, latest its end, a time the first record from then on."""
    topic, settings = make_history(kafka), kafka.settings()
    report = attach(settings, [topic], start, allow_latest=True)
    assert report == AttachReport(
        {TopicPartition(topic, 0): first, TopicPartition(topic, 1): second}, kept=(), missing=()
    )
    assert kafka.committed(settings.group, topic, 2) == {0: first, 1: second}


def test_latest_is_refused_where_it_could_skip(kafka: Kafka) -> None:
    """A group without offsets may have lost them: without an explicit attach it stops and says what to do."""
    topic, settings = make_history(kafka), kafka.settings()
    with pytest.raises(StartRefused, match=f"no offsets for {topic}.*run --attach"):
        attach(settings, [topic], "latest", allow_latest=False)
    assert kafka.committed(settings.group, topic, 2) == {}


def test_offsets_that_stand_are_kept(kafka: Kafka) -> None:
    """A second start changes nothing, whatever `start` says, and a partition without an offset is left to the source."""
    topic, settings = make_history(kafka), kafka.settings()
    kafka.commit(settings.group, topic, {0: 4})
    for start in ("earliest", "latest"):
        report = attach(settings, [topic], start, allow_latest=False)
        assert report == AttachReport({}, kept=(topic,), missing=())
    assert kafka.committed(settings.group, topic, 2) == {0: 4}


def test_a_new_topic_is_attached_beside_known_ones(kafka: Kafka) -> None:
    """Only the topic without any offset begins anew; one that does not exist yet is named."""
    known, new, absent = make_history(kafka), make_history(kafka), kafka.name("absent")
    settings = kafka.settings()
    kafka.commit(settings.group, known, {0: 4})
    report = attach(settings, [known, new, absent], "earliest", allow_latest=False)
    assert report.kept == (known,)
    assert report.missing == (absent,)
    assert {where.topic for where in report.attached} == {new}


@pytest.mark.parametrize("protocol", GroupProtocol)
async def test_a_group_at_work_is_not_attached_from_outside(kafka: Kafka, protocol: GroupProtocol) -> None:
    """Earliest needs no commit: the source begins there anyway. A time does, so it is refused with the way out."""
    one, two = kafka.topic(), kafka.topic()
    settings = kafka.settings(protocol=protocol)
    async with member(settings, one) as reader:
        await reader.until(lambda: reader.held)
        report = attach(settings, [two], "earliest", allow_latest=False)
        assert (report.attached, report.left) == ({}, (two,))
        with pytest.raises(StartRefused, match="is at work"):
            attach(settings, [two], NOON, allow_latest=False)


async def test_a_replica_that_comes_second_goes_on(kafka: Kafka) -> None:
    """Another replica attached and works already: its offsets stand."""
    topic, settings = make_history(kafka), kafka.settings()
    attach(settings, [topic], "earliest", allow_latest=False)
    async with member(settings, topic) as reader:
        await reader.until(lambda: len(reader.records) == 3)
        assert attach(settings, [topic], NOON, allow_latest=False).kept == (topic,)


def test_a_time_needs_its_zone(kafka: Kafka) -> None:
    """A time without a zone would mean another moment on another machine."""
    topic = make_history(kafka)
    with pytest.raises(StartRefused, match="names no zone"):
        attach(kafka.settings(), [topic], datetime(2026, 1, 31), allow_latest=False)  # noqa: DTZ001 - the point


def test_an_unreachable_broker_is_refused() -> None:
    """Without an answer nothing is assumed."""
    settings = KafkaSettings(bootstrap="127.0.0.1:1", group="g", timeout_s=0.3)
    with pytest.raises(StartRefused, match="could not attach"):
        attach(settings, ["t"], "earliest", allow_latest=False)
