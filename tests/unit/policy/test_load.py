"""Policy documents: what is taken, and what is said of the others."""

from __future__ import annotations

from pathlib import Path

import pytest

from stream_guard.errors import PolicyError
from stream_guard.policy.document import Category, Decision, Effort, Example, ExampleTurn, OutputForm, QuickLook
from stream_guard.policy.load import MAX_BYTES, load_policies, load_policy, parse_policy

FRONT = """\
id: shouting
revision: 3
owner: moderation
title: Shouting
output: category
categories:
  - {id: S0, title: calm, severity: 0, decision: allow}
  - {id: S2, title: loud, severity: 2, decision: flag}
examples:
  - {content: good evening, expect: S0, shown: true}
  - {content: GOOD EVENING, expect: S2, shown: true}
  - content:
      - {role: user, content: hello}
      - {role: assistant, content: HELLO}
    expect: S2
"""
BODY = """\
## Instruction

Decide whether it shouts.

### Note
Capitals count.

## Definitions

Shouting is loud.

## Criteria

S2 is loud, S0 is not.
"""
A_SEVERITY = "must be a whole number: 0 is what the policy permits, 1 (minor) to 4 (gravest) what violates it"


def make_document(front: str = FRONT, body: str = BODY) -> str:
    """A policy document."""
    return f"---\n{front}---\n\n{body}"


def findings(text: str) -> list[str]:
    """What is said of a document, `line:column: what`."""
    with pytest.raises(PolicyError) as caught:
        parse_policy(text, "p.md")
    return [str(finding).removeprefix("p.md:") for finding in str(caught.value).split("\n")]


def with_front(old: str, new: str) -> str:
    """The document with something in its front matter replaced."""
    assert old in FRONT
    return make_document(FRONT.replace(old, new, 1))


def test_a_document_becomes_a_policy() -> None:
    """Every field arrives, and what was left out has its default."""
    policy = parse_policy(make_document(), "p.md")
    assert (policy.id, policy.revision, policy.owner, policy.title) == ("shouting", 3, "moderation", "Shouting")
    assert (policy.output, policy.effort, policy.yes_means) == (OutputForm.CATEGORY, Effort.MEDIUM, "S2")
    assert policy.categories == (Category("S0", "calm", 0, Decision.ALLOW), Category("S2", "loud", 2, Decision.FLAG))
    assert policy.examples == (
        Example("good evening", "S0", shown=True),
        Example("GOOD EVENING", "S2", shown=True),
        Example((ExampleTurn("user", "hello"), ExampleTurn("assistant", "HELLO")), "S2"),
    )
    assert policy.instruction == "Decide whether it shouts.\n\n### Note\nCapitals count."
    assert (policy.definitions, policy.criteria) == ("Shouting is loud.", "S2 is loud, S0 is not.")


def test_the_version_is_of_the_whole_document() -> None:
    """A comment, a hidden example or a title changes it; the form of line ends and a byte order mark do not."""
    version = parse_policy(make_document(), "p.md").version
    for changed in (with_front("id: shouting", "id: shouting  # a comment"), make_document(body=f"{BODY}\n")):
        assert parse_policy(changed, "p.md").version != version
    windows = "\ufeff" + make_document().replace("\n", "\r\n")
    assert parse_policy(windows, "q.md").version == version


@pytest.mark.parametrize(
    ("old", "new", "finding"),
    [
        ("id: shouting", "id: Shouting!", "2:5: id: must be an id of lower-case letters"),
        ("id: shouting\n", "", "2:1: id is required"),
        ("revision: 3", "revision: 0", "3:11: revision: must be a whole number from 1 up"),
        ("revision: 3", "revision: '3'", "3:11: revision: must be a whole number from 1 up"),
        ("revision: 3", "revision: true", "3:11: revision: must be a whole number from 1 up"),
        ("owner: moderation", "owner: ''", "4:8: owner: must be a text on one line"),
        ("output: category", "output: prose", "6:9: output: must be binary, category or rationale"),
        (
            "output: category",
            "output: category\neffort: huge",
            "7:9: effort: must be low, medium or high",
        ),
        ("owner:", "ownr: x\nowner:", "4:7: ownr is unknown"),
        ("severity: 2", "severity: 5", f"9:37: categories[1].severity: {A_SEVERITY}"),
        ("severity: 2", "severity: TODO", f"9:37: categories[1].severity: {A_SEVERITY}"),
        ("severity: 2", "severity:", f"9:36: categories[1].severity: {A_SEVERITY}"),
        ("severity: 2, ", "", "9:5: categories[1].severity is required"),
        ("decision: flag", "decision: ban", "9:50: categories[1].decision: must be allow, flag, review or block"),
        ("decision: flag", "decision: allow", "9:50: only the category of severity 0 may imply allow"),
        ("decision: allow", "decision: flag", "8:50: what the policy permits (severity 0) must imply allow"),
        ("severity: 0", "severity: 1", "7:1: exactly one category must have severity 0, not 0"),
        ("id: S2", "id: S0", "9:10: the category S0 is repeated"),
        ("id: S2", "id: 2", "9:10: categories[1].id: must be an id: a letter"),
        ("examples:", "yes_means: S0\nexamples:", "10:12: must be a category that violates: S2"),
        ("GOOD EVENING, expect: S2", "GOOD EVENING, expect: S9", "12:37: must be a category: S0, S2"),
        ("good evening, expect: S0, shown: true", "x, expect: S0", "10:1: no shown example is permitted"),
        ("GOOD EVENING, expect: S2, shown: true", "x, expect: S2", "10:1: no shown example violates"),
        (
            "examples:",
            "quick_look: {permits_below: 0.6}\nexamples:",
            "10:29: quick_look.permits_below: must be a number from 0 up and below 0.5",
        ),
        ("examples:", "quick_look: {}\nexamples:", "10:1: quick_look.permits_below is required"),
        (
            "examples:",
            "quick_look: {permits_below: 0.1, violates_above: 0.2}\nexamples:",
            "10:50: quick_look.violates_above: must be a number above 0.5 and up to 1",
        ),
        (
            "examples:",
            "quick_look: {permits_below: 0.1, audit: 0}\nexamples:",
            "10:41: quick_look.audit: must be a number above 0 and up to 1",
        ),
        ("good evening", "' '", "11:15: examples[0].content: must be a text that is not blank"),
        (
            "role: user",
            "role: boss",
            "14:16: examples[2].content[0].role: must be system, developer, user, assistant or tool",
        ),
        ("id: shouting", "id: shouting\nid: shouting", "3:1: id stands here already, at line 2"),
        ("id: shouting", "id: &a shouting", "2:5: anchors and aliases are not allowed"),
        ("id: shouting", "id: *a", "2:5: anchors and aliases are not allowed"),
        ("id: shouting", "<<: {a: 1}", "2:1: merge keys are not allowed"),
        ("id: shouting", "[a]: 1", "2:1: a key must be a text"),
        (
            "id: shouting",
            "id: !!python/object:os.system x",
            "2:5: the tag tag:yaml.org,2002:python/object:os.system is not allowed",
        ),
        ("id: shouting", "id: [", "4:6: expected ',' or ']'"),
        ("id: shouting", f"id: {'[' * 1000}", "2:36: nests deeper than 32"),
        ("id: shouting", "id: a\x07", "2:6: character U+0007 is not allowed"),
        ("id: shouting", f"id: {'9' * 5000}", "2:5: does not fit its tag"),
    ],
)
def test_a_wrong_field_is_named_with_its_place(old: str, new: str, finding: str) -> None:
    """Line and column are those of the file."""
    assert any(found.startswith(finding) for found in findings(with_front(old, new)))


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("owner: moderation", "owner: 7", "in quotes: without them it is a number"),
        ("owner: moderation", "owner: [moderation]", "must be a text on one line"),
        ("shown: true", "shown: yes", "must be true or false"),
        ("expect: S2", "expect: 2", "must be the id of a category"),
        ("decision: flag", "decision: flag, applies_to: request", "must be a list of depiction, request or both"),
        ("decision: flag", "decision: flag, rules: loud", "must be one rule or more, each a text by its id"),
        ("examples:", "min_accuracy: high\nexamples:", "must be a number above 0 and up to 1"),
        ("examples:", "yes_means: [S2]\nexamples:", "must be the id of a category"),
        ("examples:", "quick_look: true\nexamples:", "must be bounds, such as {permits_below"),
        ("examples:", "lint: examples.long\nexamples:", "must be what the lint passes over, such as {ignore"),
        ("examples:", "lint: {ignore: examples.long}\nexamples:", "must be a list of names of rules"),
        ("examples:", "examples: none\nothers:", "must be a list of examples"),
        ("categories:", "categories: none\nothers:", "must be a list of two categories or more"),
        ("examples:", "examples:\n  - good evening", "must be an example: {content"),
        ("  - {id: S2", "  - loud\n  - {id: S2", "must be a category: {id"),
        ("{role: user, content: hello}", "hello", "must be a turn: {role"),
        ("good evening", "[]", "must be a text, or a list of turns"),
    ],
)
def test_what_belongs_in_a_field_is_said_to_authors(old: str, new: str, said: str) -> None:
    """In their words, not in those of a library for types."""
    found = findings(with_front(old, new))
    assert any(said in each for each in found), found
    assert not any(word in each for each in found for word in ("should", "valid", "Input", "dictionary", "Entry"))


def test_a_list_with_a_wrong_item_is_not_also_too_short() -> None:
    """The item is what has to be mended."""
    assert findings(with_front("severity: 2", "severity: TODO")) == [f"9:37: categories[1].severity: {A_SEVERITY}"]


def test_a_quick_look_settles_violations_only_of_one_category() -> None:
    """A policy without one is never looked at; with several that violate, a look could not tell which."""
    assert parse_policy(make_document(), "p.md").quick_look is None
    look = "quick_look: {permits_below: 0.1, violates_above: 0.9}\n"
    assert parse_policy(make_document(FRONT + look), "p.md").quick_look == QuickLook(0.1, 0.9, 0.05)
    third = "  - {id: S3, title: louder, severity: 3, decision: block}\nyes_means: S2\nexamples:"
    (found,) = findings(make_document(FRONT.replace("examples:", third, 1) + look))
    assert found.endswith("more than one category violates, and a look can't tell which")


@pytest.mark.parametrize("text", ["no", "2026-01-31", "12:30"])
def test_a_text_is_what_it_looks_like(text: str) -> None:
    """By YAML 1.2, as in the configuration: no booleans, dates or numbers in base 60 by surprise."""
    assert parse_policy(with_front("good evening", text), "p.md").examples[0].content == text


def test_binary_can_not_tell_three_categories_apart() -> None:
    """Nor does a yes say which of two it means."""
    third = "  - {id: S3, title: louder, severity: 3, decision: block}\nexamples:"
    text = with_front("examples:", third).replace("output: category", "output: binary")
    assert findings(text) == [
        "7:1: the output form binary can tell two categories apart",
        "2:1: yes_means is missing: more than one category violates",
    ]
    chosen = text.replace("output: binary", "output: rationale\nyes_means: S3")
    assert parse_policy(chosen, "p.md").yes_means == "S3"


@pytest.mark.parametrize(
    ("body", "finding"),
    [
        (BODY.replace("## Criteria", "## Criterias"), "30:1: unknown section"),
        (BODY.replace("## Criteria", "# Criteria"), "30:1: unknown section"),
        (BODY.replace("## Criteria", "## Definitions"), "30:1: the section Definitions is repeated"),
        (BODY.replace("Shouting is loud.", ""), "26:1: the section Definitions is empty"),
        (f"Hello.\n{BODY}", "18:1: text before the first section"),
        (BODY[BODY.index("## Definitions") :], "26:1: the section Instruction is missing"),
        (
            f"{BODY[BODY.index('## Definitions') :]}\n{BODY[: BODY.index('## Definitions')]}",
            "18:1: the sections are not in",
        ),
        (BODY.replace("loud", "l\x00ud"), "28:14: character U+0000 is not allowed"),
        ("", "19:1: the section Instruction is missing"),
        ("Just a text.", "18:1: text before the first section"),
    ],
)
def test_a_wrong_section_is_named_with_its_place(body: str, finding: str) -> None:
    """Instruction, Definitions, Criteria: all of them, nothing else, in that order."""
    assert findings(make_document(body=body))[0].startswith(finding)


def test_everything_wrong_is_said_at_once() -> None:
    """In the front matter and in the text."""
    text = (
        with_front("revision: 3", "revision: 0")
        .replace("output: category", "output: prose")
        .replace("## Criteria", "##")
    )
    assert [finding.split(": ")[0] for finding in findings(text)] == ["3:11", "6:9", "33:1"]


@pytest.mark.parametrize(
    ("text", "finding"),
    [
        ("", "1:1: must begin with front matter"),
        ("# A title\n", "1:1: must begin with front matter"),
        ("---\nid: a\n", "1:1: the front matter has no closing line"),
        (f"---\n---\n{BODY}", "2:1: must be a mapping"),
        (f"---\n- a\n---\n{BODY}", "2:1: must be a mapping"),
        (make_document(body=BODY + "x" * MAX_BYTES), "a policy may have at most 65536 bytes"),
    ],
)
def test_what_is_no_policy_document_is_refused(text: str, finding: str) -> None:
    """Nothing is guessed."""
    assert finding in findings(text)[0]


def test_a_finding_never_reads_a_whole_bomb() -> None:
    """Doubling aliases are refused before they are expanded."""
    bomb = "a: &a [x, x]\n" + "".join(f"{b}: &{b} [*{a}, *{a}]\n" for a, b in zip("abcdefgh", "bcdefghi", strict=True))
    assert "anchors and aliases are not allowed" in findings(make_document(front=bomb))[0]


@pytest.mark.parametrize("body", ["", "# \n", "##", "## Instruction", "\ud800", "\x00## Criteria\n---\n"])
@pytest.mark.parametrize(
    "front", ["", "id", "? [a]: b", "a: b: c", "\ud800: 1", "!!set {a}", "%YAML 9", "---\n...\n--- 1", "\t"]
)
def test_a_broken_document_is_always_a_finding(front: str, body: str) -> None:
    """Nothing but PolicyError is raised, whatever the operator wrote."""
    assert findings(f"---\n{front}\n---\n{body}")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A directory as Kubernetes mounts one: files are links through `..data` into a directory with a date as its name."""
    real = tmp_path / "..2026_01_01"
    real.mkdir()
    for name in ("shouting", "whispering"):
        (real / f"{name}.md").write_text(make_document().replace("id: shouting", f"id: {name}"))
    (real / "README.md").write_text("# No policy\n")
    (tmp_path / "..data").symlink_to(real.name)
    for name in ("shouting.md", "whispering.md", "README.md"):
        (tmp_path / name).symlink_to(f"..data/{name}")
    (tmp_path / ".hidden.md").write_text("no policy")
    (tmp_path / "notes.txt").write_text("no policy")
    (tmp_path / "folder.md").mkdir()
    return tmp_path


def test_a_mounted_directory_is_loaded(folder: Path) -> None:
    """Hidden entries, a README and other files do not count."""
    policies = load_policies([folder])
    assert list(policies) == ["shouting", "whispering"]
    assert policies["shouting"] == load_policy(folder / "shouting.md")


def test_a_file_that_is_named_twice_is_loaded_once(folder: Path) -> None:
    """Naming a directory and a file in it is no conflict."""
    assert list(load_policies([folder / "whispering.md", folder])) == ["whispering", "shouting"]


def test_an_id_in_two_files_names_both(folder: Path) -> None:
    """Which of them counts is never guessed."""
    copy = folder / "z.md"
    copy.write_text(make_document())
    with pytest.raises(PolicyError) as caught:
        load_policies([folder])
    assert str(caught.value) == f"{copy}: the id shouting is taken by {folder / 'shouting.md'}"


def test_the_findings_of_all_files_are_said(folder: Path) -> None:
    """One run shows all there is to mend; nothing is loaded in part."""
    (folder / "a.md").write_bytes(b"---\n\xff\n")
    (folder / "b.md").write_text("no policy")
    (folder / "c.md").write_bytes(b"x" * (MAX_BYTES + 1))
    (folder / "empty").mkdir()
    with pytest.raises(PolicyError) as caught:
        load_policies([folder, folder / "empty", folder / "absent.md"])
    assert [str(place) for place, _ in caught.value.findings] == [
        f"{folder}/a.md:2", f"{folder}/b.md:1:1", f"{folder}/c.md", f"{folder}/empty", f"{folder}/absent.md",
    ]  # fmt: skip
