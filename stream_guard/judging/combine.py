"""What the segments of one content come to: the strictest counts, and what was not judged is never an allow. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

from stream_guard.errors import InvariantViolated
from stream_guard.judging.judgement import Abstention, Judgement, Judgements, Said
from stream_guard.policy.document import Category, Decision, Policy

Result: TypeAlias = Judgement | Abstention
"""How a case ends under one policy."""
Results: TypeAlias = tuple[Result, ...]
"""How it ends under each of its policies, in their order."""

_LEVELS = {"low": 0.25, "medium": 0.5, "high": 0.75}
"""Where a stated confidence stands among measured ones; of one policy's judgements all are of one kind."""


def strictest(policy: Policy, abstain: Decision, results: Sequence[Result]) -> Result:
    """The result that counts for all; `abstain` is the decision of an abstention. `results` holds at least one.

    Of judgements it is the one with the strictest decision; among equals that of the highest severity, then the most
    confident one, but the least confident one where all allow. An abstention counts as `abstain`: it beats milder
    judgements, and gives way to those that are as strict.
    """
    return max(results, key=lambda result: _weight(policy, abstain, result))


def conclusive(policy: Policy, abstain: Decision, result: Result) -> bool:
    """Whether no other result could count instead, whatever the order in which they come.

    An abstention gives way to a judgement that is as strict, so it must be stricter than all of them; a judgement must be
    of the gravest category, and as strict as an abstention.
    """
    most = max((category.decision.strictness, category.severity) for category in policy.categories)
    if isinstance(result, Abstention):
        return abstain.strictness > most[0]
    category = _category(policy, result)
    return (category.decision.strictness, category.severity) >= most and most[0] >= abstain.strictness


def strictest_each(policies: Sequence[Policy], abstain: Decision, one: Results, other: Results) -> Results:
    """The results that count for both, policy by policy."""
    return tuple(strictest(policy, abstain, pair) for policy, *pair in zip(policies, one, other, strict=True))


def conclusive_each(policies: Sequence[Policy], abstain: Decision, results: Results) -> bool:
    """Whether no other results could count instead, under any of the policies."""
    return all(conclusive(policy, abstain, result) for policy, result in zip(policies, results, strict=True))


def results_of(policies: Sequence[Policy], ended: Said | Abstention) -> Results:
    """What a part came to under each policy: a reply says something of all of them, or of none."""
    if isinstance(ended, Judgements):
        return ended.each
    return (ended,) if isinstance(ended, Judgement) else (ended,) * len(policies)


def _weight(policy: Policy, abstain: Decision, result: Result) -> tuple[int, int, int, float]:
    if isinstance(result, Abstention):
        return (abstain.strictness, 0, 0, 0.0)
    category = _category(policy, result)
    certainty = _certainty(result)
    return (
        category.decision.strictness,
        1,
        category.severity,
        -certainty if category.decision is Decision.ALLOW else certainty,
    )


def _certainty(judgement: Judgement) -> float:
    confidence = judgement.confidence
    if confidence is None:
        return 0.0
    return _LEVELS.get(confidence.level or "", 0.0) if confidence.value is None else confidence.value


def _category(policy: Policy, judgement: Judgement) -> Category:
    category = policy.category(judgement.category)
    if category is None:
        raise InvariantViolated(f"a judgement under {policy.id} names a category that the policy lacks")
    return category
