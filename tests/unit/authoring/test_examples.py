"""How many examples, on which side, and which contradict each other."""

from __future__ import annotations

import pytest

from tests.unit.authoring.documents import found_in

LAST = "  - {content: Forty guests are on their way and nobody knows., expect: N2}\n"


def with_examples(*lines: str) -> tuple[str, str]:
    """The change that adds examples at the end."""
    return LAST, LAST + "".join(f"  - {{{line}}}\n" for line in lines)


def test_few_shown_examples_are_told_of() -> None:
    """Fewer than four."""
    assert found_in((", expect: N4, shown: true", ", expect: N4")) == ["18:1 examples.too_few 3 examples are shown"]


def test_many_shown_examples_are_told_of() -> None:
    """More than six."""
    more = with_examples(*(f"content: {word}, expect: N0, shown: true" for word in ("Goodnight", "Hush", "Shh")))
    assert found_in(more) == ["18:1 examples.too_many 7 examples are shown"]


def test_one_side_alone_is_told_of() -> None:
    """One on a side is hardly any; whoever shows three in all hears of that only."""
    assert found_in(("done by noon., expect: N0", "done by noon., expect: N2, rule: N2.b")) == [
        "18:1 examples.one_sided of 4 shown examples 1 are permitted"
    ]


def test_hidden_examples_are_asked_for() -> None:
    """They test what the model was not told."""
    assert found_in(
        ('turn it down please?", expect: N0', 'turn it down please?", expect: N0, shown: true'),
        ("nobody knows., expect: N2", "nobody knows., expect: N2, shown: true"),
    ) == ["18:1 examples.all_shown every example is shown"]


def test_a_category_that_nothing_tests_is_found() -> None:
    """At its id."""
    assert found_in(("for fun., expect: N4", "for fun., expect: N2")) == [
        "16:10 category.no_example no example falls in N4"
    ]


def test_a_long_shown_example_is_told_of() -> None:
    """More than eighty tokens, all turns of a chat together; hidden ones may be long."""
    assert found_in(with_examples(f"content: {'la ' * 81}, expect: N2, shown: true")) == [
        "25:5 examples.long a shown example of 81 tokens"
    ]
    assert found_in(with_examples(f"content: {'la ' * 81}, expect: N2")) == []


@pytest.mark.parametrize("content", ["I practise with headphones on.", "'i PRACTISE  with headphones on!!'"])
def test_one_content_in_two_categories_is_a_contradiction(content: str) -> None:
    """Whatever its case, spaces and marks."""
    assert found_in(with_examples(f"content: {content}, expect: N2")) == [
        "25:5 contradiction.examples the content of example 1, which expects N0, expects N2 here"
    ]


def test_one_content_twice_in_a_category_is_one_too_many() -> None:
    """It teaches nothing."""
    assert found_in(with_examples("content: I practise with headphones on., expect: N0")) == [
        "25:5 examples.repeated says the same as example 1"
    ]


def test_contents_of_marks_alone_are_compared_too() -> None:
    """They have no words."""
    assert found_in(
        with_examples("content: '!!!', expect: N2", "content: '???', expect: N0", "content: '!!!', expect: N0")
    ) == ["27:5 contradiction.examples the content of example 7, which expects N2, expects N0 here"]


def test_nearly_one_content_in_two_categories_is_told_of() -> None:
    """Good pairs, if a rule says what parts them."""
    assert found_in(with_examples("content: We bake at ten and will be done by midnight., expect: N2")) == [
        "25:5 examples.similar differs little from example 3, and falls in N2 instead of N0"
    ]
