"""README.md of the chart: what stands in helm/sources, and every value with its comment and its default."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import yaml

_ROOT = Path(__file__).parents[2] / "helm"
VALUES = _ROOT / "stream-guard" / "values.yaml"
_WIDE = 60
"""A default that is longer is told by its beginning."""


class Value(NamedTuple):
    """A value, or a section of values: where it stands, its default (None for a section), and the comment above it."""

    path: tuple[str, ...]
    default: str | None
    comment: str


def readme() -> str:
    """The file, as it is to stand in the chart."""
    head = (_ROOT / "sources" / "README.head.md").read_text(encoding="utf-8").rstrip()
    return "\n".join([head, "", "## Values", *_tables(list(values()))]) + "\n"


def values() -> Iterator[Value]:
    """All values, in the order of the file."""
    text = VALUES.read_text(encoding="utf-8")
    node = yaml.compose(text)
    assert isinstance(node, yaml.MappingNode)
    yield from _values(node, (), text.splitlines())


def _values(node: yaml.MappingNode, path: tuple[str, ...], lines: list[str]) -> Iterator[Value]:
    for key, value in node.value:
        where, comment = (*path, str(key.value)), _comment(lines, key.start_mark.line, key.start_mark.column)
        within = list(_values(value, where, lines)) if isinstance(value, yaml.MappingNode) else []
        if any(each.comment for each in within):
            yield Value(where, None, comment)
            yield from within
        else:  # a mapping of which no part is explained is one value
            yield Value(where, _written(value), comment)


def _comment(lines: list[str], line: int, column: int) -> str:
    """The comment lines right above, of the same column. A blank line ends them."""
    found: list[str] = []
    prefix = " " * column + "# "
    while line and lines[line - 1].startswith(prefix):
        line -= 1
        found.insert(0, lines[line].removeprefix(prefix))
    return " ".join(found)


def _written(node: yaml.Node) -> str:
    value = yaml.safe_load(yaml.serialize(node))
    text = yaml.safe_dump(value, default_flow_style=True, width=10_000, sort_keys=False).removesuffix("\n...\n").strip()
    return text if len(text) <= _WIDE else f"{text[:_WIDE]}..."


def _tables(found: list[Value]) -> Iterator[str]:
    """A table a section; values that stand alone at the top share one with their neighbours."""
    before: str | None = None
    for value in found:
        section = value.path[0] if value.default is None or len(value.path) > 1 else ""
        if section != before:
            yield from ("", *_heading(value), "| value | default | meaning |", "|---|---|---|")
            before = section
        if value.default is not None or (len(value.path) > 1 and value.comment):
            yield _row(value)


def _heading(value: Value) -> Iterator[str]:
    if value.default is None:
        yield from (f"### {value.path[0]}", "")
        if value.comment:
            yield from (value.comment, "")


def _row(value: Value) -> str:
    default = "" if value.default is None else f"`{value.default}`"
    return " | ".join(("| `" + ".".join(value.path) + "`", _cell(default), _cell(value.comment))) + " |"


def _cell(text: str) -> str:
    return text.replace("|", "\\|")
