"""A redriven record as it lies in the redrive topic, and back: see `carrying/provenance.py`. Our header is `sg-redrive`."""

from __future__ import annotations

from stream_guard.carrying.provenance import (
    Carried,
    Provenance,
    brought_back,
    carried,
    opened,
    restored_by,
    told_of,
)
from stream_guard.errors import MessageError
from stream_guard.identity import DeadLetterId
from stream_guard.records import Origin, Record
from stream_guard.verdicts.dead_letter import DeadLetter, Scope

HEADER = "sg-redrive"


class RedriveProvenance(Provenance, frozen=True, kw_only=True):
    """What the header says besides. `replays` counts this redrive too. The policy is null unless the scope is `case`."""

    dead_letter_id: DeadLetterId
    scope: Scope
    policy_id: str | None
    replays: int
    first_failed_at_ms: int


def redriven(letter: DeadLetter, record: Record) -> Carried:
    """The record of the redrive topic that a dead letter becomes."""
    provenance = RedriveProvenance(
        **told_of(record, letter.cluster, letter.topic_id, letter.subject, letter.entries),
        dead_letter_id=letter.id,
        scope=letter.scope,
        policy_id=letter.policy_id if letter.scope is Scope.CASE else None,
        replays=letter.replays + 1,
        first_failed_at_ms=letter.first_failed_at_ms,
    )
    return carried(record, HEADER, provenance)


def restored(record: Record) -> Record:
    """The original of a record of the redrive topic. One that does not say what it is gets a flaw: it must not be judged."""
    return restored_by(_restored, record)


def _restored(record: Record) -> Record:
    header, _, headers = opened(record, HEADER, RedriveProvenance)
    if (header.policy_id is None) != (header.scope is Scope.RECORD):
        raise MessageError(f"the header {HEADER} names a policy where it must not, or none where it must")
    origin = Origin(
        cluster=header.cluster,
        topic=header.topic,
        topic_id=header.topic_id,
        partition=header.partition,
        offset=header.offset,
        sent_at_ms=record.timestamp_ms,
        replays=header.replays,
        subject=header.subject,
        first_failed_at_ms=header.first_failed_at_ms,
        policy_id=header.policy_id,
        entries=bytes(header.entries),
    )
    return brought_back(record, header, headers, origin)
