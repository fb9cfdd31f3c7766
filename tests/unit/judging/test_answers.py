"""What an answer cites, where the policy declares its rules."""

from __future__ import annotations

import json

import pytest
from msgspec.structs import replace

from stream_guard.judging.answers import Malformed, read_answer
from stream_guard.judging.judgement import Judgement
from stream_guard.policy.document import Category, OutputForm, Policy, Rule
from tests.prompts import LIKELY, MALICIOUS, PERMITTED, make_policy

RULES = (Rule("SP2.a", "Promotion nobody asked for."), Rule("SP2.b", "Chain messages."))
LIKELY_WITH_RULES = replace(LIKELY, rules=RULES)
DECLARED = (PERMITTED, LIKELY_WITH_RULES, replace(MALICIOUS, rules=(Rule("SP4.a", "Fraud."),)))


def policy_of(categories: tuple[Category, ...] = DECLARED) -> Policy:
    """A policy whose answers cite rules."""
    return make_policy(OutputForm.RATIONALE, categories=categories)


def make_answer(category: str, *rule_ids: str) -> str:
    """An answer that names a category and cites rules."""
    answer = {"violation": int(category != "SP0"), "policy_category": category, "rule_ids": rule_ids}
    return json.dumps({**answer, "confidence": "high", "rationale": "as the rules say"})


def cited(policy: Policy, text: str) -> tuple[str, ...]:
    """The rules that an answer under one policy cites."""
    judgement = read_answer(policy, text)
    assert isinstance(judgement, Judgement)
    return judgement.rule_ids


@pytest.mark.parametrize(
    ("category", "rule_ids"),
    [("SP2", ("SP2.a",)), ("SP2", ("SP2.b", "SP2.a")), ("SP2", ("SP4.a", "SP2.a")), ("SP0", ("SP0",)), ("SP0", ("SP2.a", "SP0"))],
)  # fmt: skip
def test_the_policys_own_rules_are_cited(category: str, rule_ids: tuple[str, ...]) -> None:
    """In the answer's order, those of other categories too where one of its own is among them."""
    assert cited(policy_of(), make_answer(category, *rule_ids)) == rule_ids


@pytest.mark.parametrize("rule_ids", [("SP2.c",), ("SP2.a", "SP9"), ("sp2.a",), ("SP2",), ("SP2.A",)])
def test_a_rule_that_the_policy_does_not_declare_makes_no_judgement(rule_ids: tuple[str, ...]) -> None:
    """A verdict must not give reasons that are not in the policy."""
    with pytest.raises(Malformed, match="none of the policy's"):
        read_answer(policy_of(), make_answer("SP2", *rule_ids))


@pytest.mark.parametrize(
    ("category", "rule_id"), [("SP0", "SP4.a"), ("SP2", "SP4.a"), ("SP4", "SP2.a"), ("SP2", "SP0")]
)
def test_an_answer_that_cites_only_other_categories_contradicts_itself(category: str, rule_id: str) -> None:
    """Above all one that permits what the rule it cites forbids."""
    with pytest.raises(Malformed, match="no rule of policy_category"):
        read_answer(policy_of(), make_answer(category, rule_id))


@pytest.mark.parametrize("category", ["SP0", "SP2"])
def test_an_answer_may_cite_nothing(category: str) -> None:
    """That says less, and nothing wrong."""
    assert cited(policy_of(), make_answer(category)) == ()


def test_without_declared_rules_whatever_looks_like_an_id_is_cited() -> None:
    """The rules may stand in the text alone."""
    policy = policy_of((PERMITTED, LIKELY, MALICIOUS))
    assert cited(policy, make_answer("SP2", "SP2.x", "R:1")) == ("SP2.x", "R:1")
