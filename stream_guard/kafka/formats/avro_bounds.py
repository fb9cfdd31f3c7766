"""What an Avro value may come to, found out before it is read.

fastavro reads whatever the bytes say: a few of them can declare 2^60 items of no size, or nest so deep that its C stack
overflows, which no `except` catches [1.13.1, tried]. Most values can be proven harmless from their schema and length
alone; the others are walked first, at the speed of Python, building nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from stream_guard.kafka.formats.frame import Refused

MAX_VALUES = 300_000
"""Values (texts, numbers, records, items) in one record: about 100 MB of Python objects at the worst."""
MAX_DEPTH = 100
"""How deep records, arrays and maps may nest, in a schema and in a value."""

_FIXED_SIZE: Mapping[str, int] = {"null": 0, "boolean": 1, "float": 4, "double": 8}
_VARINT = ("int", "long", "enum")
_SIZED = ("bytes", "string")
_MAX_VARINT = 10


class _Node:
    """A type of the schema. `least` is the fewest bytes a value has, `values` the most it comes to without items."""

    __slots__ = ("children", "depth", "kind", "least", "size", "values")

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self.children: list[_Node] = []
        self.size = 0
        self.least = 0
        self.values = 1
        self.depth = 1


class Bounds:
    """The bounds of values of one schema, parsed by fastavro; `named` are the types that it and its references define."""

    def __init__(self, schema: Any, named: Mapping[str, Any]) -> None:
        """Raises Refused where even an empty value would be too much."""
        self._named = named
        self._known: dict[str, _Node] = {}
        self._open: set[str] = set()
        self._recursive = False
        self._density = 0.0
        """The most values that one byte can come to, in any array or map."""
        self._root = self._compile(schema)
        if self._root.depth > MAX_DEPTH or self._root.values > MAX_VALUES:
            raise Refused("its schema nests too deep or holds too many fields")

    def check(self, body: bytes) -> None:
        """Raises Refused where the value holds too much, nests too deep, or ends too early."""
        if self._recursive or self._root.values + len(body) * self._density > MAX_VALUES:
            _Walk(body).value(self._root, 1)

    def _compile(self, schema: Any) -> _Node:
        if isinstance(schema, list):
            return self._union(schema)
        if isinstance(schema, str):
            return self._by_name(schema)
        kind = schema["type"]
        if isinstance(kind, dict | list):
            return self._compile(kind)
        if kind in ("record", "error", "enum", "fixed"):
            return self._define(schema, kind)
        if kind in ("array", "map"):
            return self._items(schema["items"] if kind == "array" else schema["values"], kind)
        return self._by_name(kind)

    def _by_name(self, name: str) -> _Node:
        if name in _FIXED_SIZE:
            return _leaf("fixed", _FIXED_SIZE[name])
        if name in _VARINT or name in _SIZED:
            return _leaf("sized" if name in _SIZED else "varint", 1)
        if name not in self._known:
            return self._compile(self._named[name])
        self._recursive |= name in self._open
        return self._known[name]

    def _define(self, schema: Any, kind: str) -> _Node:
        if kind == "fixed":
            return _leaf("fixed", int(schema["size"]))
        if kind == "enum":
            return _leaf("varint", 1)
        name = schema["name"]
        if name in self._known:
            return self._known[name]
        node = self._known[name] = _Node("record")
        self._open.add(name)
        for field in schema["fields"]:
            child = self._compile(field["type"])
            node.children.append(child)
            node.least += child.least
            node.values += child.values
            node.depth = max(node.depth, child.depth + 1)
        self._open.discard(name)
        return node

    def _union(self, branches: list[Any]) -> _Node:
        node = _Node("union")
        node.children = [self._compile(branch) for branch in branches]
        node.least = 1 + min((child.least for child in node.children), default=0)
        node.values = max((child.values for child in node.children), default=1)
        node.depth = 1 + max((child.depth for child in node.children), default=0)
        return node

    def _items(self, item: Any, kind: str) -> _Node:
        node, child = _Node(kind), self._compile(item)
        node.children, node.least, node.depth = [child], 1, child.depth + 1
        bytes_each = child.least + (kind == "map")
        self._density = max(self._density, child.values / bytes_each if bytes_each else float("inf"))
        return node


def _leaf(kind: str, size: int) -> _Node:
    node = _Node(kind)
    node.size = node.least = size
    return node


class _Walk:
    """Goes through one value, and counts."""

    __slots__ = ("_at", "_body", "_values")

    def __init__(self, body: bytes) -> None:
        self._body, self._at, self._values = body, 0, 0

    def value(self, node: _Node, depth: int) -> None:
        """Steps over a value of this type."""
        self._count(1)
        if depth > MAX_DEPTH:
            raise Refused(f"nests deeper than {MAX_DEPTH}")
        kind = node.kind
        if kind == "record":
            for child in node.children:
                self.value(child, depth + 1)
        elif kind == "union":
            branch = self._varint()
            if not 0 <= branch < len(node.children):
                raise Refused("names a type that its schema lacks")
            self.value(node.children[branch], depth + 1)
        elif kind in ("array", "map"):
            self._blocks(node, depth)
        elif kind == "varint":
            self._varint()
        else:
            self._skip(node.size if kind == "fixed" else self._varint())

    def _blocks(self, node: _Node, depth: int) -> None:
        child, keyed = node.children[0], node.kind == "map"
        while (count := self._varint()) != 0:
            if count < 0:
                count = -count
                self._varint()  # the size of the block, which readers may skip it by
            if not keyed and not child.least:
                self.value(child, depth + 1)  # once: a type that holds itself has no end
                self._count((count - 1) * child.values)
                continue
            for _ in range(count):
                if keyed:
                    self._skip(self._varint())
                self.value(child, depth + 1)

    def _count(self, values: int) -> None:
        self._values += values
        if self._values > MAX_VALUES:
            raise Refused(f"holds more than {MAX_VALUES} values")

    def _skip(self, size: int) -> None:
        self._at += size
        if size < 0 or self._at > len(self._body):
            raise Refused("ends too early")

    def _varint(self) -> int:
        number, body, at = 0, self._body, self._at
        for place in range(_MAX_VARINT):
            if at + place >= len(body):
                raise Refused("ends too early")
            byte = body[at + place]
            number |= (byte & 0x7F) << (7 * place)
            if byte < 0x80:  # noqa: PLR2004 - the last byte of a varint
                self._at = at + place + 1
                return (number >> 1) ^ -(number & 1)
        raise Refused("holds a number of more than 64 bits")
