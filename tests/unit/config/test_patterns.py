from __future__ import annotations

import re
import warnings

import pytest
from hypothesis import given
from hypothesis import strategies as st

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


@pytest.mark.parametrize(
    ("pattern", "said"),
    [
        ("[a&&b]", "write &"),
        (r"[\w--\d]", "write -"),
        ("[a~~b]", "write ~"),
        ("[[a]", r"write \["),
        ("[[:alpha:]]", r"write \["),
        (r"a\<b", "write <"),
        (r"a\>b", "write >"),
        (r"\b{start}", r"write \\b\\{"),
        ("(?x)a b", "the flag x"),
    ],
)
def test_what_the_linear_engine_reads_in_another_way_is_refused(pattern: str, said: str) -> None:
    """It would select other records than the operator means."""
    with pytest.raises(ValueError, match=said):
        compile_linear(pattern)


_PARTS = st.sampled_from([*"[]ab&-~^<|+({)", "\\<", "\\b", "\\w", "\\d", "\\]", "\\[", "\\\\", "a&&b", "[a]"])
_TEXTS = st.text("ab[]&-~<{\\^|", max_size=4)


@given(pattern=st.lists(_PARTS, min_size=1, max_size=8).map("".join), texts=st.lists(_TEXTS, min_size=5, max_size=20))
def test_what_is_taken_means_what_it_means_in_python(pattern: str, texts: list[str]) -> None:
    """Whatever both engines know is read alike, or refused."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)
        try:
            linear = compile_linear(pattern)
        except ValueError:
            return
        known = re.compile(pattern)
    assert isinstance(linear, LinearPattern)
    for text in texts:
        assert linear.fullmatch(text) is (known.fullmatch(text) is not None)
