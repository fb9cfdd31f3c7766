"""Batches that the consumer can't read, or that end the process that reads them: their partition goes on, and nothing is skipped in silence."""

from __future__ import annotations

import resource
from collections.abc import Sequence
from pathlib import Path

import pytest
from confluent_kafka import KafkaError, Message, Producer
from confluent_kafka.admin import AlterConfigOpType, ConfigEntry, ConfigResource, ResourceType

from stream_guard.verdicts.dead_letter import DeadLetter
from tests.fixtures_kafka import Kafka
from tests.lives import kept_alive
from tests.published import Fate, Feed, Place, Plan, check, message, read_published
from tests.service import Flow, Service, Services, make_flow

pytestmark = [pytest.mark.kafka, pytest.mark.slow]

_MB = 1_000_000
_ROOM = 1_600 * 1024 * 1024
"""Address space in which the service runs (it has 1,310 MiB), but not if a batch of 400 MB comes on top."""


def _send_batch(flow: Flow, codec: str, values: Sequence[bytes]) -> list[int]:
    """Writes one batch to partition 0. Returns the offsets of its records."""
    errors: list[KafkaError | None] = []
    offsets: list[int] = []

    def delivered(error: KafkaError | None, at: Message) -> None:
        errors.append(error)
        offsets.append(at.offset() or 0)

    producer = Producer({
        **flow.kafka.own, "compression.type": codec, "linger.ms": 5_000, "batch.size": 2_000_000_000,
        "message.max.bytes": 1_000_000_000, "queue.buffering.max.kbytes": 2_000_000,
    })  # fmt: skip
    for value in values:
        producer.produce(flow.source, value, partition=0, on_delivery=delivered)
    assert producer.flush(60) == 0
    assert errors == [None] * len(values)
    return offsets


def _take_larger_batches(flow: Flow) -> None:
    """The dead-letter topic takes these, and what a dead letter adds."""
    largest = ConfigEntry("max.message.bytes", "900000", incremental_operation=AlterConfigOpType.SET)
    topic = ConfigResource(ResourceType.TOPIC, flow.source, incremental_configs=[largest])
    for done in flow.kafka.admin.incremental_alter_configs([topic]).values():
        done.result(10)


def _plans(feed: Feed, offsets: Sequence[int], plan: Plan) -> None:
    feed.sent.update((Place(0, offset), plan) for offset in offsets)


@pytest.mark.timeout(180)
def test_a_batch_that_the_consumer_refuses_is_read_by_the_child_and_its_partition_goes_on(
    kafka: Kafka, services: Services, tmp_path: Path
) -> None:
    """60 MB of zstd, which librdkafka refuses for ever: each record ends as any other of its size would, kept whole."""
    flow = make_flow(kafka, tmp_path, partitions=2)
    feed, zeros = Feed(flow), bytes(_MB)
    feed.send([message(n) for n in range(10)])
    _plans(feed, _send_batch(flow, "zstd", [zeros] * 60), Plan(Fate.DEAD_LETTERED, zeros, "too_large", key=None))
    feed.send([message(n) for n in range(10, 20)])
    service = services.start(flow.configuration(route={"limits": {"record_bytes": "100KiB"}}))
    service.until(flow.done, 90)
    assert check(feed.sent, read_published(flow)) == {Fate.JUDGED: 20, Fate.DEAD_LETTERED: 60}
    feed.send([message(n) for n in range(20, 30)])
    service.until(flow.done)
    assert service.count("stream_guard_partitions_halted") == 0
    assert check(feed.sent, read_published(flow)) == {Fate.JUDGED: 30, Fate.DEAD_LETTERED: 60}
    assert service.logged("rescue.reading")
    assert service.terminate() == 0


@pytest.mark.timeout(180)
def test_a_value_too_large_to_be_taken_in_is_named(kafka: Kafka, services: Services, tmp_path: Path) -> None:
    """One value of 90 MB in a batch of 4 kB: a dead letter says where it stands, and that it can't be replayed."""
    flow = make_flow(kafka, tmp_path)
    feed = Feed(flow)
    feed.send([message(0)])
    _plans(
        feed, _send_batch(flow, "zstd", [bytes(90 * _MB)]), Plan(Fate.DEAD_LETTERED, None, "unreadable_batch", key=None)
    )
    feed.send([message(1)])
    service = services.start(flow.configuration())
    service.until(flow.done, 60)
    published = read_published(flow)
    assert check(feed.sent, published) == {Fate.JUDGED: 2, Fate.DEAD_LETTERED: 1}
    ((letter, _),) = published.letters[Place(0, 1)]
    assert "90000000 bytes" in letter.detail
    assert not letter.retriable


@pytest.mark.timeout(300)
@pytest.mark.parametrize("rescue_memory", ["1GiB", pytest.param("150MiB", marks=pytest.mark.chaos)])
def test_a_batch_that_kills_the_process_by_its_size_is_passed_after_restarts(
    kafka: Kafka, services: Services, tmp_path: Path, rescue_memory: str
) -> None:
    """400 MB in a batch of 400 kB, under a limit of memory: two deaths, then a child reads it, or dies of it in its stead."""
    flow = make_flow(kafka, tmp_path)
    feed = Feed(flow)
    _take_larger_batches(flow)
    feed.send([message(n) for n in range(10)])
    offsets = _send_batch(flow, "gzip", [bytes(50 * _MB)] * 8)
    named = Plan(Fate.DEAD_LETTERED, None, "unreadable_batch", key=None)
    _plans(feed, offsets if rescue_memory == "1GiB" else offsets[-1:], named)
    feed.send([message(n) for n in range(10, 20)])
    path = flow.configuration(state_dir="state", kafka={"rescue_memory": rescue_memory})

    def start() -> Service:
        service = services.start(path)
        resource.prlimit(service.pid, resource.RLIMIT_AS, (_ROOM, _ROOM))
        return service

    lives = kept_alive(start, lambda _: flow.done(), most=4, seconds=150)
    assert lives.deaths >= 2, "it should have died of the batch"
    published = read_published(flow)
    check(feed.sent, published)
    letters = [letter for found in published.letters.values() for letter, _ in found]
    assert len(letters) == (8 if rescue_memory == "1GiB" else 1)
    _assert_named(letters, offsets)
    assert lives.last.terminate() == 0


def _assert_named(letters: Sequence[DeadLetter], offsets: Sequence[int]) -> None:
    """Every offset of the batch stands in a dead letter."""
    if len(letters) == 1:
        assert f"offsets {offsets[0]} to {offsets[-1]}" in letters[0].detail
    assert all(letter.reason == "unreadable_batch" and not letter.retriable for letter in letters)
