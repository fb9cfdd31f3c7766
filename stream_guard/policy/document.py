"""A policy, as its author wrote it."""

from __future__ import annotations

from enum import StrEnum
from typing import TypeAlias

from msgspec import Struct

from stream_guard.identity import PolicyVersion


class Decision(StrEnum):
    """What a verdict asks enforcement to do. A subscriber treats an unknown decision as `review`."""

    ALLOW = "allow"
    FLAG = "flag"
    REVIEW = "review"
    BLOCK = "block"

    @property
    def strictness(self) -> int:
        """The place in the precedence allow < flag < review < block."""
        return _STRICTNESS[self]


_STRICTNESS = {Decision.ALLOW: 0, Decision.FLAG: 1, Decision.REVIEW: 2, Decision.BLOCK: 3}


class OutputForm(StrEnum):
    """How the model is asked to answer (the forms of OpenAI's gpt-oss-safeguard guide)."""

    BINARY = "binary"
    """One character, 0 or 1."""
    CATEGORY = "category"
    """`{"violation": 1, "policy_category": "SP2"}`."""
    RATIONALE = "rationale"
    """The same with `rule_ids`, `confidence` (low, medium, high) and a short `rationale`."""


class Effort(StrEnum):
    """How long a reasoning model is asked to think."""

    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"


class Aspect(StrEnum):
    """What of a thing a category takes in."""

    DEPICTION = "depiction"
    """The content is it."""
    REQUEST = "request"
    """The content asks for it."""


class Rule(Struct, frozen=True):
    """One rule of a category. Whoever judges cites it by its id."""

    id: str
    text: str


class Category(Struct, frozen=True):
    """One outcome of a policy. Severity 0 is what the policy permits; only such a category may imply `allow`."""

    id: str
    title: str
    severity: int
    decision: Decision
    rules: tuple[Rule, ...] = ()
    applies_to: tuple[Aspect, ...] = ()
    """Empty where the author does not tell depiction and request apart."""

    @property
    def cited_as(self) -> tuple[str, ...]:
        """The ids by which a judgement may cite it: its rules, or its own where it declares none."""
        return tuple(rule.id for rule in self.rules) or (self.id,)


class ExampleTurn(Struct, frozen=True):
    """One turn of an example that is a chat."""

    role: str
    content: str


class Example(Struct, frozen=True):
    """A content with the category it falls in. Each is a test of the policy; a `shown` one also stands in the prompt."""

    content: str | tuple[ExampleTurn, ...]
    expect: str
    shown: bool = False
    rule: str | None = None
    """The rule of that category that it shows."""


class QuickLook(Struct, frozen=True):
    """Settles what is clear without reasoning, by the share that violates of the label's probability, read at once.

    A content is permitted up to `permits_below`, and violates from `violates_above` on; None: that is always reasoned about.
    Of what is clear the share `audit` is reasoned about all the same, to know how often a look is wrong.
    """

    permits_below: float
    violates_above: float | None = None
    audit: float = 0.05


class Policy(Struct, frozen=True):
    """One policy document. `version` is the hash of the whole document; `revision` is raised by its author."""

    id: str
    version: PolicyVersion
    revision: int
    owner: str
    title: str
    output: OutputForm
    effort: Effort
    categories: tuple[Category, ...]
    yes_means: str | None
    """The category that a bare yes stands for, where a model answers only yes or no."""
    examples: tuple[Example, ...]
    instruction: str
    definitions: str
    criteria: str
    quick_look: QuickLook | None = None
    min_accuracy: float = 0.8
    """The share of its examples that a model must get right to be qualified for this policy."""
    document: str = ""
    """The document itself, of which `version` is the hash: what another deployment needs to judge under the same."""

    def category(self, category_id: str) -> Category | None:
        """The category of that id, None where the policy has none."""
        for category in self.categories:
            if category.id == category_id:
                return category
        return None

    @property
    def rule_ids(self) -> tuple[str, ...]:
        """All that a judgement may cite. Empty where no category declares rules: then the policy does not say."""
        if not any(category.rules for category in self.categories):
            return ()
        return tuple(cited for category in self.categories for cited in category.cited_as)

    @property
    def permitted(self) -> Category:
        """The category of severity 0."""
        return next(c for c in self.categories if c.severity == 0)


PolicyId: TypeAlias = str
