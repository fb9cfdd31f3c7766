from __future__ import annotations

import re

import pytest

from stream_guard.kafka.cluster.topics import Selection

TOPICS = ("chat.a", "chat.b", "chat.verdicts", "prechat.a", "__consumer_offsets")


@pytest.mark.parametrize(
    ("selection", "expected"),
    [
        (Selection(), ()),
        (Selection(names=("b", "a", "a")), ("a", "b")),
        (Selection(patterns=(re.compile(r"chat\..*"),)), ("chat.a", "chat.b", "chat.verdicts")),
        (Selection(patterns=(re.compile(r"chat\..*"),), own=frozenset({"chat.verdicts"})), ("chat.a", "chat.b")),
        (Selection(patterns=(re.compile(r".*"),), own=frozenset({"chat.verdicts"})), ("chat.a", "chat.b", "prechat.a")),
        (
            Selection(patterns=(re.compile(r"chat\..*"),), redrive="chat.again"),
            ("chat.a", "chat.again", "chat.b", "chat.verdicts"),
        ),
        (
            Selection(patterns=(re.compile(r".*"),), redrive="chat.a"),
            ("chat.a", "chat.b", "chat.verdicts", "prechat.a"),
        ),
        (
            Selection(patterns=(re.compile(r".*"),), redrive="chat.a", escalation="chat.again"),
            ("chat.a", "chat.again", "chat.b", "chat.verdicts", "prechat.a"),
        ),
        (Selection(names=("chat.verdicts",), own=frozenset({"chat.verdicts"})), ("chat.verdicts",)),
        (
            Selection(names=("chat.a",), patterns=(re.compile("chat.a"), re.compile("prechat.*"))),
            ("chat.a", "prechat.a"),
        ),
    ],
)
def test_what_is_selected(selection: Selection, expected: tuple[str, ...]) -> None:
    """Names count as they are; patterns match whole names, never our own topics nor Kafka's internal ones."""
    assert selection.among(TOPICS) == expected
