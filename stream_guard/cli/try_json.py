"""A trial as JSON lines. Content stands in `content` and `reasons` alone, and only where it was asked for."""

from __future__ import annotations

from typing import Any

import msgspec

from stream_guard.trial.news import Heard
from stream_guard.trial.tally import Summary
from stream_guard.verdicts.model import Verdict


def heard_value(heard: Heard) -> dict[str, Any]:
    """A record: where it stands, what became of it, and its verdicts."""
    value: dict[str, Any] = {
        "partition": heard.partition,
        "offset": heard.offset,
        "timestamp_ms": heard.timestamp_ms,
        "outcome": heard.fate,
        "reason": heard.reason or None,
        "detail": heard.detail or None,
        "route": heard.route or None,
        "kind": heard.kind,
        "characters": heard.chars,
        "bytes": heard.bytes,
        "decision": heard.ruling.decision if heard.ruling else None,
        "complete": heard.ruling.complete if heard.ruling else None,
        "verdicts": [_verdict_value(verdict, heard) for verdict in heard.verdicts],
    }
    return value if heard.excerpt is None else value | {"content": heard.excerpt}


def summary_value(summary: Summary) -> dict[str, Any]:
    """The summary."""
    raw: dict[str, Any] = msgspec.to_builtins(summary)
    sample = raw.pop("sample")
    unread = [{"partition": partition, "why": why} for partition, why in sample.pop("unread")]
    dead_lettered = [{"reason": why, "detail": detail, "records": n} for why, detail, n in raw.pop("dead_lettered")]
    return {
        **raw,
        "dead_lettered": dead_lettered,
        "sample": {**sample, "unread": unread, "records_per_second": summary.sample.per_second},
        "verdicts": summary.verdicts,
        "verdicts_per_second": summary.verdicts_per_second,
        "headroom": summary.headroom,
        "published": 0,
        "committed": 0,
    }


def _verdict_value(verdict: Verdict, heard: Heard) -> dict[str, Any]:
    reasons = [reason for reason in heard.rationales if reason.verdict_id == verdict.id]
    value = {
        "policy": verdict.policy.id,
        "policy_version": verdict.policy.version,
        "view": verdict.view,
        "decision": verdict.decision,
        "category": verdict.category,
        "severity": None if verdict.severity is msgspec.UNSET else verdict.severity,
        "rule_ids": verdict.rule_ids,
        "confidence": verdict.confidence,
        "abstention": verdict.abstention,
        "signals": verdict.signals,
        "attempts": verdict.attempt,
        "tokens": verdict.tokens,
        "engine_ms": verdict.timings.engine_ms,
    }
    return (
        value | {"reasons": [{"rationale": r.rationale, "reasoning": r.reasoning} for r in reasons]}
        if reasons
        else value
    )
