"""YAML that an operator writes, with the place of everything in it, so that a finding can say line and column.

Only plain YAML is taken: no anchors and aliases (a few lines of them expand to gigabytes), no merge keys, no repeated
keys, no tags beyond YAML's own scalars, no deep nesting.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Protocol, TypeAlias

import yaml
from pydantic import ValidationError
from yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from stream_guard.errors import Place

Loc: TypeAlias = Sequence[str | int]
"""Where in a document: keys and indices from its root, as pydantic gives them."""
Finding: TypeAlias = tuple[Place, str]

_MAX_DEPTH = 16
_MERGE = "tag:yaml.org,2002:merge"


class _Mark(Protocol):
    """A place in the text, counted from 0 (PyYAML has two classes of them)."""

    line: int
    column: int


class MarkedYaml:
    """A YAML document, its value, and where each part of it stands.

    `value` is None where `findings` says why there is none. `first_line` is the line of the file (from 1) on which the
    text begins.
    """

    def __init__(self, text: str, file: str, first_line: int = 1) -> None:
        """Loads the text; never raises, whatever it is."""
        self._file = file
        self._first_line = first_line
        self._root: Node | None = None
        self.value: Any = None
        self.findings: tuple[Finding, ...] = ()
        try:
            self._load(text)
        except yaml.MarkedYAMLError as error:
            what = ", ".join(filter(None, (error.context, error.problem)))
            self.findings = ((self._place(error.problem_mark or error.context_mark), what),)
        except yaml.reader.ReaderError as error:
            before = text[: error.position]
            line, column = before.count("\n"), len(before) - (before.rfind("\n") + 1)
            place = Place(file, first_line + line, column + 1)
            self.findings = ((place, f"character U+{ord(text[error.position]):04X} is not allowed"),)

    def place(self, loc: Loc) -> Place:
        """Where something stands; of something that is missing, where what should hold it stands."""
        node, key = self._find(loc)
        if node is None:
            return Place(self._file)
        # A list or a mapping that is wrong as a whole begins, to a reader's eye, where its key stands.
        begins = node if key is None or isinstance(node, ScalarNode) else key
        return self._place(begins.start_mark)

    def report(self, error: ValidationError) -> list[Finding]:
        """The findings of a pydantic model, each with its place. They never quote the value."""
        return [self._finding(item["type"], item["loc"], item["msg"]) for item in error.errors(include_input=False)]

    def _load(self, text: str) -> None:
        self.findings = tuple(self._forbidden(text))
        if self.findings:
            return
        loader = yaml.SafeLoader(text)
        try:
            self._root = loader.get_single_node()
            self.findings = tuple(self._repeated(self._root))
            if not self.findings and self._root is not None:
                self.value = loader.construct_document(self._root)
        except ValueError as error:  # A date that does not exist, or an integer of thousands of digits.
            self.findings = ((Place(self._file, self._first_line), f"a scalar has no value: {type(error).__name__}"),)
        finally:
            loader.dispose()

    def _forbidden(self, text: str) -> Iterator[Finding]:
        """Found on the stream of events, before anything is expanded or nested."""
        depth = 0
        for event in yaml.parse(text, Loader=yaml.SafeLoader):
            if isinstance(event, yaml.events.NodeEvent) and event.anchor is not None:
                yield self._place(event.start_mark), "anchors and aliases are not allowed"
            if isinstance(event, yaml.events.CollectionStartEvent):
                depth += 1
                if depth > _MAX_DEPTH:
                    yield self._place(event.start_mark), f"nests deeper than {_MAX_DEPTH}"
                    return
            depth -= isinstance(event, yaml.events.CollectionEndEvent)

    def _repeated(self, node: Node | None) -> Iterator[Finding]:
        if isinstance(node, SequenceNode):
            for item in node.value:
                yield from self._repeated(item)
        elif isinstance(node, MappingNode):
            seen: set[str] = set()
            for key, value in node.value:
                yield from self._bad_key(key, seen)
                yield from self._repeated(value)

    def _bad_key(self, key: Node, seen: set[str]) -> Iterator[Finding]:
        if not isinstance(key, ScalarNode) or key.tag == _MERGE:
            yield self._place(key.start_mark), "a key must be a plain word"
        elif key.value in seen:
            yield self._place(key.start_mark), f"the key {key.value} is repeated"
        else:
            seen.add(key.value)

    def _finding(self, kind: str, loc: Loc, message: str) -> Finding:
        if kind == "missing":
            return self.place(loc[:-1]), f"{_dotted(loc)}: is missing"
        if kind == "extra_forbidden":
            _, key = self._find(loc)
            return self._place(key.start_mark if key else None), f"{_dotted(loc)}: unknown key"
        what = message.removeprefix("Value error, ")
        return self.place(loc), f"{_dotted(loc)}: {what}" if loc else what

    def _find(self, loc: Loc) -> tuple[Node | None, Node | None]:
        """The deepest node on the way, and its key where a mapping holds it. Names of union members are skipped."""
        node, key = self._root, None
        for step in loc:
            if isinstance(node, MappingNode):
                found = next(((k, v) for k, v in node.value if k.value == str(step)), None)
                key, node = found or (key, node)
            elif isinstance(node, SequenceNode) and isinstance(step, int) and step < len(node.value):
                key, node = None, node.value[step]
        return node, key

    def _place(self, mark: _Mark | None) -> Place:
        if mark is None:
            return Place(self._file)
        return Place(self._file, self._first_line + mark.line, mark.column + 1)


def _dotted(loc: Loc) -> str:
    return "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in loc).removeprefix(".")
