"""The messages that are frozen under `golden/`, and how they are written down.

The contract grows only by addition. Where that is wanted, write them anew and look at the difference before committing:

    python -m tests.contract.golden_messages
"""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

from msgspec import UNSET
from msgspec.structs import replace

from stream_guard.judging.judgement import AbstentionReason
from stream_guard.policy.document import Decision
from stream_guard.records import Headers
from stream_guard.verdicts.dead_letter import DeadLetter, Scope
from stream_guard.verdicts.dead_letter import encode as encode_dead_letter
from stream_guard.verdicts.encoding import Encoded, encode_rationale, encode_ruling, encode_verdict
from stream_guard.verdicts.model import (
    AbstentionNote,
    ConfidenceNote,
    CoverageNote,
    Entry,
    Rank,
    Ruling,
    Stage,
    Tokens,
    Verdict,
)
from tests.messages import (
    RECEIVED_MS,
    TRACE,
    make_dead_letter,
    make_entry,
    make_rationale,
    make_record,
    make_ruling,
    make_verdict,
)

FOLDER = Path(__file__).parent / "golden"
KEY = b"room-7"


def golden_messages() -> dict[str, Encoded]:
    """Every message that is frozen, by the name of its file."""
    return _verdicts() | _rulings() | _dead_letters() | {"rationale": _rationale()}


def _verdicts() -> dict[str, Encoded]:
    return {
        "verdict-allow": encode_verdict(make_verdict(), KEY, TRACE),
        "verdict-flag": encode_verdict(make_verdict(decision=Decision.FLAG, confidence=_STATED), KEY),
        "verdict-review": encode_verdict(make_verdict(decision=Decision.REVIEW, event_id=None), None),
        "verdict-block": encode_verdict(
            make_verdict(decision=Decision.BLOCK, namespace="team a/b", route="räume"), b""
        ),
        "verdict-abstention": encode_verdict(_abstention(), KEY),
        "verdict-provisional": encode_verdict(_provisional(), KEY, TRACE),
        "verdict-human": encode_verdict(_human(), KEY),
        "verdict-severity": encode_verdict(make_verdict(decision=Decision.FLAG, severity=2), KEY),
        "verdict-severity-abstention": encode_verdict(replace(_abstention(), severity=None), KEY),
    }


def _rulings() -> dict[str, Encoded]:
    unheard = [make_entry(policy, Decision.REVIEW, rank=Rank.ABSTENTION) for policy in ("harassment", "spam")]
    allowed, flagged = make_entry(), make_entry("harassment", Decision.FLAG)
    dead_lettered = {"kind": None, "event_id": None, "reason": "not_utf8"}
    blocked = [make_entry(policy, Decision.BLOCK, severity=grave) for policy, grave in (("harassment", 3), ("spam", 4))]
    return {
        "ruling-complete": encode_ruling(_older(make_ruling(allowed, flagged)), KEY, TRACE),
        "ruling-incomplete": encode_ruling(_older(make_ruling(_entry(_provisional()), unheard[0])), None),
        "ruling-dead-lettered": encode_ruling(_older(make_ruling(*unheard, **dead_lettered)), KEY),
        "ruling-lead": encode_ruling(make_ruling(*blocked), KEY, TRACE),
        "ruling-lead-carried": encode_ruling(make_ruling(allowed, replace(flagged, severity=2)), KEY),
        "ruling-lead-dead-lettered": encode_ruling(
            make_ruling(*(replace(entry, severity=None) for entry in unheard), **dead_lettered), KEY
        ),
        "ruling-lead-none": encode_ruling(make_ruling(**dead_lettered), KEY),
    }


def _older(ruling: Ruling) -> Ruling:
    """As a release wrote it that did not say who leads."""
    return replace(ruling, lead=UNSET)


def _dead_letters() -> dict[str, Encoded]:
    case = make_dead_letter(
        scope=Scope.CASE,
        reason=AbstentionReason.UNPARSEABLE,
        detail="the reply is not JSON",
        retriable=True,
        policy_id="spam",
        policy_version=make_verdict().policy.version,
        prompt_version=make_verdict().prompt_version,
        kind="message",
        stage="judge",
        attempts=3,
        last_failed_at_ms=RECEIVED_MS + 900,
        model="small-judge",
        replays=1,
        traceparent=(TRACE[0][1]).decode(),
        entries=(_entry(_abstention()),),
    )
    bare = make_record(
        key=None, value=None, headers=(), timestamp_ms=None, timestamp_type="log_append", leader_epoch=None
    )
    return {
        "dead-letter-record": encode_dead_letter(make_dead_letter(), make_record()),
        "dead-letter-case": encode_dead_letter(case, make_record(value=b'{"kind": "message", "content": "hello"}')),
        "dead-letter-severity": encode_dead_letter(_graded(case), make_record()),
        "dead-letter-null": encode_dead_letter(make_dead_letter(topic_id=None), bare),
    }


def _graded(case: DeadLetter) -> DeadLetter:
    abstention, other = replace(case.entries[0], severity=None), make_entry("harassment", Decision.FLAG, severity=2)
    return replace(case, entries=(abstention, other))


def _rationale() -> Encoded:
    verdict = make_verdict(decision=Decision.FLAG)
    return encode_rationale(make_rationale(verdict), verdict, TRACE)


def _abstention() -> Verdict:
    return make_verdict(
        decision=Decision.REVIEW,
        rank=Rank.ABSTENTION,
        category=None,
        rule_ids=(),
        confidence=None,
        abstention=AbstentionNote(AbstentionReason.UNSUPPORTED_CONTENT, "image"),
        coverage=CoverageNote(1, ("image",), 2, complete=False),
        model=None,
        content_hash=None,
        tokens=Tokens(0, 0, 0),
    )


def _provisional() -> Verdict:
    return make_verdict(
        decision=Decision.REVIEW,
        rank=Rank.PROVISIONAL,
        awaits="escalation",
        final_by_ms=RECEIVED_MS + 60_000,
        signals=("low_confidence",),
    )


def _human() -> Verdict:
    labelled = make_verdict(decision=Decision.BLOCK)
    stage, confidence = Stage("human", "1"), None
    return make_verdict(
        rank=Rank.HUMAN, stage=stage, sequence=1, derived_from=(labelled.id,), confidence=confidence, model=None
    )


def _entry(verdict: Verdict) -> Entry:
    return make_entry(
        verdict.policy.id, verdict.decision, rank=verdict.rank, awaits=verdict.awaits, final_by_ms=verdict.final_by_ms
    )


_STATED = ConfidenceNote("stated", None, "high")


def to_json(message: Encoded) -> dict[str, Any]:
    """A message as it is frozen: bytes as text where they are UTF-8, else in base64."""
    return {
        "key": _frozen(message.key),
        "headers": [[name, _frozen(value)] for name, value in message.headers],
        "value": _frozen(message.value),
    }


def from_json(frozen: dict[str, Any]) -> Encoded:
    """The message that was frozen."""
    headers: Headers = tuple((name, None if value is None else _thawed(value)) for name, value in frozen["headers"])
    return Encoded(_thawed(frozen["key"]), _thawed(frozen["value"]), headers)


def _frozen(raw: bytes | None) -> str | dict[str, str] | None:
    if raw is None:
        return None
    try:
        return raw.decode()
    except UnicodeDecodeError:
        return {"base64": base64.b64encode(raw).decode()}


def _thawed(frozen: str | dict[str, str]) -> bytes:
    return frozen.encode() if isinstance(frozen, str) else base64.b64decode(frozen["base64"])


def main() -> None:
    """Writes every message anew."""
    for name, message in golden_messages().items():
        text = json.dumps(to_json(message), ensure_ascii=False, indent=1)
        (FOLDER / f"{name}.json").write_text(f"{text}\n", encoding="utf-8")


if __name__ == "__main__":
    main()
