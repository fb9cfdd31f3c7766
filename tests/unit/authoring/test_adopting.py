"""Documents of ours, made of those of a pack."""

from __future__ import annotations

from pathlib import Path

import pytest

from stream_guard.authoring.adopting import adopt
from stream_guard.errors import PolicyError
from stream_guard.policy.document import Decision, Example
from stream_guard.policy.labelled import labelled_sets
from stream_guard.policy.load import parse_draft, parse_policy
from tests.unit.authoring.packs import decide, make_pack, put


@pytest.fixture
def pack(tmp_path: Path) -> Path:
    """A pack of one policy."""
    return make_pack(tmp_path / "pack")


def test_what_the_pack_does_not_say_is_left_to_the_author(pack: Path) -> None:
    """It is listed, and keeps the policy from loading, each with its place."""
    (adopted,) = adopt([pack])
    assert (adopted.id, adopted.source) == ("loud-evenings", pack / "example_policies" / "loud-evenings" / "policy.md")
    assert adopted.undecided == (
        "owner", "severity and decision of LE1", "severity and decision of LE2", "severity and decision of LE3", "yes_means",
    )  # fmt: skip
    findings = [what for _, what in parse_draft(adopted.text, "p.md").findings]
    assert [what.partition(":")[0] for what in findings] == [
        f"categories[{number}].{field}" for number in (1, 2, 3) for field in ("severity", "decision")
    ]


def test_what_the_pack_says_is_in_the_policy(pack: Path) -> None:
    """Once its author has decided the rest."""
    (adopted,) = adopt([pack])
    policy = parse_policy(decide(adopted.text), "p.md")
    assert (policy.title, policy.permitted.id, policy.permitted.decision) == (
        "Loud Evenings Policy",
        "LE0",
        Decision.ALLOW,
    )
    assert [(category.id, len(category.rules)) for category in policy.categories] == [
        ("LE0", 2),
        ("LE1", 1),
        ("LE2", 0),
        ("LE3", 0),
    ]
    assert policy.permitted.rules[0].text == 'Reading: "I read until ten."; "Ten pages: a quiet evening."'
    assert policy.examples[0] == Example("I read, alone: it was quiet.", "LE0", shown=True)
    assert policy.criteria.startswith("LE0: Content that nobody else hears.\n\nLE1: ")
    assert policy.criteria.endswith("### Tone\nJokes count as said.\n\n- If it is unclear, treat it as `LE1`.")


def test_the_packs_labelled_contents_are_the_policys(pack: Path) -> None:
    """They are found beside the documents, and their labels are its categories."""
    (adopted,) = adopt([pack])
    assert adopted.labelled == pack / "datasets" / "loud-evenings.csv"
    policy = parse_policy(decide(adopted.text), "p.md")
    rows = labelled_sets([pack], [policy])["loud-evenings"].under(policy)
    assert [(line, example.expect) for line, example in rows] == [(3, "LE0"), (3, "LE0"), (4, "LE1")]


def test_a_text_of_any_kind_becomes_a_document(tmp_path: Path) -> None:
    """What it lacks is to be written."""
    put(tmp_path / "Some Rules!.md", "Be kind.\n# Kindness: a policy\n## Other\n# A heading\n")
    (adopted,) = adopt([tmp_path / "Some Rules!.md"])
    assert adopted.id == "some-rules"
    assert adopted.undecided == ("owner", "the categories", "the examples", "the section Definitions")
    assert "title: 'Kindness: a policy'\n" in adopted.text
    assert "\n### A heading\n" in adopted.text
    assert adopted.labelled is None


def test_a_document_of_ours_is_not_made_again(pack: Path) -> None:
    """It loads as it is."""
    (adopted,) = adopt([pack])
    put(pack / "example_policies" / "own" / "policy.md", adopted.text)
    with pytest.raises(PolicyError, match=r"own/policy\.md:1:1: has front matter already"):
        adopt([pack])


def test_all_that_can_not_be_adopted_is_said(pack: Path) -> None:
    """Two of one name, what is missing, what is no text."""
    put(pack / "other" / "Loud Evenings" / "policy.md", "# Another\n")
    (pack / "bytes.md").write_bytes(b"\xff")
    with pytest.raises(PolicyError) as caught:
        adopt([pack, pack / "absent.md"])
    assert [what for _, what in caught.value.findings] == [
        "is not UTF-8",
        f"the id loud-evenings is taken by {pack / 'example_policies' / 'loud-evenings' / 'policy.md'}",
        "can't be read: No such file or directory",
    ]
