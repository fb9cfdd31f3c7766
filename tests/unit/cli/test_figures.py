from __future__ import annotations

from math import inf

import pytest

from stream_guard.cli.figures import amount, count, duration, printable, share, sparkline


@pytest.mark.parametrize(
    ("number", "shown"),
    [
        (None, "-"), (0, "0"), (0.004, "<0.01"), (0.12, "0.12"), (0.994, "0.99"), (0.996, "1.0"), (4.13, "4.1"), (41.0, "41.0"),
        (99.94, "99.9"), (99.96, "100"), (412.4, "412"), (999.4, "999"), (999.6, "1.0k"), (12_400, "12.4k"), (123_400, "123k"),
        (999_600, "1.0M"), (3.2e9, "3.2G"), (5e12, "5.0T"),
    ],
)  # fmt: skip
def test_an_amount_has_three_digits_at_most(number: float | None, shown: str) -> None:
    """However large, it fits its column."""
    assert amount(number) == shown


@pytest.mark.parametrize(
    ("number", "shown"), [(None, "-"), (0, "0"), (1204, "1,204"), (999_999, "999,999"), (1e6, "1.0M")]
)
def test_a_count_is_whole(number: float | None, shown: str) -> None:
    """Up to a million to the last one."""
    assert count(number) == shown


@pytest.mark.parametrize(
    ("part", "whole", "shown"),
    [(0, 10, "0%"), (0.01, 10, "<1%"), (7.1, 10, "71%"), (9.99, 10, "99%"), (10, 10, "100%"), (0, 0, "-"), (None, 1, "-"), (1, None, "-")],
)  # fmt: skip
def test_a_share_is_neither_nothing_nor_all_by_rounding(part: float | None, whole: float | None, shown: str) -> None:
    """One block in a thousand is not 0 %."""
    assert share(part, whole) == shown


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [
        (None, "-"), (0, "0 s"), (0.0004, "0.4 ms"), (0.00996, "10 ms"), (0.41, "410 ms"), (0.9996, "1.0 s"), (1.24, "1.2 s"),
        (9.96, "10 s"), (61, "1 min 1 s"), (7380, "2 h 3 min"), (inf, "> 1 h"),
    ],
)  # fmt: skip
def test_a_duration_is_told_in_the_unit_it_is_of(seconds: float | None, shown: str) -> None:
    """From a broker's round trip to a process of days."""
    assert duration(seconds) == shown


@pytest.mark.parametrize(
    ("values", "width", "line"),
    [
        ([0, 1, 2, 4, 8], 5, "▁▁▂▄█"), ([1, 8, 8], 2, "██"), ([None, 8], 5, " █"), ([0, 0], 5, "▁▁"), ([], 5, ""), ([None], 3, " "),
        ([1, 2], 0, ""), ([1, 2], -3, ""),
    ],
)  # fmt: skip
def test_a_line_of_bars_shows_the_last_values(values: list[float | None], width: int, line: str) -> None:
    """The greatest is highest, what is not known is blank."""
    assert sparkline(values, width) == line


def test_what_others_wrote_can_move_no_cursor() -> None:
    """A name is on one line, and without control characters."""
    assert printable("a\x1b[2J\nb\u202e") == "a?[2J?b?"
