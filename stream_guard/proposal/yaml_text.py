"""YAML as people write it: block style with comments, small mappings on one line, texts quoted where they must be."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

_PLAIN = re.compile(r"[A-Za-z][A-Za-z0-9_-]*(?:[./:][A-Za-z0-9_/-]+)*")
_WORDS = frozenset({"true", "false", "null", "yes", "no", "on", "off", "y", "n", "inf", "nan"})
_WIDTH = 110
"""Columns of a mapping on one line, at most."""
_COMMENT_AT = 44
"""The column where comments begin, unless what they follow is longer."""

Comments = Mapping[str, str]
"""Comments by the key that they stand behind."""


def scalar(value: object) -> str:
    """A scalar. A text that could mean something else, to YAML or as a reference to a variable, is quoted or escaped."""
    if not isinstance(value, str):
        return json.dumps(value)
    escaped = value.replace("${", "$${")
    if _PLAIN.fullmatch(escaped) and escaped.lower() not in _WORDS:
        return escaped
    return json.dumps(escaped, ensure_ascii=False)


def inline(value: Any) -> str:
    """A value on one line."""
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{scalar(name)}: {inline(each)}" for name, each in value.items()) + "}"
    if isinstance(value, Sequence) and not isinstance(value, str):
        return "[" + ", ".join(map(inline, value)) + "]"
    return scalar(value)


def block(value: Mapping[str, Any], indent: int, comments: Comments | None = None) -> list[str]:
    """A mapping, one key a line; what is small and has no comments of its own stays on that line."""
    comments = comments or {}
    return [line for name, each in value.items() for line in _entry(name, each, indent, comments)]


def items(values: Sequence[Mapping[str, Any]], indent: int, comments: Sequence[Comments]) -> list[str]:
    """A list of mappings, each in block style."""
    lines: list[str] = []
    for value, own in zip(values, comments, strict=True):
        first, *rest = block(value, indent + 2, own)
        lines += [" " * indent + "- " + first.lstrip(), *rest]
    return lines


def commented(line: str, comment: str) -> str:
    """A line with a comment behind it, aligned where there is room."""
    return f"{line.ljust(_COMMENT_AT - 1)}  # {comment}" if comment else line


def _entry(name: str, value: Any, indent: int, comments: Comments) -> list[str]:
    start = f"{' ' * indent}{scalar(name)}:"
    if isinstance(value, Mapping) and (
        any(key in comments for key in value) or len(start) + len(inline(value)) > _WIDTH
    ):
        return [commented(start, comments.get(name, "")), *block(value, indent + 2, comments)]
    return [commented(f"{start} {inline(value)}", comments.get(name, ""))]
