from __future__ import annotations

import pytest

from stream_guard.events.mapping.scalars import as_time
from stream_guard.events.mapping.sources import Unmapped


@pytest.mark.parametrize(
    ("value", "time"),
    [
        ("2026-11-24T12:00:00Z", "2026-11-24T12:00:00Z"),
        ("2026-11-24t12:00:00z", "2026-11-24T12:00:00Z"),
        ("2026-11-24 12:00:00.250+02:00", "2026-11-24T10:00:00.250000Z"),
        ("2026-11-24T12:00:00.123456789Z", "2026-11-24T12:00:00.123456Z"),
        (1_790_000_000, "2026-09-21T14:13:20Z"),
        (1_790_000_000.5, "2026-09-21T14:13:20.500000Z"),
        (1_790_000_000_250, "2026-09-21T14:13:20.250000Z"),
        (1_790_000_000_250_000, "2026-09-21T14:13:20.250000Z"),
        (1_790_000_000_250_000_000, "2026-09-21T14:13:20.250000Z"),
        ("1790000000", "2026-09-21T14:13:20Z"),
        ("1790000000250", "2026-09-21T14:13:20.250000Z"),
        (0, "1970-01-01T00:00:00Z"),
        (-1, "1969-12-31T23:59:59Z"),
        (99_999_999_999, "5138-11-16T09:46:39Z"),
        (100_000_000_000, "1973-03-03T09:46:40Z"),
        ("1790000000.000100", "2026-09-21T14:13:20.000100Z"),
    ],
)
def test_a_time_is_written_in_utc(value: object, time: str) -> None:
    """RFC 3339 and Unix times in any usual unit, told apart by their size, are one form."""
    assert as_time(value) == time


@pytest.mark.parametrize(
    "value",
    [
        "", "yesterday", "2026-11-24", "2026-11-24T12:00:00", "2026-13-24T12:00:00Z", "12:00:00Z", "0001-01-01T00:00:00+05:00",
        "9" * 4_000, "-5", "1.5.0", ".", "١٢٣", 10**4000, 1e308, -1e308, None, True, [], {},
    ],
)  # fmt: skip
def test_what_is_no_time_is_refused(value: object) -> None:
    """A text without an offset could be any time of a day; nothing is guessed, and nothing else is raised."""
    with pytest.raises(Unmapped, match=r"^finds "):
        as_time(value)
