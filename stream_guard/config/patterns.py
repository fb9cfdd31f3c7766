"""Regular expressions that the operator writes, and that run on what anybody may send."""

from __future__ import annotations

import re
from typing import Annotated, TypeAlias

from pydantic import BeforeValidator, WithJsonSchema

MAX_PATTERN = 256
_TOKEN = re.compile(r"\\.|\[\^?\]?(?:\\.|[^\]\\])*\]|[()|]|[*+?]|\{\d*,?\d*\}|.", re.DOTALL)
_UNBOUNDED = re.compile(r"[*+]|\{\d*,\}")
_BOUNDED = re.compile(r"\{(?:\d*,)?(\d+)\}")
_FEW = 4
"""So many times a group may repeat that itself repeats: each time raises the power of the time that it can take."""


def compile_pattern(value: object) -> object:
    """A safe regular expression from its text; anything but a text is returned as it is. Raises ValueError.

    Refused is what takes exponential time as people come to write it: a repeated group that itself repeats or branches.
    What is polynomial is not looked for.
    """
    if not isinstance(value, str):
        return value
    if len(value) > MAX_PATTERN:
        msg = f"a regular expression may have at most {MAX_PATTERN} characters"
        raise ValueError(msg)
    try:
        compiled = re.compile(value)
    except re.error as error:
        msg = f"not a regular expression: {error.msg} at position {error.pos}"
        raise ValueError(msg) from error
    if _can_explode(value):
        msg = "a repeated group must not itself repeat or branch: such an expression can take exponential time"
        raise ValueError(msg)
    return compiled


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


Regex: TypeAlias = Annotated[
    re.Pattern[str],
    BeforeValidator(compile_pattern),
    WithJsonSchema({"type": "string", "format": "regex", "maxLength": MAX_PATTERN}),
]
"""A compiled regular expression; what it is matched against must match as a whole."""
