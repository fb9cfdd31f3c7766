"""What happened, as the brokers tell it: records, outputs with the time of their appending, commits as they were seen."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple, Self, cast

from confluent_kafka import OFFSET_BEGINNING, OFFSET_INVALID, Consumer, KafkaException, Message
from confluent_kafka import TopicPartition as Position

from stream_guard.records import Headers
from stream_guard.verdicts.dead_letter import decode as decode_dead_letter
from stream_guard.verdicts.decoding import decode_ruling, decode_verdict
from stream_guard.verdicts.model import Ruling, Verdict
from tests.published import Fate, Place
from tests.service import Flow, ends

_READ_S = 120.0


class Written(NamedTuple):
    """A record of the source topic. `at_ms` is when the broker appended it."""

    fate: Fate
    at_ms: int
    key: bytes | None = None


class Output(NamedTuple):
    """Something that was published about the record at `place`. `at_ms` is when the broker appended it, at `stands`.

    `what` is None for a dead letter.
    """

    place: Place
    at_ms: int
    what: Verdict | Ruling | None
    stands: Place


class Commit(NamedTuple):
    """A committed offset as it was seen, and when it was seen at the latest."""

    partition: int
    offset: int
    at_ms: int


class History(NamedTuple):
    """All that the oracle needs to know."""

    records: Mapping[Place, Written]
    verdicts: Sequence[Output]
    rulings: Sequence[Output]
    letters: Sequence[Output]
    commits: Sequence[Commit]


class CommitWatch:
    """Looks at the group's committed offsets again and again, in a thread; brokers that are away are waited for."""

    def __init__(self, flow: Flow, partitions: int, every_s: float = 0.25) -> None:
        """Begins when entered."""
        self.seen: list[Commit] = []
        self.latest: dict[int, int] = {}
        """The committed offsets that were seen last."""
        self._consumer = Consumer({**flow.kafka.own, "group.id": flow.group, "enable.auto.commit": False})
        self._asked = [Position(flow.source, partition) for partition in range(partitions)]
        self._every_s = every_s
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> Self:
        """Starts."""
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Stops."""
        self._stop.set()
        self._thread.join(30)
        self._consumer.close()

    def _run(self) -> None:
        while not self._stop.wait(self._every_s):
            try:
                found = self._consumer.committed(self._asked, timeout=5)
            except KafkaException:
                continue
            now = int(time.time() * 1000)
            latest = {p.partition: p.offset for p in found if p.offset != OFFSET_INVALID}
            self.seen += [Commit(p, offset, now) for p, offset in latest.items() if offset != self.latest.get(p)]
            self.latest = latest


def read_history(flow: Flow, commits: Sequence[Commit]) -> History:
    """Reads the source and the outputs from end to end."""
    records = {
        _stands(read): Written(fate_of(read.value()), read.timestamp()[1], read.key())
        for read in _read(flow, flow.source)
    }
    verdicts = [_output(read, decode_verdict(read.value() or b"")) for read in _read(flow, flow.verdicts)]
    rulings = [_output(read, decode_ruling(read.value() or b"")) for read in _read(flow, flow.rulings)]
    return History(records, verdicts, rulings, [_letter(read) for read in _read(flow, flow.dead_letters)], commits)


def fate_of(value: bytes | None) -> Fate:
    """What is to become of a record of these tests: JSON is judged, a tombstone ignored, all else dead-lettered."""
    if value is None:
        return Fate.IGNORED
    return Fate.JUDGED if value.startswith(b"{") else Fate.DEAD_LETTERED


def _read(flow: Flow, topic: str) -> Iterator[Message]:
    """All records of a topic that is not written to any more. Raises TimeoutError where they don't come."""
    stands = ends(flow.kafka, topic)
    consumer = Consumer({**flow.kafka.own, "group.id": flow.kafka.name("oracle"), "enable.auto.commit": False})
    consumer.assign([Position(topic, partition, OFFSET_BEGINNING) for partition in stands])
    missing, deadline = {partition for partition, end in stands.items() if end}, time.monotonic() + _READ_S
    try:
        while missing:
            if time.monotonic() > deadline:
                raise TimeoutError(f"partitions {missing} of {topic} could not be read")
            yield from (read for read in consumer.consume(5_000, 0.2) if read.error() is None)
            missing -= {p.partition for p in consumer.position(_at(topic, missing)) if p.offset >= stands[p.partition]}
    finally:
        consumer.close()


def _at(topic: str, partitions: set[int]) -> list[Position]:
    return [Position(topic, partition) for partition in partitions]


def _output(read: Message, what: Verdict | Ruling) -> Output:
    (source,) = what.sources
    return Output(Place(source.partition, source.offset), read.timestamp()[1], what, _stands(read))


def _letter(read: Message) -> Output:
    _, record = decode_dead_letter(read.key(), read.value(), cast("Headers", tuple(read.headers() or ())))
    return Output(Place(record.partition, record.offset), read.timestamp()[1], None, _stands(read))


def _stands(read: Message) -> Place:
    return Place(cast("int", read.partition()), cast("int", read.offset()))
