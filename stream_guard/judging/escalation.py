"""When a judgement is not the last word: what a route says of it, and why. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

from msgspec import Struct

from stream_guard.judging.judgement import Judgement
from stream_guard.policy.document import Effort, Policy, PolicyId

LEVELS = ("low", "medium", "high")
"""What a model states of its confidence, in order. A word that it made up counts as the lowest."""


class EscalationReason(StrEnum):
    """Why a case goes on."""

    ALWAYS = "always"
    POLICY = "policy"
    """Its policy is another model's."""
    EFFORT = "effort"
    """Its policy asks for much thought."""
    SEVERITY = "severity"
    CATEGORY = "category"
    CONFIDENCE = "confidence"
    """Stated by the model."""
    PROBABILITY = "probability"
    """Of its label."""


class Triggers(Struct, frozen=True):
    """Judgements for which any of these holds go on. None, or empty, says nothing.

    `policies` are those whose judgements all do, `confidence` is the highest stated level that does, `probability` what a label's has to be below, `severity` the lowest
    that does, `effort` the least that the policy has to ask for.
    """

    always: bool = False
    policies: frozenset[PolicyId] = frozenset()
    confidence: str | None = None
    probability: float | None = None
    categories: Mapping[PolicyId, frozenset[str]] = {}
    severity: int | None = None
    effort: Effort | None = None

    def reason(self, policy: Policy, judgement: Judgement) -> EscalationReason | None:
        """Why this judgement under this policy goes on, None where it does not: what is wanted first, then what is doubted."""
        if self.always:
            return EscalationReason.ALWAYS
        if policy.id in self.policies:
            return EscalationReason.POLICY
        if self.effort is not None and thought(policy.effort) >= thought(self.effort):
            return EscalationReason.EFFORT
        category = policy.category(judgement.category)
        if self.severity is not None and category is not None and category.severity >= self.severity:
            return EscalationReason.SEVERITY
        if judgement.category in self.categories.get(policy.id, ()):
            return EscalationReason.CATEGORY
        return self._doubt(judgement)

    def _doubt(self, judgement: Judgement) -> EscalationReason | None:
        sure = judgement.confidence
        if sure is None:
            return None
        if self.confidence is not None and sure.level is not None and _level(sure.level) <= _level(self.confidence):
            return EscalationReason.CONFIDENCE
        if self.probability is not None and sure.value is not None and not sure.value >= self.probability:
            return EscalationReason.PROBABILITY
        return None


def thought(effort: Effort) -> int:
    """The place of an effort among all."""
    return tuple(Effort).index(effort)


def _level(stated: str) -> int:
    return LEVELS.index(stated) if stated in LEVELS else 0
