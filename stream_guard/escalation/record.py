"""An escalation record: the original, and all that another deployment needs to judge it for good. And back.

See `carrying/provenance.py`. Three headers are ours: `sg-escalation` says what was said so far, and by which verdict;
`sg-escalation-policy` is the policy document, byte for byte, so that the other deployment judges under the very same;
`sg-escalation-context` is the earlier messages that a message was shown with, which the other deployment can't know.
"""

from __future__ import annotations

import msgspec

from stream_guard.carrying.provenance import (
    Carried,
    Provenance,
    brought_back,
    carried,
    opened,
    restored_by,
    told_of,
)
from stream_guard.delivery.hearing import Hearing
from stream_guard.errors import InvariantViolated, MessageError
from stream_guard.events.content import CONTEXT_PARTIAL, Coverage, Judged
from stream_guard.events.model import View
from stream_guard.identity import VerdictId, slot
from stream_guard.policy.document import Policy
from stream_guard.records import Escalated, Headers, Origin, Record
from stream_guard.verdicts.coverage import coverage_note
from stream_guard.verdicts.decoding import decode_entries
from stream_guard.verdicts.model import CoverageNote, Entry, Rank, Verdict

HEADER = "sg-escalation"
POLICY_HEADER = "sg-escalation-policy"
CONTEXT_HEADER = "sg-escalation-context"


class EscalationProvenance(Provenance, frozen=True, kw_only=True):
    """What the header says besides. The policy is that of the entry whose verdict is named."""

    namespace: str
    lane: str
    verdict_id: VerdictId
    view: str
    coverage: CoverageNote
    context_partial: bool


def escalated(hearing: Hearing, verdict: Verdict, policy: Policy) -> Carried:
    """The escalation record of a case, by its provisional verdict. To be made once all of the event's verdicts are in."""
    position, judged = hearing.position, hearing.judged
    if position is None or judged is None:
        raise InvariantViolated(f"{hearing!r} was not judged")
    in_context = judged.view is View.MESSAGE_IN_CONTEXT
    provenance = EscalationProvenance(
        **told_of(
            hearing.record,
            position.cluster,
            position.topic_id,
            verdict.subject,
            (*hearing.carried, *hearing.entries),
        ),
        namespace=verdict.namespace,
        lane=verdict.lane,
        verdict_id=verdict.id,
        view=verdict.view,
        coverage=coverage_note(judged.coverage),  # of the context that goes along, which is whole
        context_partial=CONTEXT_PARTIAL in judged.signals,
    )
    return carried(
        hearing.record,
        HEADER,
        provenance,
        (POLICY_HEADER, policy.document.encode()),
        (CONTEXT_HEADER, judged.context.encode() if in_context else b""),
    )


def restored(record: Record) -> Record:
    """The original of a record of the escalation topic. One that does not say what it is gets a flaw: it must not be judged."""
    return restored_by(_restored, record)


def _restored(record: Record) -> Record:
    header, ours, headers = opened(record, HEADER, EscalationProvenance, beside=2)
    document, context = _beside(ours)
    entries = decode_entries(bytes(header.entries))
    entry = next((each for each in entries if each.verdict_id == header.verdict_id), None)
    if entry is None or entry.rank is not Rank.PROVISIONAL:
        raise MessageError(f"the header {HEADER} names no provisional verdict among its entries")
    if entry.slot != slot(header.namespace, header.lane, header.subject, entry.policy_id):
        raise MessageError(f"the header {HEADER} names a verdict about something else")
    if header.view not in tuple(View):
        raise MessageError(f"the header {HEADER} names a view that is not known here")
    before = record.origin
    origin = Origin(
        cluster=header.cluster,
        topic=header.topic,
        topic_id=header.topic_id,
        partition=header.partition,
        offset=header.offset,
        sent_at_ms=record.timestamp_ms if before is None else before.sent_at_ms,
        subject=header.subject,
        replays=0 if before is None else before.replays,
        first_failed_at_ms=None if before is None else before.first_failed_at_ms,
        entries=bytes(header.entries),
        escalated=_escalated(header, entry, entries, document, context, record),
    )
    return brought_back(record, header, headers, origin)


def _escalated(
    header: EscalationProvenance,
    entry: Entry,
    entries: tuple[Entry, ...],
    document: bytes,
    context: str,
    record: Record,
) -> Escalated:
    return Escalated(
        namespace=header.namespace,
        lane=header.lane,
        policy_id=entry.policy_id,
        policy_version=entry.policy_version,
        revision=entry.revision,
        document=document,
        view=header.view,
        verdict_id=header.verdict_id,
        sequence=max(each.sequence for each in entries if each.slot == entry.slot),
        context=context,
        context_turns=header.coverage.context_turns if header.view == View.MESSAGE_IN_CONTEXT else 0,
        text_parts=header.coverage.text_parts,
        unsupported_parts=header.coverage.unsupported_parts,
        complete=header.coverage.complete,
        context_partial=header.context_partial,
        brought_by=record,
    )


def _beside(ours: Headers) -> tuple[bytes, str]:
    """The policy document and the context, behind our first header."""
    if [name for name, _ in ours] != [POLICY_HEADER, CONTEXT_HEADER]:
        raise MessageError(f"behind {HEADER} stand {POLICY_HEADER} and {CONTEXT_HEADER}")
    (_, document), (_, context) = ours
    try:
        return document or b"", (context or b"").decode()
    except UnicodeDecodeError as error:
        raise MessageError(f"the header {CONTEXT_HEADER} is not UTF-8") from error


def kept(record: Record) -> Record:
    """What a dead letter keeps of a record: of one that was escalated, what lies in the escalation topic, to be judged from again."""
    origin = record.origin
    return record if origin is None or origin.escalated is None else origin.escalated.brought_by


def in_context(alone: Judged, escalated: Escalated) -> Judged:
    """What is judged of an event, with the earlier messages that it was shown with before."""
    if escalated.context_turns > 0:
        whole = alone.coverage.complete and escalated.complete
        seen = Coverage(escalated.text_parts, escalated.unsupported_parts, escalated.context_turns, whole)
        alone = msgspec.structs.replace(alone, context=escalated.context, coverage=seen)
    return alone.signalling(CONTEXT_PARTIAL) if escalated.context_partial else alone
