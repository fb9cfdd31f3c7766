"""The real broker of a run, filled topics, and what was published."""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TypeAlias, cast

from confluent_kafka import Producer

from loadtest.job import Job
from loadtest.messages import Sample
from stream_guard.records import Headers
from tests.cluster import Cluster, jars
from tests.fixtures_kafka import BOOTSTRAP, Kafka

PARTITIONS = 6
_TIMES = re.compile(rb'"(received_at_ms|judged_at_ms|queue_ms|engine_ms|ruled_at_ms)":[0-9.e+-]+')

Published: TypeAlias = Mapping[bytes, tuple[bytes | None, tuple[tuple[str, bytes | None], ...], bytes]]
"""Key, headers and value by `ce_id`, without the times."""


@contextmanager
def broker() -> Iterator[Kafka]:
    """The broker that STREAM_GUARD_TEST_BOOTSTRAP names, else one for this run."""
    if running := os.environ.get(BOOTSTRAP):
        yield Kafka(running)
        return
    libs = jars()
    with (
        tempfile.TemporaryDirectory(prefix="loadtest-") as root,
        Cluster(libs=libs, root=Path(root), heap="512m", archive=libs.parent / "kafka.jsa") as cluster,
    ):
        yield Kafka(cluster.bootstrap)


def fill(kafka: Kafka, topic: str, samples: Iterable[Sample]) -> None:
    """Writes records, in the order given within a key. Returns once all are acknowledged."""
    producer = Producer({"bootstrap.servers": kafka.bootstrap, "linger.ms": 20, "compression.type": "lz4"})
    for sample in samples:
        while True:
            try:
                producer.produce(topic, sample.value, sample.key, headers=list(sample.headers))
                break
            except BufferError:
                producer.poll(0.1)
        producer.poll(0)
    producer.flush()


@contextmanager
def job(kafka: Kafka, topic: str, records: int) -> Iterator[Job]:
    """A job with output topics and a group that nobody else uses; the topics go when it is done with."""
    verdicts, rulings = (kafka.topic(PARTITIONS, name=kafka.name(stem)) for stem in ("verdicts", "rulings"))
    letters = kafka.topic(1, name=kafka.name("dead-letters"), max_message_bytes="2000000")
    try:
        yield Job(kafka.bootstrap, topic, kafka.name("loadtest"), verdicts, rulings, letters, records)
    finally:
        kafka.admin.delete_topics([verdicts, rulings, letters])


def published(kafka: Kafka, topic: str, count: int) -> Published:
    """What stands in an output topic; `count` is how much must."""
    found: dict[bytes, tuple[bytes | None, Headers, bytes]] = {}
    for message in kafka.read(topic, count, PARTITIONS):
        headers = dict(cast("Headers", message.headers() or ()))
        event_id, _ = headers.pop("ce_id", None), headers.pop("ce_time", None)
        found[event_id or b""] = (message.key(), tuple(headers.items()), _TIMES.sub(b"", message.value() or b""))
    return found
