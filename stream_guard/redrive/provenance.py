"""A redriven record as it lies in the redrive topic, and back: key, value and headers of the original, and where it is from.

Before the original's headers stands one of ours, `sg-redrive`: JSON that says where the original stood, what its dead letter
said, and how many of the headers behind it are the original's. So an original header of that very name forges nothing, and
what something on the way puts in front or at the end is left out.

Whoever may write to the topic can have anything judged as anything: the topic is for the operator alone.
"""

from __future__ import annotations

import msgspec
from msgspec import Raw, Struct
from msgspec.structs import replace

from stream_guard.errors import MessageError
from stream_guard.identity import DeadLetterId, Subject
from stream_guard.records import Flaw, Headers, Origin, Record
from stream_guard.verdicts.dead_letter import DeadLetter, Scope
from stream_guard.verdicts.decoding import decode_entries
from stream_guard.verdicts.model import Entry

HEADER = "sg-redrive"
CONTRACT_VERSION = 1


class Provenance(Struct, frozen=True, kw_only=True):
    """What the header says. Times are Unix times in milliseconds; `replays` counts this redrive too.

    The policy is null unless the scope is `case`. `headers` is how many headers behind this one are the original's.
    """

    contract: int
    cluster: str
    topic: str
    topic_id: str | None
    partition: int
    offset: int
    timestamp_ms: int | None
    timestamp_type: str
    leader_epoch: int | None
    dead_letter_id: DeadLetterId
    scope: Scope
    policy_id: str | None
    subject: Subject
    replays: int
    first_failed_at_ms: int
    entries: tuple[Entry, ...]
    headers: int


class _Header(Provenance, frozen=True, kw_only=True):
    """The same as it is read: the entries may be of a contract that has grown."""

    entries: Raw  # type: ignore[assignment]  # as they are written


class Redriven(Struct, frozen=True):
    """What is handed to Kafka, besides the topic. A null is null."""

    key: bytes | None
    value: bytes | None
    headers: Headers

    def __repr__(self) -> str:
        return f"Redriven({len(self.value or b'')} B value, {len(self.headers)} headers)"


def redriven(letter: DeadLetter, record: Record) -> Redriven:
    """The record of the redrive topic that a dead letter becomes."""
    provenance = Provenance(
        contract=CONTRACT_VERSION,
        cluster=letter.cluster,
        topic=record.topic,
        topic_id=letter.topic_id,
        partition=record.partition,
        offset=record.origin_offset,
        timestamp_ms=record.timestamp_ms,
        timestamp_type=record.timestamp_type,
        leader_epoch=record.leader_epoch,
        dead_letter_id=letter.id,
        scope=letter.scope,
        policy_id=letter.policy_id if letter.scope is Scope.CASE else None,
        subject=letter.subject,
        replays=letter.replays + 1,
        first_failed_at_ms=letter.first_failed_at_ms,
        entries=letter.entries,
        headers=len(record.headers),
    )
    return Redriven(record.key, record.value, ((HEADER, msgspec.json.encode(provenance)), *record.headers))


def restored(record: Record) -> Record:
    """The original of a record of the redrive topic. One that does not say what it is gets a flaw: it must not be judged."""
    if record.flaw and record.flaw_kind is not Flaw.POISON:
        return record
    try:
        return _restored(record)
    except MessageError as error:
        flawed = replace(record, flaw=str(error), flaw_kind=Flaw.UNRESTORABLE)
        return record if record.flaw else flawed


def _restored(record: Record) -> Record:
    at = next((i for i, (name, _) in enumerate(record.headers) if name == HEADER), None)
    if at is None:
        raise MessageError(f"a record of the redrive topic has the header {HEADER}")
    header = _header(record.headers[at][1] or b"")
    headers = record.headers[at + 1 :]
    if not 0 <= header.headers <= len(headers):
        raise MessageError(f"the original's headers are fewer than {HEADER} says")
    return replace(
        record,
        headers=headers[: header.headers],
        timestamp_ms=header.timestamp_ms,
        timestamp_type=header.timestamp_type,
        leader_epoch=header.leader_epoch,
        origin=_origin(header, record.timestamp_ms),
    )


def _header(value: bytes) -> _Header:
    try:
        header = msgspec.json.decode(value, type=_Header)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise MessageError(f"the header {HEADER} is not of the contract") from error
    if header.contract != CONTRACT_VERSION:
        raise MessageError(
            f"the header {HEADER} is of version {header.contract} of the contract, known is {CONTRACT_VERSION}"
        )
    if (header.policy_id is None) != (header.scope is Scope.RECORD):
        raise MessageError(f"the header {HEADER} names a policy where it must not, or none where it must")
    try:
        decode_entries(bytes(header.entries))
    except MessageError as error:
        raise MessageError(f"the header {HEADER} holds no entries of the contract") from error
    return header


def _origin(header: _Header, redriven_at_ms: int | None) -> Origin:
    return Origin(
        cluster=header.cluster,
        topic=header.topic,
        topic_id=header.topic_id,
        partition=header.partition,
        offset=header.offset,
        redriven_at_ms=redriven_at_ms,
        replays=header.replays,
        subject=header.subject,
        dead_letter_id=header.dead_letter_id,
        first_failed_at_ms=header.first_failed_at_ms,
        policy_id=header.policy_id,
        entries=bytes(header.entries),
    )
