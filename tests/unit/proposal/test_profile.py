from __future__ import annotations

from typing import Any

from stream_guard.proposal.looks import Look
from stream_guard.proposal.paths import EVERY
from stream_guard.proposal.profile import MAX_DEPTH, profile


def test_a_profile_counts_what_holds_something() -> None:
    """Null and blank are not something; elements of an array count once for their document."""
    found = profile([{"a": "x", "b": None}, {"a": " ", "b": [1, 2]}, {"a": "yy"}])
    assert (found.documents, found.fields["a",].documents, found.fields["b",].documents) == (3, 2, 1)
    assert found.share(found.fields["a",]) == 2 / 3
    assert found.fields["b", EVERY].filled == 2
    assert found.fields["a",].looks == {Look.WORD: 2, Look.BLANK: 1}
    assert (found.fields["a",].lengths, found.fields["a",].length) == ([1, 2], 1)


def test_an_empty_sample_has_a_profile() -> None:
    """Nothing is divided by nothing."""
    found = profile([])
    assert (found.documents, found.fields) == (0, {})
    field = profile([{"a": None}]).fields["a",]
    assert (field.distinct, field.portion(Look.TEXT), field.length, field.scalar) == (0, 0, 0, False)


def test_values_are_told_apart_and_kept_out_of_reprs() -> None:
    """Long ones by their hash: nobody needs them twice."""
    long = "a sentence that is much longer than what is kept as it is, and that nobody should see"
    field = profile([{"a": long}, {"a": long}, {"a": "short"}]).fields["a",]
    assert field.distinct == 2 / 3
    assert long not in field.values
    assert "short" not in repr(field)


def test_the_cost_of_a_document_is_bounded() -> None:
    """Of a huge document the first values are looked at; nothing deeper than the limit; ids as keys don't fill memory."""
    deep: Any = "bottom"
    for _ in range(200):
        deep = {"down": deep}
    huge = {"many": [{"n": n} for n in range(10_000)], "deep": deep, "wide": {f"id-{n}": "x" for n in range(50_000)}}
    found = profile([huge, {f"other-{n}": n for n in range(3_000)}])
    assert len(found.fields) <= 1_000
    assert max(len(path) for path in found.fields) <= MAX_DEPTH
    assert found.fields["many", EVERY].filled == 20
