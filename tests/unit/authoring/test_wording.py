"""Single words and phrases: each with the place of its first letter."""

from __future__ import annotations

import pytest

from tests.unit.authoring.documents import found_in

ANSWER = ("Decide whether the content tells of noise.", "Decide whether the content tells of noise.\n{}")


@pytest.mark.parametrize(
    "word",
    ["generally", "Usually", "often", "typically", "might", "may be", "sometimes", "etc", "and so on", "in most cases",
     "where appropriate", "case by case", "use your judgment", "use common sense"],
)  # fmt: skip
def test_a_word_that_leaves_it_open_is_found(word: str) -> None:
    """In any case, with what it is."""
    (found,) = found_in(("Whatever the neighbours can't hear.", f"Whatever, {word}, the neighbours can't hear."))
    assert found == f"38:18 wording.vague Criteria says “{word.casefold()}”, which leaves it open"


@pytest.mark.parametrize(
    "harmless", ["softened", '"usually"', "“often”", "„etc“", "mightily", "maybeetle", "a May bell"]
)
def test_other_words_are_not(harmless: str) -> None:
    """Nor what is quoted: others say it."""
    assert found_in(("Whatever the neighbours", f"Whatever {harmless} the neighbours")) == []


def test_every_hit_is_found() -> None:
    """In definitions, rules of the front matter and titles too; there, at the beginning of their text."""
    assert found_in(
        ("people who live in the house.", "people who often live\n  in the house, generally."),
        ("Music that", "Music that usually"),
        ("title: loud", "title: probably loud"),
    ) == [
        "10:12 wording.vague the title of N2 says “probably”, which leaves it open",
        "14:13 wording.vague the rule N2.a says “usually”, which leaves it open",
        "32:30 wording.vague Definitions says “often”, which leaves it open",
        "33:17 wording.vague Definitions says “generally”, which leaves it open",
    ]


@pytest.mark.parametrize(
    ("line", "column"),
    [
        ("Answer with 0 or 1.", 1),
        ("- Respond only in one word.", 3),
        ("Be strict. Return the label.", 12),
        ("Output: VALID", 1),
        ("Say so in JSON.", 11),
        ("Set `policy_category` to N2.", 6),
        ("What is loud is INVALID.", 17),
    ],
)
def test_a_second_form_of_the_answer_is_found(line: str, column: int) -> None:
    """Where it begins."""
    assert found_in((ANSWER[0], ANSWER[1].format(line))) == [
        f"29:{column} answer.restated Instruction says how to answer"
    ]


@pytest.mark.parametrize(
    "line",
    ["They reply with a threat.", "An answer only a neighbour knows.", "A valid complaint.", 'Says "answer with 0".'],
)
def test_contents_that_answer_are_no_form_of_it(line: str) -> None:
    """Rules may speak of replies."""
    assert found_in((ANSWER[0], ANSWER[1].format(line))) == []


def test_what_is_left_to_do_is_found() -> None:
    """In the text, in rules, and in who owns the policy; not in comments."""
    assert found_in(
        ("owner: house-rules", "owner: TODO  # FIXME"),
        ("more than six guests.", "TBD"),
        ("A party that was", "A party TODO was"),
    ) == [
        "4:8 document.todo owner is left to decide",
        "15:13 document.todo the rule N2.b holds a TODO",
        "33:14 document.todo Definitions holds a TBD",
    ]
