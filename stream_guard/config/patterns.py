"""Regular expressions that the operator writes: on names of topics by Python's engine, on what anybody may send by a linear one."""

from __future__ import annotations

import re
from typing import Annotated, TypeAlias

from pydantic import BeforeValidator, InstanceOf, PlainSerializer, WithJsonSchema

from stream_guard.events.linear import LinearPattern

MAX_PATTERN = 256
_TOKEN = re.compile(r"\\.|\[\^?\]?(?:\\.|[^\]\\])*\]|[()|]|[*+?]|\{\d*,?\d*\}|.", re.DOTALL)
_UNBOUNDED = re.compile(r"[*+]|\{\d*,\}")
_BOUNDED = re.compile(r"\{(?:\d*,)?(\d+)\}")
_SETS = re.compile(r"&&|--|~~|\[")
_APART = re.compile(r"\\[<>]|\\b\{")
_VERBOSE = re.compile(r"\(\?[a-zA-Z]*x")
_FEW = 4
"""So many times a group may repeat that itself repeats: each time raises the power of the time that it can take."""


def compile_linear(value: object) -> object:
    """A linear expression from its text; anything but a text is returned as it is. Raises ValueError."""
    if not isinstance(value, str):
        return value
    _check_length(value)
    _check_read_alike(value)
    _python(value)  # what Python would not take, people would not expect to work
    return LinearPattern(value)


def compile_pattern(value: object) -> object:
    """A safe regular expression from its text; anything but a text is returned as it is. Raises ValueError.

    Refused is what takes exponential time as people come to write it: a repeated group that itself repeats or branches.
    What is polynomial is not looked for: it runs on names of topics alone, which have 249 characters at most.
    """
    if not isinstance(value, str):
        return value
    _check_length(value)
    compiled = _python(value)
    if _can_explode(value):
        msg = "a repeated group must not itself repeat or branch: such an expression can take exponential time"
        raise ValueError(msg)
    return compiled


def _python(pattern: str) -> re.Pattern[str]:
    try:
        return re.compile(pattern)
    except re.error as error:
        msg = f"not a regular expression: {error.msg} at position {error.pos}"
        raise ValueError(msg) from error


def _check_read_alike(pattern: str) -> None:
    """Raises ValueError for what the linear engine takes, too, but reads in another way than Python, whose expressions people know.

    What counts as a letter or a blank beyond ASCII is Unicode's there, which is nearly what it is in Python.
    """
    for token in (match[0] for match in _TOKEN.finditer(pattern)):
        if token.startswith("[") and (found := _SETS.search(re.sub(r"\\.", "", token[1:-1]))):
            msg = f"within [...] write {found[0][-1]} with a backslash before it: without one, the linear engine takes it for a set of its own"
            raise ValueError(msg)
    if found := _APART.search(re.sub(r"\\\\", "", pattern)):
        instead = r"\b\{" if found[0] == r"\b{" else found[0][1:]
        msg = f"{found[0]} means something else to the linear engine: write {instead}"
        raise ValueError(msg)
    if _VERBOSE.search(re.sub(r"\\.", "", pattern)):
        msg = "the flag x means something else to the linear engine: write the expression without blanks and comments"
        raise ValueError(msg)


def _check_length(pattern: str) -> None:
    if len(pattern) > MAX_PATTERN:
        msg = f"a regular expression may have at most {MAX_PATTERN} characters"
        raise ValueError(msg)


def _can_explode(pattern: str) -> bool:
    """Whether a group that holds an unbounded repetition or a branch is itself repeated, more than a few times."""
    tokens = [match[0] for match in _TOKEN.finditer(pattern)]
    open_groups = [False]
    for part, following in zip(tokens, [*tokens[1:], ""], strict=True):
        if part == "(":
            open_groups.append(False)
        elif part == ")" and len(open_groups) > 1:
            risky = open_groups.pop()
            if risky and _repeats_often(following):
                return True
            open_groups[-1] |= risky
        elif part == "|" or _UNBOUNDED.fullmatch(part):
            open_groups[-1] = True
    return False


def _repeats_often(quantifier: str) -> bool:
    bounded = _BOUNDED.fullmatch(quantifier)
    return int(bounded[1]) > _FEW if bounded else bool(_UNBOUNDED.fullmatch(quantifier))


_SCHEMA = WithJsonSchema({"type": "string", "format": "regex", "maxLength": MAX_PATTERN})
Regex: TypeAlias = Annotated[re.Pattern[str], BeforeValidator(compile_pattern), _SCHEMA]
"""A regular expression for names of topics; what it is matched against must match as a whole."""
LinearRegex: TypeAlias = Annotated[
    InstanceOf[LinearPattern],
    BeforeValidator(compile_linear),
    PlainSerializer(lambda linear: linear.pattern, return_type=str, when_used="json"),
    _SCHEMA,
]
"""One for what records hold; what it is matched against must match as a whole."""
