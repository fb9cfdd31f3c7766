"""Plain values as YAML that people read: block style, with comments behind the lines and above them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple, TypeAlias

from stream_guard.config.references import escaped
from stream_guard.marked_yaml import Loc, written

_SHORT = 72
"""A list of scalars that fits into so many columns stands on one line."""

Comment: TypeAlias = Callable[[Loc], str]
"""What stands behind a value, empty for nothing."""
Above: TypeAlias = Callable[[Loc], Sequence[str]]
"""The lines of a comment above a value."""


class Line(NamedTuple):
    """A line of YAML. The comment begins without its `#`."""

    text: str
    comment: str = ""

    def __str__(self) -> str:
        comment = f"# {self.comment}".rstrip() if self.comment else ""
        return f"{self.text}{'  ' if self.text.strip() and comment else ''}{comment}"


def yaml_lines(
    values: Mapping[str, Any], comment: Comment = lambda _: "", above: Above = lambda _: ()
) -> Iterator[Line]:
    """The lines of a document that the loader of the configuration reads back as the same values."""
    yield from _mapping(values, (), "", comment, above)


def _mapping(values: Mapping[str, Any], loc: Loc, indent: str, comment: Comment, above: Above) -> Iterator[Line]:
    for key, value in values.items():
        yield from _entry(f"{indent}{written(key)}:", value, (*loc, key), indent, comment, above)


def _entry(head: str, value: object, loc: Loc, indent: str, comment: Comment, above: Above) -> Iterator[Line]:
    yield from (Line(indent, line) for line in above(loc))
    if isinstance(value, Mapping) and value:
        yield Line(head, comment(loc))
        yield from _mapping(value, loc, f"{indent}  ", comment, above)
    elif isinstance(value, list) and value and not _is_short(value):
        yield Line(head, comment(loc))
        for index, item in enumerate(value):
            yield from _item(item, (*loc, index), f"{indent}  ", comment, above)
    else:
        yield Line(f"{head} {written(_escaped(value))}", comment(loc))


def _item(value: object, loc: Loc, indent: str, comment: Comment, above: Above) -> Iterator[Line]:
    """An item of a list; a mapping's first key stands beside the dash."""
    yield from (Line(indent, line) for line in above(loc))
    if not isinstance(value, Mapping) or not value:
        yield Line(f"{indent}- {written(_escaped(value))}", comment(loc))
        return
    for number, line in enumerate(_mapping(value, loc, f"{indent}  ", comment, above)):
        yield line if number else line._replace(text=f"{indent}- {line.text[len(indent) + 2 :]}")


def _is_short(values: Sequence[object]) -> bool:
    scalars = not any(isinstance(value, Mapping | list) for value in values)
    return scalars and len(written(_escaped(list(values)))) <= _SHORT


def _escaped(value: object) -> object:
    if isinstance(value, str):
        return escaped(value)
    if isinstance(value, Mapping):
        return {key: _escaped(inner) for key, inner in value.items()}
    return [_escaped(inner) for inner in value] if isinstance(value, list) else value
