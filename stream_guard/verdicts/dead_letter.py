"""A dead letter: a record kept whole, so that it can be replayed, and what became of it.

The value is the original's bytes; the Kafka key is the dead letter's id, so that it can be purged with a tombstone. What we
say of it comes first in the headers, each named `sg-dl-<field>` (fields of `DeadLetter` and `Source`): text in UTF-8,
integers in decimal, booleans as `true` or `false`, `entries` as JSON; a null field has no header. Two exceptions:
`sg-dl-key` is always there and holds the original key, null for a null key; and where `sg-dl-value-null` is true the empty
value stands for a null one, which the topic's compaction would take for a tombstone.

Then comes the delimiter `sg-dl-original-headers`, whose value is the number of the original's headers, then exactly those,
in order. Whatever stands behind the delimiter is the original's: a producer that sends `sg-dl-` headers forges nothing. What
something on the way puts in front or at the end is left out of the original.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from enum import StrEnum
from typing import Any, TypeVar

import msgspec
from msgspec import Struct

from stream_guard.errors import MessageError
from stream_guard.identity import DeadLetterId, Subject
from stream_guard.records import Headers, Lease, Record
from stream_guard.verdicts.decoding import decode_entries
from stream_guard.verdicts.encoding import Encoded
from stream_guard.verdicts.model import CONTRACT_VERSION, Entry, Lane

PREFIX = "sg-dl-"
KEY = PREFIX + "key"
DELIMITER = PREFIX + "original-headers"
_MAX_DIGITS = 9

T = TypeVar("T", bound=Struct)


class Scope(StrEnum):
    """What failed: the record as a whole, or one case of it."""

    RECORD = "record"
    CASE = "case"


class DeadLetter(Struct, frozen=True, kw_only=True):
    """What became of a record that is kept for a replay. No field quotes the record.

    The policy fields are null unless the scope is `case`. `entries` are the event's verdicts so far, so that a replay can
    supersede them without a store. Times are Unix times in milliseconds; `replays` counts the replays so far.
    """

    contract: int = CONTRACT_VERSION
    id: DeadLetterId
    scope: Scope
    reason: str
    detail: str
    retriable: bool
    policy_id: str | None = None
    policy_version: str | None = None
    prompt_version: str | None = None
    namespace: str
    lane: Lane
    route: str
    subject: Subject
    kind: str | None = None
    stage: str
    cluster: str
    group: str
    topic_id: str | None = None
    attempts: int
    first_failed_at_ms: int
    last_failed_at_ms: int
    app_version: str
    model: str | None = None
    replays: int = 0
    traceparent: str | None = None
    entries: tuple[Entry, ...] = ()

    def __repr__(self) -> str:
        return f"DeadLetter({self.id}, {self.scope}, {self.reason}, replays {self.replays})"


class Source(Struct, frozen=True):
    """The original record, besides what is kept verbatim: where it stood, and whether its value was null."""

    topic: str
    partition: int
    offset: int
    timestamp_type: str
    value_null: bool
    leader_epoch: int | None = None
    timestamp_ms: int | None = None


def encode(dead_letter: DeadLetter, record: Record) -> Encoded:
    """A dead letter as a record: the original's value, our headers, the delimiter, the original's headers."""
    headers = (
        *_written(dead_letter),
        *_written(_source_of(record)),
        (KEY, record.key),
        (DELIMITER, _text(len(record.headers))),
        *record.headers,
    )
    return Encoded(dead_letter.id.encode(), record.value or b"", headers)


def decode(key: bytes | None, value: bytes | None, headers: Headers) -> tuple[DeadLetter, Record]:
    """What became of the record, and the record itself; its lease has epoch 0: it is under no assignment.

    Raises MessageError where this is no dead letter of the contract, or one that was purged (a null value) or cut.
    """
    if value is None:
        raise MessageError("a purged dead letter holds nothing")
    own, original = _split(headers)
    dead_letter = _read(own, DeadLetter)
    if key != dead_letter.id.encode():
        raise MessageError("the key is not the dead letter's id")
    if KEY not in own:
        raise MessageError(f"a dead letter has the header {KEY}")
    return dead_letter, _record(_read(own, Source), dead_letter.topic_id, own, value, original)


def header_of(field: str) -> str:
    """The header that a field of a dead letter is written to."""
    return PREFIX + field.replace("_", "-")


def _record(
    source: Source, topic_id: str | None, own: Mapping[str, bytes | None], value: bytes, headers: Headers
) -> Record:
    return Record(
        lease=Lease(source.topic, source.partition, epoch=0, topic_id=topic_id),
        offset=source.offset,
        value=None if source.value_null else value,
        key=own[KEY],
        headers=headers,
        timestamp_ms=source.timestamp_ms,
        timestamp_type=source.timestamp_type,
        leader_epoch=source.leader_epoch,
    )


def _source_of(record: Record) -> Source:
    return Source(
        topic=record.topic,
        partition=record.partition,
        offset=record.origin_offset,
        value_null=record.value is None,
        leader_epoch=record.leader_epoch,
        timestamp_ms=record.timestamp_ms,
        timestamp_type=record.timestamp_type,
    )


def _written(fields: Struct) -> Iterator[tuple[str, bytes]]:
    for name in fields.__struct_fields__:
        value = getattr(fields, name)
        if value is not None:
            yield header_of(name), msgspec.json.encode(value) if isinstance(value, tuple) else _text(value)


def _text(value: object) -> bytes:
    # A lone surrogate in a name must not keep a dead letter from being written.
    return (str(value).lower() if isinstance(value, bool) else str(value)).encode("utf-8", "replace")


def _split(headers: Headers) -> tuple[Mapping[str, bytes | None], Headers]:
    """Our headers by name, and the original's."""
    at = next((i for i, (name, _) in enumerate(headers) if name == DELIMITER), None)
    if at is None:
        raise MessageError(f"a dead letter has the header {DELIMITER}")
    count = headers[at][1] or b""
    original = headers[at + 1 :]
    if not count.isdigit() or len(count) > _MAX_DIGITS or int(count) > len(original):
        raise MessageError(f"the original's headers are fewer than {DELIMITER} says")
    return dict(headers[:at]), original[: int(count)]


def _read(own: Mapping[str, bytes | None], kind: type[T]) -> T:
    raw: dict[str, Any] = {}
    for field in kind.__struct_fields__:
        value = own.get(header_of(field))
        if value is not None:
            raw[field] = decode_entries(value) if field == "entries" else _decoded(field, value)
    try:
        return msgspec.convert(raw, kind, strict=False)
    except msgspec.ValidationError as error:
        raise MessageError("the headers are no dead letter of the contract") from error


def _decoded(field: str, value: bytes) -> str:
    try:
        return value.decode()
    except UnicodeDecodeError as error:
        raise MessageError(f"the header {header_of(field)} is not UTF-8") from error
