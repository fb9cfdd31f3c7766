"""Names that are the same however often a record is delivered, and in any language.

An id is the first 16 bytes, in lower-case hex, of the SHA-256 of its fields, each written as a netstring
(`<length in bytes>:<UTF-8 bytes>,`), so that no two lists of fields can read alike.
"""

from __future__ import annotations

import hmac
from collections.abc import Iterable
from functools import lru_cache
from hashlib import sha256
from typing import NewType

from stream_guard.records import Record

Subject = NewType("Subject", str)
Slot = NewType("Slot", str)
VerdictId = NewType("VerdictId", str)
RulingId = NewType("RulingId", str)
DeadLetterId = NewType("DeadLetterId", str)
PolicyVersion = NewType("PolicyVersion", str)
PromptVersion = NewType("PromptVersion", str)


def digest(*fields: str | int) -> str:
    """The id of a list of fields: 32 hex digits."""
    return _hash(netstrings(*fields))


def netstrings(*fields: str | int) -> bytes:
    """Fields as netstrings."""
    return b"".join([b"%d:%b," % (len(raw), raw) for raw in (str(field).encode() for field in fields)])


_fixed = lru_cache(maxsize=4096)(netstrings)
"""For fields that come from the configuration: ids are made four times a record, and encoding costs more than hashing."""


def _hash(raw: bytes) -> str:
    return sha256(raw).hexdigest()[:32]


def _ascii(field: str) -> bytes:
    """One netstring of a field that is an id or a number: its characters are bytes."""
    return f"{len(field)}:{field},".encode()


def record_subject(cluster: str, topic: str, record: Record, kind: str) -> Subject:
    """The subject of an event, from where its record stands. `topic` is the topic's id, its name where a broker has none."""
    partition = _fixed("record", cluster, topic, record.lease.partition)
    return Subject(_hash(partition + _ascii(str(record.offset)) + _fixed(kind)))


def event_subject(route: str, event_id: str) -> Subject:
    """The subject of an event whose route declares its own id as unique."""
    return Subject(digest("event", route, event_id))


def completion_subject(completion_id: str) -> Subject:
    """The subject of a completion and of its steps."""
    return Subject(digest("completion", completion_id))


def slot(namespace: str, lane: str, subject: Subject, policy_id: str) -> Slot:
    """Where the verdicts of one subject under one policy compete."""
    return Slot(_hash(_fixed(namespace, lane) + _ascii(subject) + _fixed(policy_id)))


def verdict_id(
    slot: Slot, policy: PolicyVersion, prompt: PromptVersion, rank: str, stage: str, through: int, sequence: int
) -> VerdictId:
    """The id of a verdict: a redelivered record under the same policy and prompt has the same."""
    return VerdictId(_hash(_ascii(slot) + _fixed(policy, prompt, rank, stage, through, sequence)))


def ruling_id(
    namespace: str, lane: str, subject: Subject, verdict_ids: Iterable[VerdictId], complete: bool, reason: str | None
) -> RulingId:
    """The id of a ruling: the same for the same verdicts, whatever order they came in."""
    ids = b"".join([_ascii(verdict) for verdict in sorted(verdict_ids)])
    end = _fixed("true" if complete else "false", reason or "")
    return RulingId(_hash(_fixed("ruling", namespace, lane) + _ascii(subject) + ids + end))


def dead_letter_id(namespace: str, lane: str, subject: Subject, scope: str, policy_id: str | None) -> DeadLetterId:
    """The id of a dead letter, and its Kafka key: a redelivered record that fails again replaces its own dead letter."""
    return DeadLetterId(digest("dead-letter", namespace, lane, subject, scope, policy_id or ""))


def content_hash(key: bytes, content: str) -> str:
    """A keyed hash (HMAC-SHA256, hex) by which equal contents can be found without keeping them."""
    return hmac.digest(key, content.encode(), "sha256").hex()
