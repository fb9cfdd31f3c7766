"""How a subscriber reads what is published: lenient where the contract may grow, strict where it may not.

Unknown fields are ignored. An unknown decision reads as `review`, an unknown rank as `abstention` (it never displaces a
judgement that is understood), an unknown reason of an abstention as `not_judged`.
"""

from __future__ import annotations

from collections.abc import Container, Mapping
from typing import Any, TypeVar

import msgspec

from stream_guard.errors import MessageError
from stream_guard.judging.judgement import AbstentionReason
from stream_guard.policy.document import Decision
from stream_guard.verdicts.model import Entry, Rank, Rationale, Ruling, Verdict

T = TypeVar("T")

_DECISIONS = frozenset(Decision)
_RANKS = frozenset(Rank)
_REASONS = frozenset(AbstentionReason)


def decode_verdict(value: bytes) -> Verdict:
    """The verdict that a message's value holds. Raises MessageError where it holds none."""
    return _typed(_understood(_parsed(value)), Verdict)


def decode_ruling(value: bytes) -> Ruling:
    """The ruling that a message's value holds. Raises MessageError where it holds none."""
    raw = _understood(_parsed(value))
    return _typed(raw | {"entries": _understood_entries(raw.get("entries"))}, Ruling)


def decode_rationale(value: bytes) -> Rationale:
    """The rationale that a message's value holds. Raises MessageError where it holds none."""
    return _typed(_parsed(value), Rationale)


def decode_entries(value: bytes) -> tuple[Entry, ...]:
    """The entries of a JSON array, as a ruling lists them. Raises MessageError where it is none."""
    return _typed(_understood_entries(_json(value)), tuple[Entry, ...])


def _json(value: bytes) -> Any:
    try:
        return msgspec.json.decode(value)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise MessageError("the value is not JSON") from error


def _parsed(value: bytes) -> dict[str, Any]:
    raw = _json(value)
    if not isinstance(raw, dict):
        raise MessageError("the value is not a JSON object")
    return raw


def _typed(raw: Any, kind: type[T]) -> T:
    try:
        return msgspec.convert(raw, kind)
    except msgspec.ValidationError as error:
        # msgspec names the field and the types, but for an enum or a literal also quotes the value.
        raise MessageError(f"the value is no {getattr(kind, '__name__', 'entry list')} of the contract") from error


def _understood(raw: Mapping[str, Any]) -> dict[str, Any]:
    known = {
        **raw,
        **_replaced(raw, "decision", _DECISIONS, Decision.REVIEW),
        **_replaced(raw, "rank", _RANKS, Rank.ABSTENTION),
    }
    if isinstance(note := raw.get("abstention"), dict):
        known["abstention"] = note | _replaced(note, "reason", _REASONS, AbstentionReason.NOT_JUDGED)
    return known


def _understood_entries(raw: Any) -> Any:
    return [_understood(e) if isinstance(e, dict) else e for e in raw] if isinstance(raw, list) else raw


def _replaced(raw: Mapping[str, Any], field: str, known: Container[str], instead: str) -> dict[str, str]:
    value = raw.get(field)
    return {field: instead} if isinstance(value, str) and value not in known else {}
