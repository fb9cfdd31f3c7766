"""The policies that ship keep to the guide."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from openai_harmony import HarmonyEncodingName, load_harmony_encoding

from stream_guard.events.model import View
from stream_guard.policy.document import Decision, OutputForm, Policy
from stream_guard.policy.load import load_policies
from stream_guard.prompting.criteria import criteria_text
from stream_guard.prompting.policy_text import shown_examples

POLICIES = load_policies([Path(__file__).parents[3] / "policies"])
INDECISIVE = re.compile(
    r"\b(generally|usually|often|typically|normally|probably|sometimes|might|perhaps)\b", re.IGNORECASE
)

shipped = pytest.mark.parametrize("policy", POLICIES.values(), ids=POLICIES.keys())


def shown_text(policy: Policy) -> str:
    """What the model reads of a policy, besides the form of the answer."""
    examples = shown_examples(policy, View.MESSAGE)
    return "\n".join([policy.instruction, policy.definitions, criteria_text(policy), examples])


def test_four_policies_ship_in_all_forms() -> None:
    """Each output form has an example to start from."""
    assert list(POLICIES) == ["fake-reviews", "game-cheating", "harassment", "spam"]
    assert {policy.output for policy in POLICIES.values()} == set(OutputForm)


@shipped
def test_a_policy_has_the_length_that_models_follow_best(policy: Policy) -> None:
    """400 to 600 tokens, counted as gpt-oss does."""
    encoding = load_harmony_encoding(HarmonyEncodingName.HARMONY_GPT_OSS)
    assert 400 <= len(encoding.encode(shown_text(policy))) <= 600


@shipped
def test_a_policy_has_examples_on_both_sides(policy: Policy) -> None:
    """At least eight, of which four to six are shown (eight where a small model reads them as turns)."""
    assert len(policy.examples) >= 8
    shown = [example for example in policy.examples if example.shown]
    violating = sum(example.expect != policy.permitted.id for example in shown)
    if policy.id == "spam":
        assert (len(shown), violating) == (8, 4)
    else:
        assert 4 <= len(shown) <= 6
        assert 0 < violating < len(shown)


@shipped
def test_every_category_has_an_example(policy: Policy) -> None:
    """No category is left to the imagination, and none is expected twice for the same content."""
    assert {example.expect for example in policy.examples} == {category.id for category in policy.categories}
    assert len({example.content for example in policy.examples}) == len(policy.examples)


@shipped
def test_some_examples_are_not_shown(policy: Policy) -> None:
    """Those test the policy on what the model has not read the answer to, on both sides of the boundary."""
    hidden = {example.expect == policy.permitted.id for example in policy.examples if not example.shown}
    assert hidden == {True, False}


@shipped
def test_some_examples_are_in_other_languages(policy: Policy) -> None:
    """At least two examples are not written in English (told by letters or words that English lacks)."""
    foreign = re.compile(r"[äöüßéèêàáçñ¿¡ãíóú]|\b(wo|wer|mir|dann|schrieb|travailles|regretter|pago|saldría|wenn)\b")
    texts = [example.content for example in policy.examples if isinstance(example.content, str)]
    assert sum(bool(foreign.search(text)) for text in texts) >= 2


@shipped
def test_a_policy_is_decisive(policy: Policy) -> None:
    """No word that leaves the rule open, and a severer category never implies a milder decision."""
    assert not INDECISIVE.search(f"{policy.instruction} {policy.definitions} {criteria_text(policy)}")
    ordered = sorted(policy.categories, key=lambda category: category.severity)
    strictness = [category.decision.strictness for category in ordered]
    assert strictness == sorted(strictness)
    assert any(category.decision is not Decision.ALLOW for category in ordered)


@shipped
def test_every_category_has_its_rules(policy: Policy) -> None:
    """The criteria name each category, so that a reply can be traced to a rule."""
    for category in policy.categories:
        assert category.id in criteria_text(policy)


def test_one_policy_declares_its_rules() -> None:
    """The one whose answers cite them, so that a reply can be held against them."""
    assert {policy.id for policy in POLICIES.values() if policy.rule_ids} == {"harassment"}
    assert POLICIES["harassment"].output is OutputForm.RATIONALE
