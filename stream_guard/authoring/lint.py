"""The lint of policy documents: plain rules, without a model, over what can be seen in the document itself."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TypeAlias

from msgspec import Struct

from stream_guard.authoring import criteria, examples, wording
from stream_guard.authoring.catalogue import IGNORE, LOAD, RULES, Found, Level, found
from stream_guard.authoring.passages import declared_place
from stream_guard.errors import Place
from stream_guard.events.model import View
from stream_guard.marked_yaml import Finding
from stream_guard.policy.document import Policy, PolicyId
from stream_guard.policy.files import policy_files
from stream_guard.policy.load import Draft, load_draft
from stream_guard.prompting.criteria import criteria_text
from stream_guard.prompting.policy_text import shown_examples

FEWEST_TOKENS, MOST_TOKENS = 400, 600
"""What the guide calls the best range."""

Count: TypeAlias = Callable[[str], int]
"""The tokens of a text."""


class Linted(Struct, frozen=True):
    """What was found in one file, in the order of its lines. `tokens` is the policy's length, None where it can't be loaded."""

    file: str
    policy: PolicyId | None
    tokens: int | None
    findings: tuple[Found, ...]

    def count(self, level: Level) -> int:
        """How many findings are so grave."""
        return sum(each.level is level for each in self.findings)


def lint_files(paths: Sequence[Path], count: Count) -> list[Linted]:
    """What is found in the policies of these files and folders. Never raises for what an author wrote."""
    folders: list[Finding] = []
    linted: list[Linted] = []
    origins: dict[PolicyId, str] = {}
    for path in policy_files(paths, folders):
        draft = load_draft(path)
        if draft.policy is not None and (first := origins.setdefault(draft.policy.id, draft.file)) != draft.file:
            taken = (declared_place(draft, "id"), f"the id {draft.policy.id} is taken by {first}")
            draft = Draft(draft.file, None, (taken,), draft.front, draft.body)
        linted.append(lint(draft, count))
    return [*(Linted(place.file, None, None, (found(LOAD, place, what),)) for place, what in folders), *linted]


def lint(draft: Draft, count: Count) -> Linted:
    """What is found in a document: of one that can't be loaded all that is wrong, and what its text alone shows."""
    findings = [found(LOAD, place, what) for place, what in draft.findings]
    findings += wording.left_to_do(draft)
    findings += wording.vague(draft)
    findings += wording.restated_answer(draft)
    policy, tokens = draft.policy, None
    if policy is not None:
        tokens = count(_authored(policy))
        findings += _of_policy(draft, policy, tokens, count)
    kept = [each for each in findings if each.rule not in draft.ignored]
    return Linted(draft.file, policy.id if policy else None, tokens, tuple(sorted(kept, key=_by_place)))


def _of_policy(draft: Draft, policy: Policy, tokens: int, count: Count) -> Iterator[Found]:
    yield from _length(draft, tokens)
    yield from criteria.unknown_references(draft, policy)
    yield from criteria.unmentioned_categories(draft, policy)
    yield from criteria.unused_definitions(draft, policy)
    yield from criteria.clashing_rules(draft, policy)
    yield from criteria.undeclared_rules(draft, policy)
    yield from criteria.missing_paths(draft)
    yield from criteria.milder_decisions(draft, policy)
    yield from examples.shown(draft, policy, count)
    yield from examples.untested_categories(draft, policy)
    yield from examples.clashes(draft, policy)
    for index, name in enumerate(draft.ignored):
        if name not in RULES or name == LOAD:
            yield found(IGNORE, declared_place(draft, "lint", "ignore", index), f"there is no rule {name} to ignore")


def _length(draft: Draft, tokens: int) -> Iterator[Found]:
    place = Place(draft.file)
    if tokens < FEWEST_TOKENS:
        yield found("length.short", place, f"the policy has {tokens} tokens")
    if tokens > MOST_TOKENS:
        yield found("length.long", place, f"the policy has {tokens:,} tokens")


def _authored(policy: Policy) -> str:
    """What the model reads of a policy but for what every prompt says: the form of the answer, and that content is data."""
    parts = (policy.instruction, policy.definitions, criteria_text(policy), shown_examples(policy, View.MESSAGE))
    return "\n\n".join(parts)


def _by_place(each: Found) -> tuple[int, int]:
    return each.place.line or 0, each.place.column or 0
