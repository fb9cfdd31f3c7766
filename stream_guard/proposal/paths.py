"""Paths to the places of a JSON document, and how JSONPath (RFC 9535) writes them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, Final, TypeAlias


class _Every:
    """The step to every element of an array."""

    def __repr__(self) -> str:
        return "*"


EVERY: Final = _Every()
Step: TypeAlias = str | int | _Every
"""The name of a member, the index of an element, or every element."""
Path: TypeAlias = tuple[Step, ...]

_PLAIN = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_MAX_WRITTEN = 120
"""Characters of a path: two may stand in one, and a mapping takes 256."""


def written(path: Path) -> str:
    """The path as JSONPath: `$.user.name`, `$.turns[*]`, `$['odd name']`."""
    return "$" + "".join(map(_step, path))


def union(holder: Path, *names: str) -> str:
    """The path to several members of one object: `$.post['title', 'body']`."""
    return written(holder) + "[" + ", ".join(map(_quoted, names)) + "]"


def expressible(path: Path) -> bool:
    """Whether a configuration may name this path: a name that nobody can read is no name of a field."""
    names = [step for step in path if isinstance(step, str)]
    return all(name and name.isprintable() for name in names) and len(written(path)) <= _MAX_WRITTEN


def values_at(document: Any, path: Path) -> Iterator[Any]:
    """What stands there, null included, in the order of the document."""
    if not path:
        yield document
        return
    step, rest = path[0], path[1:]
    if isinstance(step, str):
        if isinstance(document, dict) and step in document:
            yield from values_at(document[step], rest)
    elif isinstance(document, list):
        chosen = document if isinstance(step, _Every) else document[step : step + 1]
        for element in chosen:
            yield from values_at(element, rest)


def parent(path: Path) -> Path:
    """The path of what holds it."""
    return path[:-1]


def _step(step: Step) -> str:
    if isinstance(step, _Every):
        return "[*]"
    if isinstance(step, int):
        return f"[{step}]"
    if _PLAIN.fullmatch(step):
        return f".{step}"
    return f"[{_quoted(step)}]"


def _quoted(name: str) -> str:
    escaped = name.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"
