"""What the results of segments come to."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from stream_guard.errors import InvariantViolated
from stream_guard.judging.combine import Result, conclusive, strictest
from stream_guard.judging.judgement import Abstention, AbstentionReason, Confidence, Judgement
from stream_guard.policy.document import Category, Decision
from tests.benches import make_policy

POLICY = make_policy(Decision.FLAG, Decision.BLOCK, Decision.BLOCK)
TIMEOUT = Abstention(AbstentionReason.TIMEOUT)


def said(category: str, value: float | None = None, level: str | None = None) -> Judgement:
    """A judgement."""
    return Judgement(category, confidence=Confidence("some", value, level))


@pytest.mark.parametrize(
    ("results", "counts"),
    [
        ([said("A"), said("B"), said("A")], 1),
        ([said("B"), said("C")], 1),
        ([said("C", 0.9), said("D", 0.1)], 1),
        ([said("C", 0.6), said("C", 0.9), said("C", 0.7)], 1),
        ([said("C", level="medium"), said("C", level="high"), said("C", level="low")], 1),
        ([said("A", 0.9), said("A", 0.6), said("A", 0.7)], 1),
        ([said("A", level="high"), said("A", level="low")], 1),
        ([Judgement("A"), Judgement("A")], 0),
        ([said("A"), TIMEOUT, said("A")], 1),
        ([said("B"), TIMEOUT], 1),
        ([TIMEOUT, said("C")], 1),
        ([TIMEOUT, Abstention(AbstentionReason.FAILED)], 0),
    ],
)
def test_the_strictest_counts(results: list[Result], counts: int) -> None:
    """Then the gravest, then the surest; of permissions the least sure; an abstention counts as review here."""
    assert strictest(POLICY, Decision.REVIEW, results) is results[counts]


@pytest.mark.parametrize(("abstain", "counts"), [(Decision.FLAG, 0), (Decision.REVIEW, 1), (Decision.BLOCK, 1)])
def test_a_judgement_wins_over_an_abstention_that_is_no_stricter(abstain: Decision, counts: int) -> None:
    """It says more."""
    results: list[Result] = [said("B"), TIMEOUT]
    assert strictest(POLICY, abstain, results) is results[counts]


@pytest.mark.parametrize(
    ("result", "abstain", "ends"),
    [
        (said("D"), Decision.REVIEW, True),
        (said("C"), Decision.REVIEW, False),
        (said("B"), Decision.REVIEW, False),
        (said("A"), Decision.REVIEW, False),
        (TIMEOUT, Decision.REVIEW, False),
        (TIMEOUT, Decision.BLOCK, False),
    ],
)
def test_only_what_nothing_can_outdo_is_conclusive(result: Result, abstain: Decision, ends: bool) -> None:
    """A judgement could still take the place of an abstention that is as strict."""
    assert conclusive(POLICY, abstain, result) is ends


def test_an_abstention_is_conclusive_where_it_is_stricter_than_the_policy_can_be() -> None:
    """No judgement would change what is decided."""
    assert conclusive(make_policy(Decision.FLAG), Decision.REVIEW, TIMEOUT)


def test_a_category_that_the_policy_lacks_is_a_bug() -> None:
    """Replies are read strictly."""
    with pytest.raises(InvariantViolated):
        strictest(POLICY, Decision.REVIEW, [said("Z")])


def test_a_judgement_milder_than_an_abstention_ends_nothing() -> None:
    """A segment that abstains may still come, and would count: the order of the replies must not decide."""
    mild = replace(
        make_policy(), categories=(Category("OK", "fine", 0, Decision.ALLOW), Category("BAD", "bad", 2, Decision.FLAG))
    )
    assert not conclusive(mild, Decision.REVIEW, Judgement("BAD"))
    assert conclusive(mild, Decision.FLAG, Judgement("BAD"))


def test_only_the_gravest_category_ends_a_case() -> None:
    """Of two that block, whichever is graver names the verdict, whatever the order."""
    categories = (
        Category("OK", "fine", 0, Decision.ALLOW), Category("B2", "bad", 2, Decision.BLOCK), Category("B4", "worse", 4, Decision.BLOCK),
    )  # fmt: skip
    policy = replace(make_policy(), categories=categories)
    assert [conclusive(policy, Decision.REVIEW, Judgement(each)) for each in ("OK", "B2", "B4")] == [False, False, True]
