from __future__ import annotations

import re

import pytest

from stream_guard.config.patterns import compile_pattern


@pytest.mark.parametrize(
    "pattern",
    [
        r"chat\..*",
        "a+b*c?",
        "(?:foo|bar)-x",
        "(ab)+",
        "(a|b)?",
        r"(a+){3}",
        r"[)(+|]*",
        r"(\)\+)*",
        "(?i:free)",
        r"((ab)c)*",
    ],
)
def test_a_pattern_that_can_not_explode_compiles(pattern: str) -> None:
    """Classes, escapes and a few repetitions are no danger."""
    assert compile_pattern(pattern) == re.compile(pattern)


@pytest.mark.parametrize(
    "pattern",
    [
        "(a+)+",
        "(a*)*",
        "((a+))+",
        "(a|a)*",
        "(?:a|ab)+c",
        "(a+b)*",
        "(x(a|b)y)+",
        "(a{2,})+",
        "(?P<n>a+)+",
        r"([ab]+){2,}",
        "(a*){20}b",
        "(?:a|aa){2,22}c",
        "(a+){,9}",
    ],
)
def test_a_pattern_that_can_explode_is_refused(pattern: str) -> None:
    """Anybody can send the text that a pattern runs on."""
    with pytest.raises(ValueError, match="exponential"):
        compile_pattern(pattern)


def test_what_is_no_text_is_left_to_the_type() -> None:
    """A compiled pattern passes."""
    compiled = re.compile("a")
    assert compile_pattern(compiled) is compiled
