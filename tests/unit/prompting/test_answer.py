from __future__ import annotations

import json
import re

import jsonschema
import pytest
from msgspec.structs import replace

from stream_guard.errors import ConfigError
from stream_guard.policy.document import OutputForm, Rule
from stream_guard.prompting.answer import (
    answer_format,
    answer_reminder,
    answer_schema,
    answer_text,
    violating_category,
)
from stream_guard.prompting.packed_answer import asked_schema_json
from tests.prompts import LIKELY, MALICIOUS, PERMITTED, make_policy


def test_yes_means_the_category_that_the_author_named() -> None:
    """A bare yes stands for `yes_means`."""
    assert violating_category(make_policy(yes_means="SP4")) == MALICIOUS


def test_yes_means_the_only_category_that_violates() -> None:
    """Where one category violates, nothing need be named."""
    assert violating_category(make_policy(categories=(PERMITTED, LIKELY), yes_means=None)) == LIKELY


@pytest.mark.parametrize("yes_means", [None, "SP0", "unknown"])
def test_a_yes_that_stands_for_nothing_is_refused(yes_means: str | None) -> None:
    """Several violating categories and no usable `yes_means` is the author's error."""
    with pytest.raises(ConfigError, match=r"policy spam: .*yes_means"):
        violating_category(make_policy(yes_means=yes_means))


@pytest.mark.parametrize("output", OutputForm)
@pytest.mark.parametrize("category", ["SP0", "SP2", "SP4"])
def test_the_answer_of_an_example_fits_the_schema(output: OutputForm, category: str) -> None:
    """What the model is shown as a right answer is one that its grammar lets it write."""
    policy = make_policy(output)
    answer = json.loads(answer_text(policy, category))
    jsonschema.validate(answer, answer_schema(policy))
    assert (answer if output is OutputForm.BINARY else answer["violation"]) == int(category != "SP0")


def test_an_example_of_an_unknown_category_is_refused() -> None:
    """An example that expects what the policy lacks has no answer."""
    with pytest.raises(ConfigError, match="unknown category 'SP9'"):
        answer_text(make_policy(), "SP9")


@pytest.mark.parametrize("output", OutputForm)
def test_the_schema_holds_no_length_limits(output: OutputForm) -> None:
    """Length limits would compile for seconds in the engine's grammar."""
    schema = asked_schema_json(make_policy(output))
    assert not any(limit in schema for limit in ("maxLength", "minLength", "maxItems"))
    assert not re.search(r"\{\d", schema)  # a pattern's counts are such limits too


@pytest.mark.parametrize("output", [OutputForm.CATEGORY, OutputForm.RATIONALE])
def test_the_model_is_told_every_field_and_category(output: OutputForm) -> None:
    """The format names each field of the schema, and each category with what it implies."""
    policy = make_policy(output)
    told = answer_format(policy)
    for field in answer_schema(policy)["properties"]:
        assert f"- {field}: " in told
        assert field in answer_reminder(policy)
    assert "- SP0 (violation 0): ordinary messages" in told
    assert "- SP4 (violation 1): fraud" in told


def test_the_binary_form_is_said_in_one_line() -> None:
    """For 0 or 1 the reminder says the same as the format."""
    policy = make_policy(OutputForm.BINARY)
    assert answer_format(policy) == answer_reminder(policy)
    assert "\n" not in answer_format(policy)


RULES = (Rule("SP2.a", "Promotion nobody asked for."), Rule("SP2.b", "Chain messages."))
DECLARED = (PERMITTED, replace(LIKELY, rules=RULES), replace(MALICIOUS, rules=(Rule("SP4.a", "Fraud."),)))


@pytest.mark.parametrize(
    ("category", "rule", "cited"),
    [("SP2", "SP2.b", "SP2.b"), ("SP4", None, "SP4.a"), ("SP0", None, "SP0")],
)
def test_an_example_cites_its_rule(category: str, rule: str | None, cited: str) -> None:
    """The one it names, the only one there is, or the category that has none."""
    policy = make_policy(OutputForm.RATIONALE, categories=DECLARED)
    answer = json.loads(answer_text(policy, category, rule))
    jsonschema.validate(answer, answer_schema(policy))
    assert answer["rule_ids"] == [cited]
    assert answer["rationale"].startswith(f"{cited}: ")


@pytest.mark.parametrize("rule", [None, "SP4.a", "SP2.z"])
def test_an_example_that_could_cite_any_rule_is_refused(rule: str | None) -> None:
    """The model must not be shown an answer that is none."""
    with pytest.raises(ConfigError, match="names no rule of the category SP2"):
        answer_text(make_policy(OutputForm.RATIONALE, categories=DECLARED), "SP2", rule)


def test_only_declared_rules_are_let_through_by_the_grammar() -> None:
    """And by the words; without any declared, whatever looks like an id."""
    declared = make_policy(OutputForm.RATIONALE, categories=DECLARED)
    items = answer_schema(declared)["properties"]["rule_ids"]["items"]
    assert items == {"enum": ["SP0", "SP2.a", "SP2.b", "SP4.a"]}
    assert "rules under Criteria" in answer_format(declared)
    assert "pattern" in answer_schema(make_policy(OutputForm.RATIONALE))["properties"]["rule_ids"]["items"]
