"""Rules that name nothing or two things, contradict each other, or are missing."""

from __future__ import annotations

import pytest

from tests.unit.authoring.documents import found_in

UNCLEAR = "Where it is unclear who heard it, choose N2."


@pytest.mark.parametrize(
    ("change", "found"),
    [
        (("choose N2.", "choose N3."), "44:61 reference.unknown Criteria names N3, which is nothing here"),
        (("N0 goes", "N2.c goes"), "44:1 reference.unknown Criteria names N2.c, which is nothing here"),
        (("tells of noise.", "is N2 or N5."), "28:37 reference.unknown Instruction names N5, which is nothing here"),
        (
            ("Music that", "Unlike N9, music that"),
            "14:13 reference.unknown the rule N2.a names N9, which is nothing here",
        ),
    ],
)
def test_an_id_that_names_nothing_is_found(change: tuple[str, str], found: str) -> None:
    """Categories, declared rules and rules of the text are something."""
    assert found_in(change) == [found]


@pytest.mark.parametrize("word", ["U18", "MP3", "N-2", "XN2", "n9", "N2.", "1N3"])
def test_other_words_with_digits_are_no_ids(word: str) -> None:
    """Only what begins as the policy's own do."""
    assert found_in(("Whatever the", f"Whatever {word} the")) == []


def test_a_category_without_a_word_is_found() -> None:
    """Unless its id is never shown: in the binary form the rules need not name it."""
    rules = "N4, alarm:\n- N4.a A false alarm.\n\n"
    assert found_in((rules, "")) == ["16:10 category.unmentioned no rule says what falls in N4"]


def test_a_term_that_nothing_uses_is_found() -> None:
    """Told by the beginning of its words; a title or another definition may use it."""
    assert found_in(("more than six guests.", "more than six guests.\n- **Night time**: from ten to six.")) == [
        "34:5 definition.unused the term Night time is defined and never used"
    ]
    assert (
        found_in(("more than six guests.", "more than six guests.\n- Alarms: signals.\n- **Guest**: not a neighbour."))
        == []
    )


def test_an_id_that_stands_twice_is_found() -> None:
    """In the text, or in the text and in the front matter."""
    assert found_in(("- Requests to be quiet.", "- N0.a Requests to be quiet.\n- N2.a Singing.")) == [
        "39:3 rules.duplicate_id N0.a names a rule already, at line 38",
        "40:3 rules.duplicate_id N2.a names a rule already, in the front matter",
    ]


def test_the_same_words_under_two_headings_contradict_each_other() -> None:
    """Where one permits and the other forbids; whatever the case and marks."""
    assert found_in(("- Requests to be quiet.", "- Requests to be quiet.\n- A false   ALARM!")) == [
        "43:3 contradiction.allow_and_forbid the same is permitted by N0 and violates by N4"
    ]
    assert found_in(("- Requests to be quiet.", "- Music, that the neighbours hear")) == [
        "39:3 contradiction.allow_and_forbid the same is permitted by N0 and violates by N2"
    ]


def test_the_same_words_twice_on_one_side_are_no_contradiction() -> None:
    """Only one too many."""
    assert found_in(("A false alarm.", "Music that the neighbours hear.")) == [
        "42:3 rules.repeated says the same as N2.a"
    ]


def test_rules_that_verdicts_cite_are_declared() -> None:
    """Advised where none is and the form of the answer cites them."""
    rules = "    rules:\n      N2.a: Music that the neighbours hear.\n      N2.b: A party that was not announced.\n"
    bare = [(rules, ""), (", rule: N2.a", ""), ("N4, alarm:", "N2, loud:\n- N2.a A party.\n\nN4, alarm:")]
    assert found_in(*bare, ("output: category", "output: rationale")) == [
        "35:3 rules.undeclared N0.a and the other rules are not declared: a verdict may cite what is none of them"
    ]
    assert found_in(*bare) == []
    assert found_in(("output: category", "output: rationale")) == []


@pytest.mark.parametrize(
    "way", ["When in doubt, choose N2.", "Borderline noise: N2.", "Escalate to N2.", "N2 if you can't tell."]
)
def test_a_way_out_may_have_many_words(way: str) -> None:
    """Any of them will do; none is a warning."""
    assert found_in((UNCLEAR, way)) == []
    assert found_in((UNCLEAR, "")) == ["37:1 ambiguity.missing nothing says what to do where it is unclear"]


@pytest.mark.parametrize(
    "way",
    ["Where two fit, choose the graver one.", "N0 takes precedence.", "N2 overrides N0.", "The highest number counts."],
)
def test_precedence_may_have_many_words(way: str) -> None:
    """Any of them will do; none is a warning."""
    assert found_in(("N0 goes before N2.", way)) == []
    assert found_in(("N0 goes before N2. ", "")) == [
        "37:1 precedence.missing nothing says which rule counts where two apply"
    ]


def test_a_graver_category_that_does_less_is_found() -> None:
    """At its decision."""
    assert found_in(
        ("severity: 2\n    decision: flag", "severity: 2\n    decision: block"),
        ("decision: block}", "decision: review}"),
    ) == ["16:51 severity.milder N4 is graver than N2, and asks for review instead of block"]
