"""Factories of the published contract's values, shared by the tests."""

from __future__ import annotations

from typing import Any

from stream_guard.identity import (
    DeadLetterId,
    PolicyVersion,
    PromptVersion,
    Slot,
    Subject,
    VerdictId,
    dead_letter_id,
    digest,
    slot,
    verdict_id,
)
from stream_guard.policy.document import Decision
from stream_guard.records import Lease, Record
from stream_guard.verdicts.dead_letter import DeadLetter, Scope
from stream_guard.verdicts.fold import entry_of, ruling_of
from stream_guard.verdicts.model import (
    ConfidenceNote,
    CoverageNote,
    Entry,
    ModelRef,
    PolicyRef,
    Position,
    Rank,
    Rationale,
    Ruling,
    Stage,
    Timings,
    Tokens,
    Verdict,
)

SUBJECT = Subject(digest("a subject"))
PROMPT = PromptVersion(digest("a prompt"))
RECEIVED_MS = 1_767_225_600_250
"""2026-01-01T00:00:00.250Z"""
POSITION = Position(
    cluster="cluster-1",
    topic="chat.messages",
    topic_id="AAAAAAAAAAAAAAAAAAAAAQ",
    partition=3,
    offset=12345,
    timestamp_ms=1_767_225_600_000,
)
TRACE = (("traceparent", b"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"),)


def make_verdict(policy_id: str = "spam", decision: Decision = Decision.ALLOW, **changes: Any) -> Verdict:
    """A final verdict of the model; its id and slot follow from the other fields unless they are given."""
    policy = PolicyRef(id=policy_id, version=digest("policy", policy_id), revision=1)
    fields: dict[str, Any] = {
        "subject": SUBJECT,
        "namespace": "default",
        "lane": "live",
        "kind": "message",
        "view": "message",
        "event_id": "m-1",
        "route": "chat",
        "sources": (POSITION,),
        "policy": policy,
        "prompt_version": PROMPT,
        "rank": Rank.FINAL,
        "stage": Stage("model", "1"),
        "through": 0,
        "sequence": 0,
        "decision": decision,
        "category": "SP0" if decision is Decision.ALLOW else "SP2",
        "rule_ids": () if decision is Decision.ALLOW else ("SP2.a",),
        "confidence": ConfidenceNote("label_probability", 0.9375, None),
        "abstention": None,
        "awaits": None,
        "final_by_ms": None,
        "derived_from": (),
        "signals": (),
        "coverage": CoverageNote(1, (), 0, complete=True),
        "content_hash": digest("a content"),
        "model": ModelRef("small-judge", digest("weights"), "vllm", "0.32.0"),
        "attempt": 1,
        "tokens": Tokens(612, 580, 1),
        "timings": Timings(RECEIVED_MS, RECEIVED_MS + 123, 1.5, 20.25),
        **changes,
    }
    fields.setdefault("slot", slot(fields["namespace"], fields["lane"], fields["subject"], policy_id))
    fields.setdefault("id", _id_of(fields))
    return Verdict(**fields)


def _id_of(fields: dict[str, Any]) -> VerdictId:
    version = PolicyVersion(fields["policy"].version)
    named = fields["rank"], fields["stage"].name, fields["through"], fields["sequence"]
    return verdict_id(Slot(fields["slot"]), version, fields["prompt_version"], *named)


def make_entry(policy_id: str = "spam", decision: Decision = Decision.ALLOW, **changes: Any) -> Entry:
    """The entry of such a verdict."""
    return entry_of(make_verdict(policy_id, decision, **changes))


def make_ruling(*entries: Entry, **changes: Any) -> Ruling:
    """A ruling on these entries."""
    fields: dict[str, Any] = {
        "subject": SUBJECT,
        "namespace": "default",
        "lane": "live",
        "kind": "message",
        "event_id": "m-1",
        "route": "chat",
        "sources": (POSITION,),
        "ruled_at_ms": RECEIVED_MS + 125,
        **changes,
    }
    return ruling_of(entries, **fields)


def make_rationale(verdict: Verdict) -> Rationale:
    """What the model wrote to a verdict."""
    return Rationale(
        verdict_id=verdict.id,
        slot=verdict.slot,
        subject=verdict.subject,
        policy_id=verdict.policy.id,
        rationale="It repeats one offer in every line.",
        reasoning="Is this an offer? Yes. Is it repeated? Oui, très souvent: four times.",
    )


def make_record(**changes: Any) -> Record:
    """A record of a chat topic, with headers that occur twice, that are null, and that look like ours."""
    fields: dict[str, Any] = {
        "lease": Lease("chat.messages", 3, 0, POSITION.topic_id),
        "offset": 12345,
        "value": b'{"kind": "message", "content": "caf\xe9"}',
        "key": b"room-\xff",
        "headers": (("tag", b"one"), ("tag", b"two"), ("empty", b""), ("null", None), ("sg-dl-reason", b"forged")),
        "timestamp_ms": 1_767_225_600_000,
        "timestamp_type": "create",
        "leader_epoch": 7,
        **changes,
    }
    return Record(**fields)


def make_dead_letter(**changes: Any) -> DeadLetter:
    """A dead letter of a record that could not be decoded."""
    fields: dict[str, Any] = {
        "scope": Scope.RECORD,
        "reason": "not_utf8",
        "detail": "byte 34 is no UTF-8",
        "retriable": False,
        "namespace": "default",
        "lane": "live",
        "route": "chat",
        "subject": SUBJECT,
        "stage": "decode",
        "cluster": "cluster-1",
        "group": "stream-guard",
        "topic_id": POSITION.topic_id,
        "attempts": 1,
        "first_failed_at_ms": RECEIVED_MS,
        "last_failed_at_ms": RECEIVED_MS,
        "app_version": "0.1.0",
        **changes,
    }
    fields.setdefault("id", _letter_id(fields))
    return DeadLetter(**fields)


def _letter_id(fields: dict[str, Any]) -> DeadLetterId:
    return dead_letter_id(
        fields["namespace"], fields["lane"], fields["subject"], fields["scope"], fields.get("policy_id")
    )
