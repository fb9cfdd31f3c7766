"""What the model said about a case, parsed and checked; or why there is no judgement."""

from __future__ import annotations

from enum import StrEnum
from typing import Any, TypeAlias

from msgspec import Struct
from msgspec.structs import replace


class AbstentionReason(StrEnum):
    """Why a case has no judgement."""

    TIMEOUT = "timeout"
    UNPARSEABLE = "unparseable"
    UNDECIDED = "undecided"
    """The model's probability mass lies outside of the labels."""
    TOO_LONG = "too_long"
    UNSUPPORTED_CONTENT = "unsupported_content"
    EXPIRED = "expired"
    REJECTED = "rejected"
    """The engine will never take this ask."""
    FAILED = "failed"
    """The engine, up and reachable, kept failing this ask."""
    ENGINE_KILLER = "engine_killer"
    """The engine's process ended whenever it was asked, at last when it was asked nothing else."""
    RATE_LIMITED = "rate_limited"
    """Its key has used up the route's quota. Not mendable: a flood must not flood the dead letters too."""
    NOT_JUDGED = "not_judged"
    """The record was dead-lettered before any case could be opened."""


MENDABLE = frozenset(
    {
        AbstentionReason.UNPARSEABLE,
        AbstentionReason.UNDECIDED,
        AbstentionReason.TOO_LONG,
        AbstentionReason.REJECTED,
        AbstentionReason.FAILED,
        AbstentionReason.ENGINE_KILLER,
    }
)
"""Abstentions whose cause can be mended: their record is also dead-lettered, with scope `case`."""


class Confidence(Struct, frozen=True):
    """How sure the model is: `label_probability` is measured (`value` in [0, 1]), `stated` is what it says (`level`)."""

    basis: str
    value: float | None = None
    level: str | None = None


class Looked(Struct, frozen=True):
    """What a quick look saw: the share of the label that violates, and which answer that is, None where it is not clear."""

    share: float
    violates: bool | None


REASONING_CUT = "reasoning_cut"
"""Signal: the model's reasoning reached its budget, and was asked for its answer all the same."""


QUICK_LOOK = "quick_look"
"""Signal: a quick look settled it. No stage of its own: a label near its bound may be clear the one time and not the other, and a
redelivery gives the same verdict id, which names the stage.
"""


class Judgement(Struct, frozen=True):
    """What the model said. `category` is one of the policy's.

    `signals` tell how it came about. `looked` is what a quick look before it saw; `by_look`: nothing else was asked.
    """

    category: str
    rule_ids: tuple[str, ...] = ()
    confidence: Confidence | None = None
    rationale: str | None = None
    reasoning: str | None = None
    signals: tuple[str, ...] = ()
    looked: Looked | None = None
    by_look: bool = False

    def __repr__(self) -> str:
        return f"Judgement({self.category}, rules {self.rule_ids}, {self.confidence})"


class Judgements(Struct, frozen=True):
    """What the model said under several policies at once, in their order."""

    each: tuple[Judgement, ...]


Said: TypeAlias = Judgement | Judgements
"""What a reply says."""


def annotated(said: Said, **how: Any) -> Said:
    """The same with how it came about: fields of a judgement, for each of them."""
    if isinstance(said, Judgements):
        return Judgements(tuple(replace(each, **how) for each in said.each))
    return replace(said, **how)


class Abstention(Struct, frozen=True):
    """No judgement, and why. `detail` never holds content."""

    reason: AbstentionReason
    detail: str = ""


class BadReply(Struct, frozen=True):
    """A reply that is no judgement: worth asking again, then an abstention for `reason`."""

    reason: AbstentionReason
    detail: str
