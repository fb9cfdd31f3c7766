"""The YAML front matter of a policy document: what its author declares, checked field by field and as a whole."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any, TypeAlias

from pydantic import BaseModel, ConfigDict, Discriminator, Field, Tag

from stream_guard.policy.document import Category, Decision, Effort, Example, ExampleTurn, OutputForm, QuickLook, Rule
from stream_guard.policy.fields import (
    FORMS_OF_CONTENT,
    Accuracy,
    Aspects,
    Audit,
    CategoryName,
    Flag,
    Id,
    Line,
    LintRules,
    OneDecision,
    OneEffort,
    OneForm,
    PermitsBelow,
    Revision,
    Role,
    RuleName,
    Rules,
    Severity,
    Slug,
    Text,
    ViolatesAbove,
    must_be,
)

Loc: TypeAlias = tuple[str | int, ...]


class _Model(BaseModel):
    model_config = ConfigDict(strict=True, frozen=True, extra="forbid")


class CategoryEntry(_Model):
    """One of `categories`."""

    id: Id
    title: Line
    severity: Severity
    decision: OneDecision
    rules: Rules | None = None
    """Texts by id."""
    applies_to: Aspects | None = None

    def category(self) -> Category:
        """The same as the policy holds it."""
        rules = tuple(Rule(rule, text) for rule, text in (self.rules or {}).items())
        return Category(self.id, self.title, self.severity, self.decision, rules, tuple(self.applies_to or ()))


class TurnEntry(_Model):
    """One turn of an example that is a chat."""

    role: Role
    content: Text


def _form_of_content(content: Any) -> str:
    text, turns = FORMS_OF_CONTENT
    return turns if isinstance(content, list) else text


_Turn = Annotated[TurnEntry, must_be("a turn: {role: user, content: ...}")]
_Turns = Annotated[list[_Turn], Field(min_length=1), must_be("a text, or a list of turns")]


class ExampleEntry(_Model):
    """One of `examples`. Its content is a text, or a list of turns."""

    content: Annotated[
        Annotated[Text, Tag("text")] | Annotated[_Turns, Tag("turns")],
        Discriminator(_form_of_content),
    ]
    expect: CategoryName
    shown: Flag = False
    rule: RuleName | None = None

    def example(self) -> Example:
        """The same as the policy holds it."""
        content = self.content
        turns = content if isinstance(content, str) else tuple(ExampleTurn(t.role, t.content) for t in content)
        return Example(turns, self.expect, self.shown, self.rule)


class LintEntry(_Model):
    """What `stream-guard policy lint` is told about this document."""

    ignore: LintRules = Field(default_factory=list)
    """Names of its rules that find nothing here."""


class QuickLookEntry(_Model):
    """What a quick look settles: off until it is measured, see `stream-guard policy look-test`."""

    permits_below: PermitsBelow
    violates_above: ViolatesAbove | None = None
    audit: Audit = 0.05

    def value(self) -> QuickLook:
        """The same as the policy holds it."""
        return QuickLook(self.permits_below, self.violates_above, self.audit)


_Category = Annotated[CategoryEntry, must_be("a category: {id: SP0, title: ..., severity: 0, decision: allow}")]
_Example = Annotated[ExampleEntry, must_be("an example: {content: ..., expect: SP0}")]


class FrontMatter(_Model):
    """All that stands above a policy's text."""

    id: Slug
    revision: Revision
    owner: Line
    title: Line
    output: OneForm
    effort: OneEffort = Effort.MEDIUM
    """Medium is what the model does where nothing is said."""
    categories: Annotated[
        list[_Category],
        Field(min_length=2),
        must_be("a list of two categories or more: one is what the policy permits"),
    ]
    yes_means: CategoryName | None = None
    quick_look: Annotated[QuickLookEntry, must_be("bounds, such as {permits_below: 0.01}")] | None = None
    min_accuracy: Accuracy = 0.8
    examples: Annotated[list[_Example], must_be("a list of examples")]
    lint: Annotated[LintEntry, must_be("what the lint passes over, such as {ignore: [examples.too_many]}")] = Field(
        default_factory=LintEntry
    )

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
