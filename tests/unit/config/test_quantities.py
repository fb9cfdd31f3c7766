from __future__ import annotations

import pytest

from stream_guard.config.quantities import parse_duration, parse_size


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("0", 0),
        ("512", 512),
        ("1kB", 1000),
        ("1KiB", 1024),
        ("64MiB", 67_108_864),
        ("1.5 gb", 1_500_000_000),
        (" 2TiB ", 2 * 2**40),
    ],
)
def test_a_size_reads_as_bytes(text: str, size: int) -> None:
    """Decimal and binary units are told apart."""
    assert parse_size(text) == size


@pytest.mark.parametrize("text", ["", "MiB", "-1", "1 furlong", "1e3", "1,5kB"])
def test_what_is_no_size_is_refused(text: str) -> None:
    """The error says what to write."""
    with pytest.raises(ValueError, match="not a size"):
        parse_size(text)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("8", 8.0), ("8s", 8.0), ("500ms", 0.5), ("1h30m", 5400.0), ("1h 30m", 5400.0), ("1.5d", 129_600.0)],
)
def test_a_duration_reads_as_seconds(text: str, seconds: float) -> None:
    """Units can be joined."""
    assert parse_duration(text) == pytest.approx(seconds)


@pytest.mark.parametrize("text", ["", "s", "-1s", "1y", "1h30", "soon"])
def test_what_is_no_duration_is_refused(text: str) -> None:
    """The error says what to write."""
    with pytest.raises(ValueError, match="not a duration"):
        parse_duration(text)


@pytest.mark.parametrize("value", [5, 0.5, None, [1]])
def test_what_is_no_text_is_left_to_the_type(value: object) -> None:
    """Numbers pass; the field's own type refuses the rest."""
    assert parse_size(value) is value
    assert parse_duration(value) is value
