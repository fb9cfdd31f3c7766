"""The criteria of a policy as the model reads them: declared rules category by category, then what the author wrote of all."""

from __future__ import annotations

from collections.abc import Iterator

from stream_guard.policy.document import Category, Policy

ASPECTS_LINE = (
    "A depiction is itself what is described; a request asks for it. Where a category names one of the two, the other does "
    "not fall in it."
)


def criteria_text(policy: Policy) -> str:
    """The whole section. Of a policy that declares neither rules nor `applies_to`, exactly what its author wrote."""
    return "\n\n".join([*_declared(policy), policy.criteria.strip()])


def _declared(policy: Policy) -> Iterator[str]:
    if any(category.applies_to for category in policy.categories):
        yield ASPECTS_LINE
    for category in policy.categories:
        if category.rules or category.applies_to:
            yield _category(category)


def _category(category: Category) -> str:
    marks = ["violates" if category.severity else "does not violate"]
    if category.applies_to:
        marks.append(" or ".join(category.applies_to))
    rules = [f"- {rule.id} {rule.text}" for rule in category.rules]
    heading = f"{category.id}, {category.title} ({'; '.join(marks)})"
    return "\n".join([f"{heading}:", *rules]) if rules else heading
