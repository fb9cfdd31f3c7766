"""Reads one partition in a process of its own: what it costs to read it, or to fail at it, is this process's alone.

`python -m stream_guard.kafka.consumer.rescue_child`; everything passes through stdin and stdout, in frames: the terms first,
then one answer for each question. One batch is fetched at a time, so that what it dies of is the batch that comes next.
"""

from __future__ import annotations

import contextlib
import os
import resource
import struct
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO, BinaryIO, Final, TypeAlias, TypeVar

import msgspec
from confluent_kafka import Consumer, KafkaError, KafkaException, Message
from confluent_kafka import TopicPartition as Position
from msgspec import Struct
from msgspec.structs import replace

from stream_guard.kafka.consumer.reading import read
from stream_guard.kafka.faults import Meaning, describe, meaning
from stream_guard.records import Flaw, Headers, Lease, Record
from stream_guard.telemetry.cores import leave_no_core

REPLY_BYTES: Final = 1_048_576
"""Bytes of records after which an answer ends; it has one record at least."""
_POLL_S = 1.0
_LENGTH: Final = struct.Struct("<I")
_OF_NO_LEASE: Final = 0
T = TypeVar("T")


class Terms(Struct, frozen=True, tag=True):
    """What to read, and within which bounds, in bytes: `memory` beyond what the process has anyway, `whole` of one record."""

    client: Mapping[str, str | int | float | bool]
    topic: str
    partition: int
    memory: int
    whole: int
    timeout_s: float

    def __repr__(self) -> str:
        return f"Terms({self.topic}[{self.partition}])"


class Bounds(Struct, frozen=True, tag=True):
    """Asks where the log begins and ends."""


class Seek(Struct, frozen=True, tag=True):
    """Reads on from an offset."""

    offset: int


class Next(Struct, frozen=True, tag=True):
    """Asks for the next records."""

    records: int


Question: TypeAlias = Bounds | Seek | Next


class Between(Struct, frozen=True, tag=True):
    """The first offset of the log, and the one after its last."""

    low: int
    high: int


class Sought(Struct, frozen=True, tag=True):
    """The partition is read on from there."""


class Read(Struct, frozen=True, tag=True):
    """Records, in order: offset, value, key, headers, timestamp and its type, leader epoch, flaw and its kind."""

    records: Sequence[
        tuple[
            int, bytes | None, bytes | None, Sequence[tuple[str, bytes | None]], int | None, str, int | None, str, Flaw
        ]
    ]


class End(Struct, frozen=True, tag=True):
    """There is nothing more; the next record will have this offset, or a later one."""

    offset: int


class Unreadable(Struct, frozen=True, tag=True):
    """The batch that begins at this offset can't be read."""

    base: int
    why: str


class Gone(Struct, frozen=True, tag=True):
    """The position is not in the log."""


class Silent(Struct, frozen=True, tag=True):
    """Nothing came, and nothing is known of why, or what the client said last."""

    why: str


class Failed(Struct, frozen=True, tag=True):
    """The cluster refused."""

    why: str


Answer: TypeAlias = Between | Sought | Read | End | Unreadable | Gone | Silent | Failed


def send(stream: IO[bytes], message: Struct) -> None:
    """Writes one frame."""
    body = msgspec.msgpack.encode(message)
    stream.write(_LENGTH.pack(len(body)) + body)
    stream.flush()


def frame_length(head: bytes) -> int:
    """How long the body is that follows these 4 bytes."""
    return int(_LENGTH.unpack(head)[0])


HEAD_BYTES: Final = _LENGTH.size


class _Reader:
    """One consumer of one partition."""

    def __init__(self, terms: Terms) -> None:
        self._terms = terms
        self._where = terms.topic, terms.partition
        self._said = ""
        self._error: KafkaError | None = None
        self._base = 0
        self._held: list[Record] = []
        self._leases = {self._where: Lease(terms.topic, terms.partition, _OF_NO_LEASE)}
        self._consumer = Consumer({**terms.client, "error_cb": self._on_client_error})

    def answer(self, question: Question) -> Answer:
        """Blocks, bounded."""
        match question:
            case Bounds():
                low, high = self._consumer.get_watermark_offsets(Position(*self._where), timeout=self._terms.timeout_s)
                return Between(low, high)
            case Seek(offset):
                self._held = []
                self._error = None
                self._consumer.assign([Position(*self._where, offset)])
                return Sought()
            case Next(records):
                return self._next(records)

    def _next(self, count: int) -> Answer:
        found: list[Record] = []
        size, timeout = 0, _POLL_S
        while len(found) < count and size < REPLY_BYTES and self._error is None:
            message = self._consumer.poll(timeout)
            if message is None:
                break
            records = [self._bounded(record) for record in read([message], self._leases, self._on_error)]
            size += sum(record.size for record in records)
            found += records
            timeout = 0.0
        if found:
            return Read([_fields(record) for record in found])
        return self._what_else()

    def _bounded(self, record: Record) -> Record:
        """A record that is too large to be taken in is named, not kept."""
        if record.size <= self._terms.whole:
            return record
        flaw = f"{record.size} bytes once decompressed, {self._terms.whole} can be kept: it stands in the topic at its offset"
        key = record.key if len(record.key or b"") <= _KEPT_KEY else None
        return replace(record, value=None, key=key, headers=(), flaw=flaw, flaw_kind=Flaw.UNREADABLE_BATCH)

    def _what_else(self) -> Answer:
        error, self._error = self._error, None
        if error is None:
            said, self._said = self._said, ""
            return Silent(said)
        if error.code() == KafkaError._PARTITION_EOF:  # noqa: SLF001 - the library's name
            return End(self._base)
        means = meaning(error)
        if means is Meaning.UNREADABLE:
            return Unreadable(self._base, describe(error))
        if means is Meaning.POSITION_GONE:
            return Gone()
        return Failed(describe(error)) if means is Meaning.REFUSED else Silent(describe(error))

    def _on_error(self, message: Message) -> None:
        error = message.error()
        if error is not None and error.code() != KafkaError.GROUP_AUTHORIZATION_FAILED:
            self._error, self._base = error, message.offset() or 0

    def _on_client_error(self, error: KafkaError) -> None:
        self._said = describe(error)


_KEPT_KEY: Final = 65_536


def _fields(
    record: Record,
) -> tuple[int, bytes | None, bytes | None, Headers, int | None, str, int | None, str, Flaw]:
    return (
        record.offset, record.value, record.key, record.headers, record.timestamp_ms, record.timestamp_type,
        record.leader_epoch, record.flaw, record.flaw_kind,
    )  # fmt: skip


def main() -> None:
    """Answers until stdin ends."""
    questions, answers = sys.stdin.buffer, sys.stdout.buffer
    terms = _received(questions, msgspec.msgpack.Decoder(Terms))
    if terms is None:
        return
    _first_to_go()
    reader = _Reader(terms)
    _cap(terms.memory)
    decoder: msgspec.msgpack.Decoder[Question] = msgspec.msgpack.Decoder(Question)
    while (question := _received(questions, decoder)) is not None:
        send(answers, _answered(reader, question))


def _answered(reader: _Reader, question: Question) -> Answer:
    try:
        return reader.answer(question)
    except KafkaException as error:
        time.sleep(_POLL_S)
        return Silent(describe(error.args[0]))


def _received(stream: BinaryIO, decoder: msgspec.msgpack.Decoder[T]) -> T | None:
    head = stream.read(HEAD_BYTES)
    return decoder.decode(stream.read(frame_length(head))) if len(head) == HEAD_BYTES else None


def _first_to_go() -> None:
    """Where memory runs out all the same, the kernel ends this process rather than the service."""
    with contextlib.suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text("1000", encoding="ascii")


def _cap(memory: int) -> None:
    """So much address space beyond what is in use now. Linux tells how much that is; elsewhere the cap is the whole."""
    used = 0
    with contextlib.suppress(OSError):
        used = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0]) * os.sysconf("SC_PAGE_SIZE")
    _, hard = resource.getrlimit(resource.RLIMIT_AS)
    limit = used + memory if hard == resource.RLIM_INFINITY else min(used + memory, hard)
    resource.setrlimit(resource.RLIMIT_AS, (limit, hard))
    leave_no_core()


if __name__ == "__main__":
    main()
