"""A policy of a pack, read for what it says of categories."""

from __future__ import annotations

import timeit
from time import process_time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream_guard.authoring.foreign import ForeignExample, read_foreign
from tests.unit.authoring.packs import DOCUMENT


def test_categories_have_the_titles_of_the_label_format() -> None:
    """Else those of their headings; one that only the label format names is one too, and comes last."""
    found = read_foreign(DOCUMENT)
    assert [(each.id, each.title) for each in found.categories] == [
        ("LE0", "Quiet, or quiet enough"), ("LE1", "Music: all of it"), ("LE2", "Parties"), ("LE3", "Fireworks"),
    ]  # fmt: skip
    assert found.title == "Loud Evenings Policy"


def test_what_a_category_permits_is_known_where_it_is_said() -> None:
    """Valid is permitted, invalid is not; of the others nothing is known."""
    assert [each.permitted for each in read_foreign(DOCUMENT).categories] == [True, False, None, None]


def test_rules_are_those_with_an_id_below_the_categorys() -> None:
    """Word by word, quotations included."""
    quiet, music, *_ = read_foreign(DOCUMENT).categories
    assert quiet.rules == {
        "LE0.a": 'Reading: "I read until ten."; "Ten pages: a quiet evening."',
        "LE0.b": "Planning, with a comma",
    }
    assert music.rules == {"LE1.a": 'Drums: "The street heard my drums."'}


def test_examples_are_taken_from_the_label_format() -> None:
    """Those with an arrow to their label."""
    assert read_foreign(DOCUMENT).examples == (
        ForeignExample("I read, alone: it was quiet.", "LE0"), ForeignExample("Drums until eleven", "LE1"),
    )  # fmt: skip


def test_nothing_else_is_lost() -> None:
    """What no rule understands stays among the texts; how to answer is the one thing that is left out."""
    found = read_foreign(DOCUMENT)
    assert found.instruction == "Find what is loud in the evening. Classify each example as `VALID` or `INVALID`."
    assert found.definitions == "- Evening: from eight to midnight."
    assert [each.text for each in found.categories] == [
        "Content that nobody else hears.",
        "Content that neighbours hear.",
        "### When\nAfter eight.",
        "",
    ]
    assert found.criteria == ("### Tone\nJokes count as said.", "- If it is unclear, treat it as `LE1`.")


@pytest.mark.parametrize("text", ["", "# Only a title", "Just a text.\n\nOf two paragraphs.", "## Heading alone\n"])
def test_a_document_of_another_kind_is_kept_as_it_is(text: str) -> None:
    """Without categories or examples."""
    found = read_foreign(text)
    assert (found.categories, found.examples) == ((), ())
    assert found.instruction == ("" if text.startswith(("#", "##")) else text)


@given(
    st.lists(
        st.sampled_from([*DOCUMENT.split("\n"), "## (A1)", "- A1.a", "Output: VALID", "- `A1`:", '- "x" -> A1', "\r"])
    )
)
def test_whatever_others_wrote_is_read(lines: list[str]) -> None:
    """Nothing is raised."""
    read_foreign("\n".join(lines))


@pytest.mark.parametrize("begins", ["# a", "## a", "## a (A1 - "])
def test_a_hostile_heading_takes_no_longer_than_its_length(begins: str) -> None:
    """Ten times the blanks take about ten times as long, not a hundred times."""

    def seconds(blanks: int) -> float:
        return min(
            timeit.repeat(lambda: read_foreign(f"{begins}{' ' * blanks}x"), timer=process_time, number=1, repeat=3)
        )

    assert seconds(60_000) < 45 * max(seconds(6_000), 1e-4)
