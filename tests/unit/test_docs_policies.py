"""The page for authors of policies: its policy is a good one, and its list of what the lint finds is whole."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from stream_guard.authoring.catalogue import RULES
from stream_guard.authoring.lint import lint
from stream_guard.config import load_judge
from stream_guard.config.engine import VllmSettings
from stream_guard.policy.document import Aspect, Effort, OutputForm
from stream_guard.policy.load import parse_draft
from stream_guard.prompting.harmony_vocabulary import harmony_vocabulary
from stream_guard.proposal.first_policy import policy_text

DOCS = Path(__file__).parents[2] / "docs"
_TEXT = (DOCS / "policies.md").read_text(encoding="utf-8")


def documents(page: str) -> list[str]:
    """The policy documents that a page shows."""
    return re.findall(r"```markdown\n(.*?)```", (DOCS / page).read_text(encoding="utf-8"), re.DOTALL)


def count(text: str) -> int:
    """The tokens of a text, as gpt-oss counts them."""
    return len(harmony_vocabulary().encode(text))


def test_the_pages_policy_is_a_good_one() -> None:
    """It loads, shows every field that the page speaks of, and the lint has nothing to say of it."""
    (document,) = documents("policies.md")
    draft = parse_draft(document, "docs/policies.md")
    policy = draft.loaded()
    assert policy.output is OutputForm.RATIONALE
    assert {aspect for category in policy.categories for aspect in category.applies_to} == set(Aspect)
    assert all(category.rules for category in policy.categories)
    assert lint(draft, count).findings == ()


@pytest.mark.parametrize(
    ("document", "rules"),
    [(documents("first-policy.md")[0], {"length.short"}), (policy_text(), set()), (policy_text(chats=True), set())],
    ids=["first-policy", "init", "init of chats"],
)  # fmt: skip
def test_what_authors_begin_with_is_good_too(document: str, rules: set[str]) -> None:
    """The short page's is short; what `init` writes has nothing to fix."""
    assert {found.rule for found in lint(parse_draft(document, "p.md"), count).findings} == rules


def test_the_pages_configuration_is_enough_to_test_a_policy(tmp_path: Path) -> None:
    """All that an author needs besides the policy."""
    (shown,) = re.findall(r"```yaml\n(engine:.*?)```", _TEXT, re.DOTALL)
    (tmp_path / "guard.yaml").write_text(shown, encoding="utf-8")
    assert isinstance(load_judge(tmp_path / "guard.yaml", {}).engine, VllmSettings)


def test_the_page_lists_what_the_lint_finds() -> None:
    """Every rule with its level, and no other."""
    rows = re.findall(r"^\| (`[a-z_.]+`(?:, `[a-z_.]+`)*) \| (error|warning|advice) \|", _TEXT, re.MULTILINE)
    listed = {name: level for names, level in rows for name in re.findall(r"`([^`]+)`", names)}
    assert listed == {name: rule.level.value for name, rule in RULES.items()}


def test_the_page_has_every_form_and_effort() -> None:
    """As the front matter takes them."""
    for word in (*OutputForm, *Effort):
        assert f"`{word}`" in _TEXT
