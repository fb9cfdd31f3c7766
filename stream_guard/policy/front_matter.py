"""The YAML front matter of a policy document: what its author declares, checked field by field and as a whole."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any, Literal, TypeAlias

from pydantic import BaseModel, ConfigDict, Discriminator, Field, StringConstraints, Tag

from stream_guard.policy.document import Category, Decision, Effort, Example, ExampleTurn, OutputForm

Loc: TypeAlias = tuple[str | int, ...]

_Slug = Annotated[str, StringConstraints(pattern=r"^[a-z0-9]+(-[a-z0-9]+)*$", max_length=64)]
_CategoryId = Annotated[str, StringConstraints(pattern=r"^[A-Za-z][A-Za-z0-9]*([._-][A-Za-z0-9]+)*$", max_length=32)]
_Line = Annotated[str, StringConstraints(pattern=r"^\S([^\r\n]*\S)?$", max_length=200)]
_Text = Annotated[str, StringConstraints(pattern=r"\S")]


class _Model(BaseModel):
    model_config = ConfigDict(strict=True, frozen=True, extra="forbid")


class CategoryEntry(_Model):
    """One of `categories`."""

    id: _CategoryId
    title: _Line
    severity: Annotated[int, Field(ge=0, le=4)]
    decision: Annotated[Decision, Field(strict=False)]


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

    def example(self) -> Example:
        """The same as the policy holds it."""
        if isinstance(self.content, str):
            return Example(self.content, self.expect, self.shown)
        return Example(tuple(ExampleTurn(t.role, t.content) for t in self.content), self.expect, self.shown)


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
    min_accuracy: Annotated[float, Field(gt=0, le=1, strict=False)] = 0.8
    examples: list[ExampleEntry]

    def flaws(self) -> Iterator[tuple[Loc, str]]:
        """What is wrong although every field by itself is right, and where."""
        yield from self._flaws_of_categories()
        yield from self._flaws_of_yes()
        yield from self._flaws_of_examples()

    def violating_yes(self) -> str | None:
        """The category that a bare yes stands for: `yes_means`, or else the only one that violates."""
        violating = [c.id for c in self.categories if c.severity > 0]
        return violating[0] if self.yes_means is None and len(violating) == 1 else self.yes_means

    def category_values(self) -> tuple[Category, ...]:
        """The categories as the policy holds them."""
        return tuple(Category(c.id, c.title, c.severity, c.decision) for c in self.categories)

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

    def _flaws_of_yes(self) -> Iterator[tuple[Loc, str]]:
        violating = [c.id for c in self.categories if c.severity > 0]
        if self.yes_means is None and len(violating) > 1:
            yield (), "yes_means is missing: more than one category violates"
        if self.yes_means is not None and self.yes_means not in violating:
            yield ("yes_means",), f"must be a category that violates: {', '.join(violating)}"

    def _flaws_of_examples(self) -> Iterator[tuple[Loc, str]]:
        severities = {c.id: c.severity for c in self.categories}
        for index, example in enumerate(self.examples):
            if example.expect not in severities:
                yield ("examples", index, "expect"), f"must be a category: {', '.join(severities)}"
        shown = {severities[e.expect] > 0 for e in self.examples if e.shown and e.expect in severities}
        if False not in shown:
            yield ("examples",), "no shown example is permitted"
        if True not in shown:
            yield ("examples",), "no shown example violates"
