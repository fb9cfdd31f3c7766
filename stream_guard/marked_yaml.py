"""YAML that people write, as plain values with the place of each, so that a finding can say line and column.

The YAML is the safe subset, read by the rules of YAML 1.2 for scalars: `no`, `on` and `2026-01-31` are texts, only
`true` and `false` are booleans. A key that stands twice is an error. Anchors, aliases and merge keys (`<<`) work where the
caller lets them; an alias may not stand within its own anchor, and a document may not unfold into more than `MAX_VALUES`
values.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import Any, Protocol, TypeAlias

import yaml
from msgspec import Struct

from stream_guard.errors import ConfigError, Place

Loc: TypeAlias = tuple[str | int, ...]
"""Where in a document: keys and indices from its root, as pydantic gives them."""
Finding: TypeAlias = tuple[Place, str]
Texts: TypeAlias = Callable[[str], tuple[str, Sequence[str]]]
"""What a text in the document stands for, and what is wrong with it."""

MAX_VALUES = 20_000
MAX_DEPTH = 32
_ONE_LINE = 1_000_000_000
_TAGS = {f"tag:yaml.org,2002:{name}" for name in ("str", "int", "float", "bool", "null", "seq", "map")}
_MERGE = "tag:yaml.org,2002:merge"


class Document(Struct, frozen=True):
    """The values of a document, and where each was written. Its repr shows no value."""

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

    def finding(self, loc: Sequence[str | int], kind: str, message: str, where: str | None = None) -> Finding:
        """One error of a pydantic model (`kind` is its type) at its place; `where` names it if `loc` does not."""
        where = where or dotted(loc)
        if kind == "missing":
            return self.place(loc), f"{where} is required"
        if kind == "extra_forbidden":
            return self.place(loc), f"{where} is unknown"
        what = message.removeprefix("Value error, ")
        return self.place(loc), f"{where}: {what}" if where else what

    def __repr__(self) -> str:
        return f"Document({self.file}, {len(self.places)} values)"


def dotted(loc: Sequence[str | int]) -> str:
    """`routes[0].outputs.verdicts`."""
    return "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in loc).removeprefix(".")


def as_they_are(text: str) -> tuple[str, Sequence[str]]:
    """Texts that stand for nothing but themselves."""
    return text, ()


def parse(
    text: str,
    file: str,
    *,
    first_line: int = 1,
    aliases: bool = True,
    texts: Texts = as_they_are,
    unread: Collection[str] = (),
) -> Document:
    """The document in a text that begins at a line of `file`. Raises ConfigError with all that the first step finds wrong.

    1. the YAML itself, its depth, and anchors where `aliases` are not let in; 2. keys; 3. values and texts. The last is not
    looked at under the document's own keys that are `unread`: they are left out.
    """
    walk = _Walk(file, first_line, texts, aliases=aliases)
    root = walk.compose(text)
    if not isinstance(root, yaml.MappingNode):
        raise ConfigError((Place(file, first_line, 1), "must be a mapping of names to values"))
    walk.prepare(root)
    walk.settle()
    root.value = [(key, child) for key, child in root.value if key.value not in unread]
    values = walk.value(root, (), frozenset())
    walk.settle()
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


class _Dumper(yaml.SafeDumper):
    """Quotes every text that a reader of YAML 1.1 or of YAML 1.2 would take for something else."""

    yaml_implicit_resolvers: dict[Any, Any] = {  # noqa: RUF012 - PyYAML declares it so
        first: [
            *yaml.SafeDumper.yaml_implicit_resolvers.get(first, []),
            *_Loader.yaml_implicit_resolvers.get(first, []),
        ]
        for first in {*yaml.SafeDumper.yaml_implicit_resolvers, *_Loader.yaml_implicit_resolvers}
    }


def _as_text(dumper: _Dumper, text: str) -> yaml.ScalarNode:
    """What can't be seen is escaped: only double quotes can."""
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=None if text.isprintable() else '"')


_Dumper.add_representer(str, _as_text)


def written(value: object) -> str:
    """A plain value on one line, so that `parse` reads the same value there."""
    text: str = yaml.dump(
        value, Dumper=_Dumper, default_flow_style=True, allow_unicode=True, sort_keys=False, width=_ONE_LINE
    )
    return text.removesuffix("\n").removesuffix("\n...")


class _Mark(Protocol):
    """A place in the text, counted from 0 (PyYAML has two classes of them)."""

    line: int
    column: int


class _Walk:
    """One way through a document: its nodes, their values and places, and what is wrong."""

    def __init__(self, file: str, first_line: int, texts: Texts, *, aliases: bool) -> None:
        self._file = file
        self._first_line = first_line
        self._texts = texts
        self._aliases = aliases
        self._loader = _Loader("")
        self._findings: list[Finding] = []
        self.places: dict[Loc, Place] = {}

    def settle(self) -> None:
        """Raises ConfigError where something was found wrong so far."""
        if self._findings:
            raise ConfigError(*self._findings)

    def compose(self, text: str) -> yaml.Node | None:
        """The root node. Raises ConfigError where this is no YAML, or none that is taken."""
        try:
            self._check_events(text)
            self.settle()
            self._loader = _Loader(text)
            return self._loader.get_single_node()
        except yaml.MarkedYAMLError as error:
            place = self._at(error.problem_mark or error.context_mark)
            raise ConfigError((place, error.problem or "is not YAML")) from error
        except yaml.reader.ReaderError as error:
            before = text[: error.position]
            place = Place(self._file, self._first_line + before.count("\n"), len(before) - before.rfind("\n"))
            raise ConfigError((place, f"character U+{ord(text[error.position]):04X} is not allowed")) from error
        except yaml.YAMLError as error:
            raise ConfigError((Place(self._file), "is not YAML")) from error
        finally:
            self._loader.dispose()

    def _check_events(self, text: str) -> None:
        """Looks at the stream of events, before anything is nested or unfolded."""
        depth = 0
        for event in yaml.parse(text, Loader=_Loader):
            if isinstance(event, yaml.events.NodeEvent) and event.anchor is not None and not self._aliases:
                self._findings.append((self._at(event.start_mark), "anchors and aliases are not allowed"))
            depth += isinstance(event, yaml.events.CollectionStartEvent)
            depth -= isinstance(event, yaml.events.CollectionEndEvent)
            if depth > MAX_DEPTH:
                self._findings.append((self._at(event.start_mark), f"nests deeper than {MAX_DEPTH}"))
                return

    def prepare(self, root: yaml.MappingNode) -> None:
        """Finds keys that stand twice, then unfolds merge keys, where that does not come to more than a document may hold."""
        mappings = [node for node in _distinct(root) if isinstance(node, yaml.MappingNode)]
        for mapping in mappings:
            self._check_keys(mapping)
        if self._findings:
            return
        if _unfolded(root) > MAX_VALUES:
            self._found(root, f"unfolds into more than {MAX_VALUES} values")
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
            return self._found(node, f"unfolds into more than {MAX_VALUES} values") if not self._findings else None
        if node.tag not in _TAGS:
            return self._found(node, f"the tag {node.tag} is not allowed")
        self.places.setdefault(loc, self._at(node.start_mark))
        if isinstance(node, yaml.ScalarNode):
            return self._scalar(node)
        inner = within | {id(node)}
        if isinstance(node, yaml.SequenceNode):
            return [self.value(child, (*loc, index), inner) for index, child in enumerate(node.value)]
        return {key.value: self._entry(key, child, (*loc, key.value), inner) for key, child in node.value}

    def _entry(self, key: yaml.Node, child: yaml.Node, loc: Loc, within: frozenset[int]) -> Any:
        """A collection stands where its key stands; a scalar where it stands itself. The last of merged keys counts."""
        marked = child if isinstance(child, yaml.ScalarNode) else key
        self.places[loc] = self._at(marked.start_mark)
        return self.value(child, loc, within)

    def _scalar(self, node: yaml.ScalarNode) -> Any:
        try:
            value = self._loader.construct_object(node)
        except (yaml.YAMLError, ValueError):
            return self._found(node, "does not fit its tag")
        if not isinstance(value, str):
            return value
        text, problems = self._texts(value)
        for problem in problems:
            self._found(node, problem)
        return text

    def _check_keys(self, mapping: yaml.MappingNode) -> None:
        seen: dict[str, yaml.Node] = {}
        for key, _ in mapping.value:
            if not isinstance(key, yaml.ScalarNode):
                self._found(key, "a key must be a text")
            elif key.tag == _MERGE and not self._aliases:
                self._found(key, "merge keys are not allowed")
            elif key.value in seen:
                self._found(
                    key,
                    f"{key.value} stands here already, at line {self._first_line + seen[key.value].start_mark.line}",
                )
            else:
                seen[key.value] = key

    def _at(self, mark: _Mark | None) -> Place:
        if mark is None:
            return Place(self._file)
        return Place(self._file, self._first_line + mark.line, mark.column + 1)

    def _found(self, node: yaml.Node, what: str) -> None:
        self._findings.append((self._at(node.start_mark), what))


def _unfolded(root: yaml.Node) -> int:
    """How many keys mappings have together with those that they merge: each as often as it is named, as PyYAML unfolds them.

    Each is counted after those within it and those that it names, so it takes no longer than the document is. One that is named by
    what stands within it counts there as it is written.
    """
    sizes = {id(node): len(node.value) for node in _distinct(root) if isinstance(node, yaml.MappingNode)}
    for mapping in _finished(root):
        if isinstance(mapping, yaml.MappingNode):
            merged = [node for key, value in mapping.value if key.tag == _MERGE for node in (value, *_items(value))]
            sizes[id(mapping)] = len(mapping.value) + sum(sizes.get(id(node), 0) for node in merged)
    return sum(sizes.values())


def _items(node: yaml.Node) -> Sequence[yaml.Node]:
    return node.value if isinstance(node, yaml.SequenceNode) else ()


def _parts(node: yaml.Node) -> Sequence[yaml.Node]:
    return [part for pair in node.value for part in pair] if isinstance(node, yaml.MappingNode) else _items(node)


def _distinct(root: yaml.Node) -> Iterator[yaml.Node]:
    """Every node once, however often aliases name it, in the document's order."""
    seen: set[int] = set()
    waiting = [root]
    while waiting:
        node = waiting.pop()
        if id(node) not in seen:
            seen.add(id(node))
            yield node
            waiting.extend(reversed(_parts(node)))


def _finished(root: yaml.Node) -> Iterator[yaml.Node]:
    """Every node once, after all its parts, but for those that it is itself a part of."""
    seen: set[int] = set()
    waiting = [(root, False)]
    while waiting:
        node, finished = waiting.pop()
        if finished:
            yield node
        elif id(node) not in seen:
            seen.add(id(node))
            waiting.append((node, True))
            waiting.extend((part, False) for part in reversed(_parts(node)))
