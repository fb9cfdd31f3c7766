from __future__ import annotations

from math import inf, nan

import pytest

from stream_guard.telemetry.exposition import read_page
from stream_guard.telemetry.names import LAG, RECORDS, STAGE_DURATION
from tests.watched import make_busy, make_page


def test_what_a_service_writes_is_read() -> None:
    """Counters, gauges and histograms, by name and labels."""
    page = make_page(make_busy(10))
    assert page.ours
    assert sum(page.of(RECORDS.prometheus).values()) == 13
    assert page.of(LAG.prometheus)[("partition", "1"), ("topic", "chat.in")] == 4.25
    assert page.of(f"{STAGE_DURATION.prometheus}_bucket")[("le", "+Inf"), ("stage", "total")] == 10
    assert page.of("stream_guard_unheard_of") == {}


@pytest.mark.parametrize("value", [str(nan), "+Inf", "-Inf", str(inf)])
def test_what_is_no_number_is_left_out(value: str) -> None:
    """It was never measured."""
    page = read_page(f"stream_guard_a {value}\nstream_guard_b 1\n")
    assert page is not None
    assert (page.of("stream_guard_a"), page.of("stream_guard_b")) == ({}, {(): 1.0})


@pytest.mark.parametrize(
    "text",
    [
        "what is this\n",
        '{"status": "ok"}',
        'stream_guard_a{x="1} 2\n',
        'stream_guard_a{x="1",x="2"} 2\n',
        'stream_guard_a{="1"} 2\n',
        "stream_guard_a one\n",
        "stream_guard_a{" + 'x="1",' * 5000 + "} 1\n",
        "\x00\x01\x02 1 2 3 4",
    ],
)
def test_what_is_no_page_of_metrics_is_none(text: str) -> None:
    """Never an error, and never half a page."""
    assert read_page(text) is None


def test_metrics_of_others_are_not_ours() -> None:
    """Any exporter has a page of metrics."""
    page = read_page("node_load1 0.5\n")
    assert page is not None
    assert not page.ours
