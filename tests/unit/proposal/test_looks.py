from __future__ import annotations

import pytest

from stream_guard.proposal.looks import Look, is_epoch, is_language, look


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("See you at the station at nine.", Look.TEXT),
        ("gg!", Look.TEXT),
        ("今日は良い天気", Look.TEXT),
        ("สวัสดีครับ", Look.TEXT),
        ("안녕하세요", Look.TEXT),
        ("gg", Look.WORD),
        ("Hahahahahahahahahahaha", Look.WORD),
        ("12 34 56 -- 7", Look.WORD),
        ("42", Look.NUMBER),
        (-1.5, Look.NUMBER),
        ("1790000000", Look.EPOCH),
        ("1790000000.000100", Look.EPOCH),
        (1_790_000_000_000, Look.EPOCH),
        ("2026-03-01", Look.TIME),
        ("2026-03-01T10:00:00.123Z", Look.TIME),
        ("2026/03/01 10:00 UTC", Look.TIME),
        ("0190b6f0-7a3c-7def-8a11-0123456789ab", Look.UUID),
        ("https://forum.example/t/1?x=y", Look.URL),
        ("www.forum.example/t/1", Look.URL),
        ("ana@forum.example", Look.EMAIL),
        ("bGV0J3MgcHJldGVuZA0123456789==", Look.TOKEN),
        ('{"text": "hello"}', Look.ENCODED),
        ("[1, 2, 3]", Look.ENCODED),
        ("[not JSON at all", Look.TEXT),
        ('{"text": "' + "so long " * 400 + '"}', Look.ENCODED),
        (True, Look.BOOLEAN),
        ("  \n", Look.BLANK),
        (None, Look.BLANK),
        ({}, Look.OBJECT),
        ([1], Look.ARRAY),
    ],
)
def test_a_value_looks_like_something(value: object, expected: Look) -> None:
    """What a person would say of it at a glance."""
    assert look(value) is expected


def test_epochs_are_times_of_this_century() -> None:
    """In seconds, milli-, micro- and nanoseconds."""
    assert all(is_epoch(1_790_000_000 * unit) for unit in (1, 10**3, 10**6, 10**9))
    assert not any(is_epoch(number) for number in (0, 4_000_000, -1_790_000_000, 10**21, float("inf"), float("nan")))


def test_language_tags_are_short() -> None:
    """As `en`, `pt-BR` or `zh_Hant_TW`."""
    assert all(map(is_language, ("en", "pt-BR", "zh_Hant_TW")))
    assert not any(map(is_language, ("english", "", 7, None, "e", "en US")))
