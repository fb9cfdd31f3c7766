"""The rules of `stream-guard policy lint`: a closed list, each with what the guide for gpt-oss-safeguard advises.

The guide is OpenAI's and ROOST's; where a piece of advice is ours, its reason stands beside it.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import NamedTuple

from msgspec import Struct

from stream_guard.errors import Place


class Level(StrEnum):
    """How grave a finding is."""

    ERROR = "error"
    """The document can't be loaded."""
    WARNING = "warning"
    """A model is likely to judge otherwise than the author meant."""
    ADVICE = "advice"
    """The guide would do it otherwise. A measurement may say that it is right as it is."""


class LintRule(NamedTuple):
    """How grave what it finds is, and what to do about it."""

    level: Level
    advice: str


class Found(Struct, frozen=True):
    """One finding: the rule that found it, where, and what."""

    rule: str
    place: Place
    sentence: str

    @property
    def level(self) -> Level:
        """How grave it is."""
        return RULES[self.rule].level

    @property
    def advice(self) -> str:
        """What to do about it."""
        return RULES[self.rule].advice


LOAD = "document.wrong"
TODO = "document.todo"
IGNORE = "ignore.unknown"

_ERROR, _WARNING, _ADVICE = Level.ERROR, Level.WARNING, Level.ADVICE
RULES: Mapping[str, LintRule] = {
    LOAD: LintRule(_ERROR, ""),
    TODO: LintRule(_WARNING, "decide it, and write down what was decided"),
    IGNORE: LintRule(_WARNING, "name a rule of this lint, or take the line out"),
    "length.short": LintRule(
        _ADVICE, "400 to 600 tokens are followed best; say more of what does not violate, and of the border"
    ),
    "length.long": LintRule(
        _ADVICE, "400 to 600 tokens are followed best: cut what repeats, or make two policies of it; then measure"
    ),
    "wording.vague": LintRule(_WARNING, "decide: say always, or name the cases in which, or leave the word out"),
    "answer.restated": LintRule(
        _WARNING,
        "take it out: the form of the answer is written from `output` and `categories`, twice, in the right places",
    ),
    "ambiguity.missing": LintRule(
        _WARNING, "say what to choose where it is unclear: a category whose decision lets a person look"
    ),
    "precedence.missing": LintRule(
        _WARNING, "say which rule goes before which, or that of two categories the graver one counts"
    ),
    "severity.milder": LintRule(
        _WARNING, "a graver category that does less is mostly a slip: exchange the two, or their severities"
    ),
    "category.unmentioned": LintRule(_WARNING, "say under Criteria what falls in it, or give it `rules`"),
    "category.no_example": LintRule(_WARNING, "add an example that falls in it: without one, nothing tests it"),
    "definition.unused": LintRule(
        _ADVICE, "use the term in a rule, or leave its definition out: every line is read for every content"
    ),
    "reference.unknown": LintRule(_WARNING, "fix the id, or declare what it names"),
    "rules.duplicate_id": LintRule(_WARNING, "give each rule an id of its own: a verdict cites rules by them"),
    "rules.repeated": LintRule(_ADVICE, "keep one of the two, or say in what they differ"),
    "rules.undeclared": LintRule(
        _ADVICE, "declare them as `rules` of their categories: then a reply that cites any other is asked again"
    ),
    "contradiction.allow_and_forbid": LintRule(
        _WARNING, "the same can't be permitted and forbidden: say what tells the two apart"
    ),
    "contradiction.examples": LintRule(_WARNING, "decide which of the two is right"),
    "examples.similar": LintRule(_ADVICE, "good examples of a border, if a rule says which difference decides"),
    "examples.repeated": LintRule(_ADVICE, "keep one: a second teaches and tests nothing"),
    "examples.too_few": LintRule(_ADVICE, "show 4 to 6 short ones (`shown: true`), on both sides of the border"),
    "examples.too_many": LintRule(_ADVICE, "show 4 to 6; keep the others as tests (`shown: false`)"),
    "examples.one_sided": LintRule(_ADVICE, "show as many that are permitted as that are not, each near the border"),
    "examples.all_shown": LintRule(
        _ADVICE, "keep some that are not shown, on both sides: they tell whether the rules carry, not the examples"
    ),
    "examples.long": LintRule(_ADVICE, "shorten it to what decides: examples are read for every content"),
}


def found(rule: str, place: Place, sentence: str) -> Found:
    """A finding of a rule of the list."""
    return Found(rule, place, sentence)
