"""Who coordinates a group follows from its name."""

from __future__ import annotations

import pytest

from tests.faults.brokers import java_hash


@pytest.mark.parametrize(("text", "found"), [("", 0), ("hello", 99162322), ("polygenelubricants", 0)])
def test_a_name_is_hashed_as_the_broker_does_it(text: str, found: int) -> None:
    """Values of Java's `String.hashCode`, without the sign; the least of all has none, and counts as 0."""
    assert java_hash(text) == found
