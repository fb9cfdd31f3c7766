"""What Kafka gave us."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from stream_guard.records import moment


@pytest.mark.parametrize(
    ("timestamp_ms", "year"), [(1_790_000_000_000, 2026), (1_790_000_000_000_000, 9999), (-5, 1970), (2**63 - 1, 9999)]
)
def test_any_timestamp_is_a_moment(timestamp_ms: int, year: int) -> None:
    """A producer may write any number; nothing that shows it may end by it."""
    assert moment(timestamp_ms).year == year
    assert moment(timestamp_ms).astimezone() <= datetime.max.replace(tzinfo=UTC)
