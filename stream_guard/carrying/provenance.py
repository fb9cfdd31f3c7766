"""A record that is carried on, as it lies in a topic of ours, and back: key and value, our headers, then the original's.

The first of our headers is JSON that says where the original stood, what was said of it, and how many of the headers behind
ours are the original's. So an original header of that very name forges nothing, and what something on the way puts in front or
at the end is left out.

Whoever may write to such a topic can have anything judged as anything: it is for those alone who have to.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import msgspec
from msgspec import Raw, Struct
from msgspec.structs import replace

from stream_guard.errors import MessageError
from stream_guard.identity import Subject
from stream_guard.records import Flaw, Headers, Origin, Record
from stream_guard.verdicts.decoding import decode_entries
from stream_guard.verdicts.model import Entry

CONTRACT_VERSION = 1


class Provenance(Struct, frozen=True, kw_only=True):
    """What the header says of every record that is carried on, as it is written and as it is read. Times are Unix times in milliseconds.

    `entries` is what was said of the event so far, as JSON: what is read may be of a contract that has grown. `headers` is how
    many headers behind ours are the original's.
    """

    contract: int  # without a default: a header that does not say is none of ours
    cluster: str
    topic: str
    topic_id: str | None
    partition: int
    offset: int
    timestamp_ms: int | None
    timestamp_type: str
    leader_epoch: int | None
    subject: Subject
    entries: Raw
    headers: int


T = TypeVar("T", bound=Provenance)


class Carried(Struct, frozen=True):
    """What is handed to Kafka, besides the topic. A null is null."""

    key: bytes | None
    value: bytes | None
    headers: Headers

    def __repr__(self) -> str:
        return f"Carried({len(self.value or b'')} B value, {len(self.headers)} headers)"


def told_of(
    record: Record, cluster: str, topic_id: str | None, subject: Subject, entries: tuple[Entry, ...]
) -> dict[str, Any]:
    """The fields of `Provenance`. `cluster` and `topic_id` are those of the topic that the record was written to."""
    return {
        "contract": CONTRACT_VERSION,
        "cluster": cluster,
        "topic": record.topic,
        "topic_id": topic_id,
        "partition": record.partition,
        "offset": record.origin_offset,
        "timestamp_ms": record.timestamp_ms,
        "timestamp_type": record.timestamp_type,
        "leader_epoch": record.leader_epoch,
        "subject": subject,
        "entries": Raw(msgspec.json.encode(entries)),
        "headers": len(record.headers),
    }


def carried(record: Record, name: str, provenance: Provenance, *beside: tuple[str, bytes]) -> Carried:
    """The record of a topic of ours: the provenance under the header of that name, and `beside` it the others of ours."""
    return Carried(record.key, record.value, ((name, msgspec.json.encode(provenance)), *beside, *record.headers))


def restored_by(restore: Callable[[Record], Record], record: Record) -> Record:
    """The original of a record that was carried on. One that does not say what it is gets a flaw: it must not be judged.

    `restore` raises MessageError where it is none.
    """
    if record.flaw and record.flaw_kind is not Flaw.POISON:
        return record
    try:
        return restore(record)
    except MessageError as error:
        flawed = replace(record, flaw=str(error), flaw_kind=Flaw.UNRESTORABLE)
        return record if record.flaw else flawed


def opened(record: Record, name: str, kind: type[T], beside: int = 0) -> tuple[T, Headers, Headers]:
    """What our header of that name says, the `beside` headers of ours behind it, and the original's. Raises MessageError."""
    at = next((i for i, (found, _) in enumerate(record.headers) if found == name), None)
    if at is None:
        raise MessageError(f"the record has no header {name}")
    told = _told(record.headers[at][1] or b"", name, kind)
    behind = record.headers[at + 1 :]
    ours, originals = behind[:beside], behind[beside:]
    if not 0 <= told.headers <= len(originals):
        raise MessageError(f"the original's headers are fewer than {name} says")
    return told, ours, originals[: told.headers]


def brought_back(record: Record, told: Provenance, headers: Headers, origin: Origin) -> Record:
    """The original, under the lease and the offset of the record that brought it."""
    return replace(
        record,
        headers=headers,
        timestamp_ms=told.timestamp_ms,
        timestamp_type=told.timestamp_type,
        leader_epoch=told.leader_epoch,
        origin=origin,
    )


def _told(value: bytes, name: str, kind: type[T]) -> T:
    try:
        told = msgspec.json.decode(value, type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise MessageError(f"the header {name} is not of the contract") from error
    if told.contract != CONTRACT_VERSION:
        raise MessageError(
            f"the header {name} is of version {told.contract} of the contract, known is {CONTRACT_VERSION}"
        )
    try:
        decode_entries(bytes(told.entries))
    except MessageError as error:
        raise MessageError(f"the header {name} holds no entries of the contract") from error
    return told
