"""Which judgements go on, and why."""

from __future__ import annotations

from typing import Any

import pytest

from stream_guard.judging.escalation import EscalationReason, Triggers, thought
from stream_guard.judging.judgement import Confidence, Judgement
from stream_guard.policy.document import Effort
from tests.escalations import FINE, make_written_policy

POLICY = make_written_policy(effort="medium")


def stated(level: str) -> Confidence:
    """What a model says of itself."""
    return Confidence("stated", level=level)


def measured(value: float) -> Confidence:
    """What a label's probability is."""
    return Confidence("label_probability", value)


def why(judgement: Judgement, **when: Any) -> EscalationReason | None:
    """Why a judgement goes on."""
    return Triggers(**when).reason(POLICY, judgement)


@pytest.mark.parametrize(
    ("level", "most", "goes"),
    [
        ("low", "low", True), ("medium", "low", False), ("medium", "medium", True), ("high", "medium", False),
        ("high", "high", True), ("utter", "low", True),
    ],
)  # fmt: skip
def test_a_stated_confidence_at_or_below_the_level_goes_on(level: str, most: str, goes: bool) -> None:
    """And a word that nobody asked for counts as the lowest."""
    found = why(Judgement("ADVERT", confidence=stated(level)), confidence=most)
    assert found is (EscalationReason.CONFIDENCE if goes else None)


@pytest.mark.parametrize(("value", "goes"), [(0.79, True), (0.8, False), (1.0, False), (float("nan"), True)])
def test_a_label_of_a_lower_probability_goes_on(value: float, goes: bool) -> None:
    """What is no number is no certainty either."""
    found = why(Judgement("ADVERT", confidence=measured(value)), probability=0.8)
    assert found is (EscalationReason.PROBABILITY if goes else None)


def test_a_doubt_of_the_other_kind_is_none() -> None:
    """Nor is what states no confidence doubted."""
    assert why(Judgement("ADVERT", confidence=measured(0.1)), confidence="high") is None
    assert why(Judgement("ADVERT", confidence=stated("low")), probability=1.0) is None
    assert why(Judgement("ADVERT"), confidence="high", probability=1.0) is None


@pytest.mark.parametrize(("category", "goes"), [("FINE", False), ("ADVERT", False), ("SCAM", True)])
def test_what_is_severe_goes_on(category: str, goes: bool) -> None:
    """From a number on."""
    assert why(Judgement(category), severity=3) is (EscalationReason.SEVERITY if goes else None)


def test_categories_are_those_of_their_policy() -> None:
    """An id of another policy's is another category."""
    assert why(Judgement("FINE"), categories={"adverts": frozenset({"FINE"})}) is EscalationReason.CATEGORY
    assert why(Judgement("FINE"), categories={"insults": frozenset({"FINE"})}) is None
    assert why(Judgement("SCAM"), categories={"adverts": frozenset({"FINE"})}) is None


def test_all_under_a_policy_of_another_model_goes_on() -> None:
    """Whatever was said."""
    assert why(FINE, policies=frozenset({"adverts"})) is EscalationReason.POLICY
    assert why(FINE, policies=frozenset({"insults"})) is None


@pytest.mark.parametrize(("effort", "goes"), [(Effort.LOW, True), (Effort.MEDIUM, True), (Effort.HIGH, False)])
def test_a_policy_that_asks_for_so_much_effort_goes_on(effort: Effort, goes: bool) -> None:
    """Whatever was said."""
    assert why(FINE, effort=effort) is (EscalationReason.EFFORT if goes else None)


def test_any_trigger_is_enough_and_none_is_none() -> None:
    """Told is the first in order: what is wanted, then what is doubted."""
    doubted = Judgement("SCAM", confidence=stated("low"))
    assert why(doubted) is None
    assert why(doubted, severity=4, confidence="low") is EscalationReason.SEVERITY
    assert why(doubted, always=True, severity=4) is EscalationReason.ALWAYS
    assert why(FINE, severity=4, confidence="low") is None


def test_efforts_are_in_order() -> None:
    """Low, medium, high."""
    assert [thought(effort) for effort in Effort] == [0, 1, 2]
