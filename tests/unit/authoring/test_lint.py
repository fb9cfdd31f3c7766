"""The lint as a whole: its levels, what it passes over, and documents that can't be loaded."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream_guard.authoring.catalogue import RULES, Level
from stream_guard.authoring.lint import lint_files
from stream_guard.policy.load import load_policies
from stream_guard.policy.shipped import shipped_policies
from stream_guard.prompting.harmony_vocabulary import harmony_vocabulary
from tests.unit.authoring.documents import GOOD, changed, found_in, make_lint


def count(text: str) -> int:
    """The tokens of a text, as gpt-oss counts them."""
    return len(harmony_vocabulary().encode(text))


def test_nothing_is_said_of_a_good_policy() -> None:
    """Its id and length are known."""
    linted = make_lint(GOOD)
    assert (linted.policy, linted.tokens, linted.findings) == ("noise", 500, ())


def test_nothing_is_said_of_the_policies_that_ship() -> None:
    """They are what authors begin with."""
    linted = lint_files([shipped_policies()], count)
    assert [(each.policy, each.findings) for each in linted] == [
        (each, ()) for each in load_policies([shipped_policies()])
    ]


@pytest.mark.parametrize(
    ("tokens", "found"),
    [(399, " length.short the policy has 399 tokens"), (400, None), (600, None), (1601, " length.long the policy has 1,601 tokens")],
)  # fmt: skip
def test_the_best_length_is_advised(tokens: int, found: str | None) -> None:
    """400 to 600 tokens, both included."""
    assert found_in(tokens=tokens) == ([found] if found else [])


def test_the_form_of_the_answer_does_not_count() -> None:
    """It is ours; what the author wrote does, and the examples that are shown."""
    (linted,) = lint_files([shipped_policies() / "spam.md"], count)
    assert linted.tokens is not None
    assert 500 < linted.tokens <= 600


def test_a_document_passes_rules_over() -> None:
    """By their names; a name that is none is told of, at its place."""
    assert found_in(("yes_means: N2\n", "yes_means: N2\nlint: {ignore: [length.long]}\n"), tokens=700) == []
    assert found_in(
        ("yes_means: N2\n", "yes_means: N2\nlint: {ignore: [length.long, lenght.short, document.wrong]}\n")
    ) == [
        "18:30 ignore.unknown there is no rule lenght.short to ignore",
        "18:44 ignore.unknown there is no rule document.wrong to ignore",
    ]


def test_everything_wrong_is_said_at_once() -> None:
    """What keeps the document from loading, and what its text alone shows."""
    assert found_in(
        ("revision: 1", "revision: 0"), ("decision: flag", "decision: TODO"), ("choose N2.", "N2 is usually best.")
    ) == [
        "3:11 document.wrong revision: must be a whole number from 1 up, raised with every change",
        "12:15 document.wrong categories[1].decision: must be allow, flag, review or block",
        "44:60 wording.vague Criteria says “usually”, which leaves it open",
    ]


def test_levels_are_counted() -> None:
    """By file."""
    linted = make_lint(changed(("revision: 1", "revision: 0")), tokens=700)
    assert [linted.count(level) for level in Level] == [1, 0, 0]
    assert [make_lint(GOOD, tokens=700).count(level) for level in Level] == [0, 0, 1]


def test_every_rule_says_what_to_do() -> None:
    """But for what can't be loaded: there, the finding does."""
    assert [name for name, rule in RULES.items() if not rule.advice] == ["document.wrong"]
    assert {rule.level for rule in RULES.values()} == set(Level)


def test_files_and_folders_are_linted(tmp_path: Path) -> None:
    """An id in two files and an empty folder are errors, as for `run`."""
    (tmp_path / "a.md").write_text(GOOD, encoding="utf-8")
    (tmp_path / "b.md").write_text(GOOD, encoding="utf-8")
    (tmp_path / "empty").mkdir()
    linted = lint_files([tmp_path, tmp_path / "empty", tmp_path / "absent.md"], lambda _: 500)
    said = [
        (str(found.place), found.rule, found.sentence)
        for each in linted
        for found in each.findings
        if each.count(Level.ERROR)
    ]
    assert (f"{tmp_path}/empty", "document.wrong", "no policies (*.md, */policy.md) in this directory") in said
    assert (f"{tmp_path}/absent.md", "document.wrong", "can't be read: No such file or directory") in said
    assert (f"{tmp_path}/b.md:2:5", "document.wrong", f"the id noise is taken by {tmp_path}/a.md") in said


@given(st.data())
def test_whatever_an_author_wrote_is_linted(data: st.DataObject) -> None:
    """Nothing is raised, for any document that the good one becomes by cutting and pasting."""
    lines = GOOD.split("\n")
    text = "\n".join(
        data.draw(
            st.sampled_from(
                [line, line, line, "", "- **", "- N9.z:", "---", "## Criteria", "“", data.draw(st.text(max_size=8))]
            )
        )
        for line in lines
    )
    for found in make_lint(text).findings:
        assert found.rule in RULES
        assert found.place.file == "p.md"
