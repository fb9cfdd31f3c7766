from __future__ import annotations

import pytest

from stream_guard.checkup.words import counted, listed, span


def test_counts_agree_with_their_noun() -> None:
    """One policy, two policies, thousands with a comma."""
    assert [counted(1, "policy"), counted(0, "policy"), counted(2000, "record")] == [
        "1 policy",
        "0 policies",
        "2,000 records",
    ]


def test_long_lists_are_cut() -> None:
    """One name too many is still shown rather than counted."""
    assert listed({"b", "a"}) == "a, b"
    assert listed(["d", "c", "b", "a"]) == "a, b, c, d"
    assert listed(["e", "d", "c", "b", "a"]) == "a, b, c and 2 more"


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (0, "0 s"),
        (4.25, "4.2 s"),
        (6, "6 s"),
        (60, "1 min"),
        (59.7, "1 min"),
        (3_700, "1 h 1 min"),
        (604_800, "7 d"),
        (90_000, "1 d 1 h"),
    ],
)
def test_a_time_has_two_units_at_most(seconds: float, said: str) -> None:
    """As a person says it."""
    assert span(seconds) == said
