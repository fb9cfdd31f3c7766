"""Rules of categories, depiction against request, and the rule that an example shows."""

from __future__ import annotations

import pytest

from stream_guard.errors import PolicyError
from stream_guard.policy.document import Aspect, Rule
from stream_guard.policy.load import parse_policy

DOCUMENT = """\
---
id: shouting
revision: 3
owner: moderation
title: Shouting
output: rationale
categories:
  - {id: S0, title: calm, severity: 0, decision: allow}
  - id: S2
    title: loud
    severity: 2
    decision: flag
    applies_to: [depiction, request]
    rules:
      S2.a: Capitals, or more than one exclamation mark.
      S2.b: "Says so: I am shouting."
examples:
  - {content: good evening, expect: S0, shown: true}
  - {content: GOOD EVENING, expect: S2, rule: S2.a, shown: true}
  - {content: I am shouting, expect: S2}
---
## Instruction
Decide whether it shouts.
## Definitions
Shouting is loud.
## Criteria
S2 goes before S0.
"""


def changed(old: str, new: str) -> str:
    """The document with something in it replaced."""
    assert old in DOCUMENT
    return DOCUMENT.replace(old, new, 1)


def findings(text: str) -> list[str]:
    """What is said of a document, `line:column: what`."""
    with pytest.raises(PolicyError) as caught:
        parse_policy(text, "p.md")
    return [str(finding).removeprefix("p.md:") for finding in str(caught.value).split("\n")]


def test_rules_become_the_categorys() -> None:
    """In their order, with what the category applies to; another category has none."""
    calm, loud = parse_policy(DOCUMENT, "p.md").categories
    assert loud.rules == (
        Rule("S2.a", "Capitals, or more than one exclamation mark."), Rule("S2.b", "Says so: I am shouting."),
    )  # fmt: skip
    assert loud.applies_to == (Aspect.DEPICTION, Aspect.REQUEST)
    assert (calm.rules, calm.applies_to) == ((), ())


def test_what_may_be_cited() -> None:
    """The rules, and the id of a category without any; nothing is said where none is declared."""
    policy = parse_policy(DOCUMENT, "p.md")
    assert policy.rule_ids == ("S0", "S2.a", "S2.b")
    start, end = DOCUMENT.index("    rules:"), DOCUMENT.index("examples:")
    without = DOCUMENT[:start] + DOCUMENT[end:].replace(", rule: S2.a", "")
    assert parse_policy(without, "p.md").rule_ids == ()


def test_an_example_names_its_rule() -> None:
    """One that is not shown need not."""
    assert [example.rule for example in parse_policy(DOCUMENT, "p.md").examples] == [None, "S2.a", None]


@pytest.mark.parametrize(
    ("old", "new", "finding"),
    [
        ("      S2.b:", "      S2.a:", "16:7: S2.a stands here already, at line 15"),
        ("      S2.b:", "      S0:", "16:11: S0 is the id of a category already"),
        ("      S2.b:", "      2.b:", "16:12: categories[1].rules.2.b: must be an id: a letter"),
        ("Capitals, or more than one exclamation mark.", "' '", "15:13: categories[1].rules.S2.a: must be a text on one line"),
        ("Capitals, or more than one exclamation mark.", "''", "15:13: categories[1].rules.S2.a: must be a text on one line"),
        ("Capitals, or more", f"{'x' * 1000} more", "15:13: categories[1].rules.S2.a: must be a text on one line"),
        ("[depiction, request]", "[]", "13:5: categories[1].applies_to: must be a list of depiction, request or both"),
        ("[depiction, request]", "[both]", "13:18: categories[1].applies_to[0]: must be depiction or request"),
        ("[depiction, request]", "[request, request]", "13:5: names the same twice"),
        ("rule: S2.a", "rule: S2.z", "19:47: must be a rule of S2: S2.a, S2.b"),
        ("expect: S0,", "expect: S0, rule: S0.a,", "18:47: must be a rule of S0, which declares none"),
        (", rule: S2.a", "", "19:5: rule is required: the answer shown with it cites one of S2.a, S2.b"),
    ],
)  # fmt: skip
def test_a_wrong_rule_is_named_with_its_place(old: str, new: str, finding: str) -> None:
    """Line and column are those of the file."""
    assert any(found.startswith(finding) for found in findings(changed(old, new))), findings(changed(old, new))


def test_a_rule_that_stands_in_two_categories_is_refused() -> None:
    """A verdict could not say which it cites."""
    twice = changed(
        "{id: S0, title: calm, severity: 0, decision: allow}",
        "{id: S0, title: calm, severity: 0, decision: allow, rules: {S2.a: Whispers.}}",
    )
    assert findings(twice) == ["15:13: S2.a is the id of a rule already"]


@pytest.mark.parametrize("change", [("output: rationale", "output: category"), ("      S2.b:", "      # S2.b:")])
def test_a_shown_example_need_not_name_what_is_plain(change: tuple[str, str]) -> None:
    """Where no rule is cited, or the category has one alone."""
    assert parse_policy(changed(*change).replace(", rule: S2.a", ""), "p.md").examples[1].rule is None


def test_a_document_says_what_the_lint_passes_over() -> None:
    """The policy is the same; the version is of the whole document."""
    plain = parse_policy(DOCUMENT, "p.md")
    ignoring = parse_policy(changed("examples:\n", "lint: {ignore: [length.short]}\nexamples:\n"), "p.md")
    assert ignoring.examples == plain.examples
    assert ignoring.version != plain.version
