"""The redrive topic is a topic of its own."""

from __future__ import annotations

from typing import Any

import pytest

from stream_guard.attaching import selection
from stream_guard.config.checks import contradictions
from tests.inspections import make_route, make_settings


def wrong(*routes: Any, topic: str) -> list[tuple[object, str]]:
    """What is wrong with a configuration that redrives by this topic."""
    return [
        (where, why)
        for where, why in contradictions(make_settings(*routes, redrive={"topic": topic}))
        if "redrive" in where
    ]


@pytest.mark.parametrize(
    ("topic", "why"),
    [("in", "is what route chat reads"), ("letters", "holds dead_letters"), ("verdicts", "holds verdicts")],
)
def test_it_is_neither_read_nor_written_by_a_route(topic: str, why: str) -> None:
    """What is redriven would be judged as an event, or what is published be taken for redriven."""
    found = wrong(topic=topic)
    assert [where for where, _ in found] == [("redrive", "topic")]
    assert why in found[0][1]


def test_a_pattern_may_match_it() -> None:
    """It is passed over at run time, as our outputs are."""
    assert wrong(make_route(pattern=".*"), topic="again") == []
    chosen = selection(make_settings(make_route(pattern=".*"), redrive={"topic": "again"}))
    assert chosen.among(["in", "again", "letters"]) == ("again", "in")
    assert chosen.redrive == "again"


def test_there_need_not_be_any() -> None:
    """Then nothing can be redriven."""
    assert selection(make_settings()).redrive is None
