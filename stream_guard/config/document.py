"""A YAML file as plain values, with the place of each.

The YAML is the safe subset, read by the rules of YAML 1.2 for scalars: `no`, `on` and `2026-01-31` are texts, only
`true` and `false` are booleans. A key that stands twice is an error. Anchors, aliases and merge keys (`<<`) work; an
alias may not stand within its own anchor, and a document may not unfold into more than `MAX_VALUES` values.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeAlias

import yaml
from msgspec import Struct

from stream_guard.config.references import resolve
from stream_guard.errors import ConfigError, Place

Loc: TypeAlias = tuple[str | int, ...]
Finding: TypeAlias = tuple[Place, str]

MAX_VALUES = 20_000
_TAGS = {f"tag:yaml.org,2002:{name}" for name in ("str", "int", "float", "bool", "null", "seq", "map")}


class Document(Struct, frozen=True):
    """The values of a configuration, and where each was written. Its repr shows no value."""

    file: str
    values: Mapping[str, Any]
    places: Mapping[Loc, Place]

    def place(self, loc: Sequence[str | int]) -> Place:
        """The place of the innermost known part of `loc`; parts that stand nowhere (names of types, say) are passed over."""
        known: Loc = ()
        for part in loc:
            if (*known, part) in self.places:
                known = (*known, part)
        return self.places.get(known, Place(self.file))

    def __repr__(self) -> str:
        return f"Document({self.file}, {len(self.places)} values)"


def read_document(path: Path, env: Mapping[str, str]) -> Document:
    """Reads a YAML file and resolves its references to environment variables. Raises ConfigError with all findings."""
    file = str(path)
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise ConfigError((Place(file), f"can't be read: {error.strerror}")) from error
    except UnicodeDecodeError as error:
        raise ConfigError((Place(file), "is not UTF-8")) from error
    return parse_document(text, file, env)


def parse_document(text: str, file: str, env: Mapping[str, str]) -> Document:
    """The same for a text that stands in `file`."""
    try:
        root, loader = _compose(text)
    except yaml.MarkedYAMLError as error:
        raise ConfigError((_at(file, error.problem_mark), error.problem or "is not YAML")) from error
    except yaml.reader.ReaderError as error:
        before = text[: error.position]
        place = Place(file, before.count("\n") + 1, len(before) - before.rfind("\n"))
        raise ConfigError((place, f"character U+{ord(text[error.position]):04X} is not allowed")) from error
    except (yaml.YAMLError, RecursionError) as error:
        raise ConfigError((Place(file), "is not YAML")) from error
    if not isinstance(root, yaml.MappingNode):
        raise ConfigError((Place(file, 1, 1), "must be a mapping of settings"))
    walk = _Walk(file, loader, env)
    if not walk.findings:
        walk.prepare(root)
    values = walk.value(root, (), frozenset()) if not walk.findings else {}
    if walk.findings:
        raise ConfigError(*walk.findings)
    return Document(file, values, walk.places)


class _Loader(yaml.SafeLoader):
    """The safe loader with the scalars of YAML 1.2."""

    yaml_implicit_resolvers: dict[Any, Any] = {}  # noqa: RUF012 - PyYAML declares it so


for _tag, _pattern, _first in (
    ("bool", r"true|True|TRUE|false|False|FALSE", "tTfF"),
    ("int", r"[-+]?(0|[1-9][0-9]*)|0o[0-7]+|0x[0-9a-fA-F]+", "-+0123456789"),
    ("float", r"[-+]?(\.[0-9]+|[0-9]+\.[0-9]*)([eE][-+]?[0-9]+)?|[-+]?[0-9]+[eE][-+]?[0-9]+", "-+.0123456789"),
    ("null", r"~|null|Null|NULL|", ["~", "n", "N", ""]),
    ("merge", r"<<", "<"),
):
    _Loader.add_implicit_resolver(f"tag:yaml.org,2002:{_tag}", re.compile(rf"^(?:{_pattern})$"), list(_first))


def _compose(text: str) -> tuple[yaml.Node | None, _Loader]:
    loader = _Loader(text)
    try:
        return loader.get_single_node(), loader
    finally:
        loader.dispose()


def _at(file: str, mark: yaml.Mark | None) -> Place:
    return Place(file) if mark is None else Place(file, mark.line + 1, mark.column + 1)


class _Walk:
    """One pass over a document's nodes: values, their places, and what is wrong."""

    def __init__(self, file: str, loader: _Loader, env: Mapping[str, str]) -> None:
        self._file = file
        self._loader = loader
        self._env = env
        self.findings: list[Finding] = []
        self.places: dict[Loc, Place] = {}

    def prepare(self, root: yaml.MappingNode) -> None:
        """Finds keys that stand twice, then unfolds merge keys."""
        mappings = [node for node in _distinct(root) if isinstance(node, yaml.MappingNode)]
        for mapping in mappings:
            self._check_keys(mapping)
        if self.findings:
            return
        for mapping in mappings:
            try:
                self._loader.flatten_mapping(mapping)
            except yaml.MarkedYAMLError as error:
                self._found(mapping, error.problem or "a merge key needs a mapping")

    def value(self, node: yaml.Node, loc: Loc, within: frozenset[int]) -> Any:
        """The plain value of a node, noted under `loc`."""
        if id(node) in within:
            return self._found(node, "an alias must not stand within its own anchor")
        if len(self.places) >= MAX_VALUES:
            return self._found(node, f"unfolds into more than {MAX_VALUES} values") if not self.findings else None
        if node.tag not in _TAGS:
            return self._found(node, f"the tag {node.tag} is not allowed")
        self.places.setdefault(loc, _at(self._file, node.start_mark))
        if isinstance(node, yaml.ScalarNode):
            return self._scalar(node)
        inner = within | {id(node)}
        if isinstance(node, yaml.SequenceNode):
            return [self.value(child, (*loc, index), inner) for index, child in enumerate(node.value)]
        return {key.value: self._entry(key, child, (*loc, key.value), inner) for key, child in node.value}

    def _entry(self, key: yaml.Node, child: yaml.Node, loc: Loc, within: frozenset[int]) -> Any:
        """A collection stands where its key stands; a scalar where it stands itself. The last of merged keys counts."""
        marked = child if isinstance(child, yaml.ScalarNode) else key
        self.places[loc] = _at(self._file, marked.start_mark)
        return self.value(child, loc, within)

    def _scalar(self, node: yaml.ScalarNode) -> Any:
        try:
            value = self._loader.construct_object(node)
        except (yaml.YAMLError, ValueError):
            return self._found(node, "does not fit its tag")
        if not isinstance(value, str):
            return value
        text, problems = resolve(value, self._env)
        for problem in problems:
            self._found(node, problem)
        return text

    def _check_keys(self, mapping: yaml.MappingNode) -> None:
        seen: dict[str, yaml.Node] = {}
        for key, _ in mapping.value:
            if not isinstance(key, yaml.ScalarNode):
                self._found(key, "a key must be a text")
            elif key.value in seen:
                self._found(key, f"{key.value} stands here already, at line {seen[key.value].start_mark.line + 1}")
            else:
                seen[key.value] = key

    def _found(self, node: yaml.Node, what: str) -> None:
        self.findings.append((_at(self._file, node.start_mark), what))


def _distinct(root: yaml.Node) -> Iterator[yaml.Node]:
    """Every node once, however often aliases name it."""
    seen: set[int] = set()
    waiting = [root]
    while waiting:
        node = waiting.pop()
        if id(node) in seen:
            continue
        seen.add(id(node))
        yield node
        if isinstance(node, yaml.MappingNode):
            waiting.extend(part for pair in reversed(node.value) for part in reversed(pair))
        elif isinstance(node, yaml.SequenceNode):
            waiting.extend(reversed(node.value))
