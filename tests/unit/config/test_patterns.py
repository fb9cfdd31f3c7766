from __future__ import annotations

import re

import pytest

from stream_guard.config.patterns import MAX_PATTERN, compile_linear, compile_pattern
from stream_guard.events.linear import LinearPattern


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


@pytest.mark.parametrize(
    ("pattern", "text", "holds"),
    [
        ("free.*", "free trial", True),
        ("free", "free trial", False),
        ("a|b", "ab", False),
        ("(?i)FREE", "free", True),
        (r"(?P<year>\d{4})-\d\d", "2026-01", True),
        (r"\w+", "größe", True),
        (".*", "two\nlines", False),
        ("a$", "a\n", False),
    ],
)
def test_a_linear_pattern_matches_a_whole_text(pattern: str, text: str, holds: bool) -> None:
    """As the other kind does, but for `$`, which is the very end here."""
    assert LinearPattern(pattern).fullmatch(text) is holds


@pytest.mark.timeout(60)
@pytest.mark.parametrize(
    "pattern", ["(a+)+b", "(a|aa)*b", ".*a.*a.*a.*a.*b", "(a*)*(a*)*b", "a*a*a*a*a*a*b", "(?:a?){100}a{100}b"]
)
def test_no_text_makes_a_linear_pattern_slow(pattern: str) -> None:
    """A megabyte that nearly matches: an engine that goes back would be at it for years, or at best for days."""
    assert not LinearPattern(pattern).fullmatch("a" * 1_000_000)


@pytest.mark.parametrize(
    ("pattern", "why"),
    [
        ("a(?=b)", "linear time: look-around"),
        (r"(a)\1", "linear time: backreferences"),
        ("(a", "not a regular expression: missing ), unterminated subpattern at position 0"),
        ("a)|(b", "not a regular expression: unbalanced parenthesis"),
        ("(?:a{1000}){1000}", "linear time"),
        ("a" * (MAX_PATTERN + 1), "at most 256 characters"),
    ],
)
def test_what_can_not_be_matched_in_linear_time_is_refused(pattern: str, why: str) -> None:
    """With the reason, before any record is read."""
    with pytest.raises(ValueError, match=re.escape(why)):
        compile_linear(pattern)


def test_linear_patterns_are_what_they_are_written_as() -> None:
    """Two of one text are equal, and show it: editions are told apart by what routes say."""
    assert LinearPattern("a+") == LinearPattern("a+") != LinearPattern("a*")
    assert repr(compile_linear("a+")) == "LinearPattern('a+')"
    assert len({LinearPattern("a+"), LinearPattern("a+")}) == 1
    assert compile_linear(compiled := LinearPattern("a")) is compiled
