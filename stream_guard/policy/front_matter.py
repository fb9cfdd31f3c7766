"""The YAML front matter of a policy document: what its author declares, checked field by field and as a whole."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any, Literal, TypeAlias

from pydantic import BaseModel, ConfigDict, Discriminator, Field, StringConstraints, Tag

from stream_guard.policy.document import (
    Aspect,
    Category,
    Decision,
    Effort,
    Example,
    ExampleTurn,
    OutputForm,
    QuickLook,
    Rule,
)

Loc: TypeAlias = tuple[str | int, ...]

_Slug = Annotated[str, StringConstraints(pattern=r"^[a-z0-9]+(-[a-z0-9]+)*$", max_length=64)]
_Id = Annotated[str, StringConstraints(pattern=r"^[A-Za-z][A-Za-z0-9]*([._-][A-Za-z0-9]+)*$", max_length=32)]
_Line = Annotated[str, StringConstraints(pattern=r"^\S([^\r\n]*\S)?$", max_length=200)]
_Sentence = Annotated[str, StringConstraints(pattern=r"^\S([^\r\n]*\S)?$", max_length=1000)]
_Text = Annotated[str, StringConstraints(pattern=r"\S")]


class _Model(BaseModel):
    model_config = ConfigDict(strict=True, frozen=True, extra="forbid")


class CategoryEntry(_Model):
    """One of `categories`."""

    id: _Id
    title: _Line
    severity: Annotated[int, Field(ge=0, le=4)]
    decision: Annotated[Decision, Field(strict=False)]
    rules: Annotated[dict[_Id, _Sentence], Field(min_length=1)] | None = None
    """Texts by id."""
    applies_to: Annotated[list[Annotated[Aspect, Field(strict=False)]], Field(min_length=1)] | None = None

    def category(self) -> Category:
        """The same as the policy holds it."""
        rules = tuple(Rule(rule, text) for rule, text in (self.rules or {}).items())
        return Category(self.id, self.title, self.severity, self.decision, rules, tuple(self.applies_to or ()))


class TurnEntry(_Model):
    """One turn of an example that is a chat."""

    role: Literal["system", "developer", "user", "assistant", "tool"]
    content: _Text


def _form_of_content(content: Any) -> str:
    return "turns" if isinstance(content, list) else "text"


class ExampleEntry(_Model):
    """One of `examples`. Its content is a text, or a list of turns."""

    content: Annotated[
        Annotated[_Text, Tag("text")] | Annotated[list[TurnEntry], Field(min_length=1), Tag("turns")],
        Discriminator(_form_of_content),
    ]
    expect: str
    shown: bool = False
    rule: str | None = None

    def example(self) -> Example:
        """The same as the policy holds it."""
        content = self.content
        turns = content if isinstance(content, str) else tuple(ExampleTurn(t.role, t.content) for t in content)
        return Example(turns, self.expect, self.shown, self.rule)


class LintEntry(_Model):
    """What `stream-guard policy lint` is told about this document."""

    ignore: list[str] = Field(default_factory=list)
    """Names of its rules that find nothing here."""


class QuickLookEntry(_Model):
    """What a quick look settles: off until it is measured, see `stream-guard policy look-test`."""

    permits_below: Annotated[float, Field(ge=0, lt=0.5, strict=False)]
    violates_above: Annotated[float | None, Field(gt=0.5, le=1, strict=False)] = None
    audit: Annotated[float, Field(gt=0, le=1, strict=False)] = 0.05

    def value(self) -> QuickLook:
        """The same as the policy holds it."""
        return QuickLook(self.permits_below, self.violates_above, self.audit)


class FrontMatter(_Model):
    """All that stands above a policy's text."""

    id: _Slug
    revision: Annotated[int, Field(ge=1)]
    owner: _Line
    title: _Line
    output: Annotated[OutputForm, Field(strict=False)]
    effort: Annotated[Effort, Field(strict=False)] = Effort.MEDIUM
    """Medium is what the model does where nothing is said."""
    categories: Annotated[list[CategoryEntry], Field(min_length=2)]
    yes_means: str | None = None
    quick_look: QuickLookEntry | None = None
    min_accuracy: Annotated[float, Field(gt=0, le=1, strict=False)] = 0.8
    examples: list[ExampleEntry]
    lint: LintEntry = Field(default_factory=LintEntry)

    def flaws(self) -> Iterator[tuple[Loc, str]]:
        """What is wrong although every field by itself is right, and where."""
        yield from self._flaws_of_categories()
        yield from self._flaws_of_rules()
        yield from self._flaws_of_yes()
        yield from self._flaws_of_quick_look()
        yield from self._flaws_of_examples()

    def violating_yes(self) -> str | None:
        """The category that a bare yes stands for: `yes_means`, or else the only one that violates."""
        violating = [c.id for c in self.categories if c.severity > 0]
        return violating[0] if self.yes_means is None and len(violating) == 1 else self.yes_means

    def category_values(self) -> tuple[Category, ...]:
        """The categories as the policy holds them."""
        return tuple(entry.category() for entry in self.categories)

    def _flaws_of_categories(self) -> Iterator[tuple[Loc, str]]:
        ids = [c.id for c in self.categories]
        for index, category in enumerate(self.categories):
            at = ("categories", index)
            if category.id in ids[:index]:
                yield (*at, "id"), f"the category {category.id} is repeated"
            if category.severity == 0 and category.decision is not Decision.ALLOW:
                yield (*at, "decision"), "what the policy permits (severity 0) must imply allow"
            if category.severity > 0 and category.decision is Decision.ALLOW:
                yield (*at, "decision"), "only the category of severity 0 may imply allow"
        if (permitted := sum(c.severity == 0 for c in self.categories)) != 1:
            yield ("categories",), f"exactly one category must have severity 0, not {permitted}"
        if self.output is OutputForm.BINARY and len(ids) > 2:  # noqa: PLR2004  (yes and no)
            yield ("categories",), "the output form binary can tell two categories apart"

    def _flaws_of_rules(self) -> Iterator[tuple[Loc, str]]:
        taken = {category.id: "category" for category in self.categories}
        for index, category in enumerate(self.categories):
            for rule in category.rules or ():
                if rule in taken:
                    yield ("categories", index, "rules", rule), f"{rule} is the id of a {taken[rule]} already"
                taken.setdefault(rule, "rule")
            if len(set(category.applies_to or ())) < len(category.applies_to or ()):
                yield ("categories", index, "applies_to"), "names the same twice"

    def _flaws_of_yes(self) -> Iterator[tuple[Loc, str]]:
        violating = [c.id for c in self.categories if c.severity > 0]
        if self.yes_means is None and len(violating) > 1:
            yield (), "yes_means is missing: more than one category violates"
        if self.yes_means is not None and self.yes_means not in violating:
            yield ("yes_means",), f"must be a category that violates: {', '.join(violating)}"

    def _flaws_of_quick_look(self) -> Iterator[tuple[Loc, str]]:
        settles_violations = self.quick_look is not None and self.quick_look.violates_above is not None
        if settles_violations and sum(category.severity > 0 for category in self.categories) > 1:
            yield ("quick_look", "violates_above"), "more than one category violates, and a look can't tell which"

    def _flaws_of_examples(self) -> Iterator[tuple[Loc, str]]:
        severities = {c.id: c.severity for c in self.categories}
        rules = {c.id: list(c.rules or ()) for c in self.categories}
        for index, example in enumerate(self.examples):
            if example.expect not in severities:
                yield ("examples", index, "expect"), f"must be a category: {', '.join(severities)}"
            elif (flaw := self._flaw_of_rule(example, rules[example.expect])) is not None:
                yield ("examples", index, *(("rule",) if example.rule is not None else ())), flaw
        shown = {severities[e.expect] > 0 for e in self.examples if e.shown and e.expect in severities}
        if False not in shown:
            yield ("examples",), "no shown example is permitted"
        if True not in shown:
            yield ("examples",), "no shown example violates"

    def _flaw_of_rule(self, example: ExampleEntry, rules: list[str]) -> str | None:
        if example.rule is not None and example.rule not in rules:
            of = f"must be a rule of {example.expect}"
            return f"{of}: {', '.join(rules)}" if rules else f"{of}, which declares none"
        if example.rule is None and example.shown and len(rules) > 1 and self.output is OutputForm.RATIONALE:
            return f"rule is required: the answer shown with it cites one of {', '.join(rules)}"
        return None
