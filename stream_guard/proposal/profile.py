"""What fields a sample of documents has, in how many of them, and what their values look like."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from statistics import median
from typing import Any

from msgspec import Struct

from stream_guard.proposal.looks import Look, is_language, look
from stream_guard.proposal.paths import EVERY, Path

MAX_DEPTH = 8
_MAX_ELEMENTS = 20
"""Elements of an array that are looked at: the first ones."""
_MAX_NODES = 2_000
"""Values of a document that are looked at."""
_MAX_FIELDS = 1_000
"""Fields that are told apart: objects whose keys are ids have as many as there are ids."""
_TOLD_APART = 64
"""Characters of a value that is kept as it is."""
_CONTAINERS = (Look.OBJECT, Look.ARRAY)


@dataclass(repr=False, eq=False, slots=True)
class Field:
    """One field of a sample: how its values look, how long and how different they are."""

    path: Path
    documents: int = 0
    """In how many documents it holds something: neither null nor blank."""
    looks: Counter[Look] = field(default_factory=Counter)
    lengths: list[int] = field(default_factory=list)
    """Characters of its texts that are not blank."""
    languages: int = 0
    """Values that could be a language tag."""
    values: Counter[Any] = field(default_factory=Counter)
    """How often each scalar value occurs; of a long one, its hash."""

    def __repr__(self) -> str:
        return f"Field({self.path}, {dict(self.looks)})"

    @property
    def filled(self) -> int:
        """Values that are neither null nor blank."""
        return sum(count for found, count in self.looks.items() if found is not Look.BLANK)

    def portion(self, *looks: Look) -> float:
        """The share of the values that look like one of these."""
        return sum(self.looks[each] for each in looks) / self.filled if self.filled else 0.0

    @property
    def distinct(self) -> float:
        """The number of different scalar values, as a share of all of them."""
        total = self.values.total()
        return len(self.values) / total if total else 0.0

    @property
    def scalar(self) -> bool:
        """Whether it holds scalars alone."""
        return self.filled > 0 and not any(self.looks[each] for each in _CONTAINERS)

    @property
    def length(self) -> int:
        """The median number of characters of its texts, 0 where it has none."""
        return int(median(self.lengths)) if self.lengths else 0

    @property
    def name(self) -> str:
        """The name nearest to the value; empty for the document itself."""
        return next((step for step in reversed(self.path) if isinstance(step, str)), "")

    @property
    def below_array(self) -> bool:
        """Whether one document may hold many of it."""
        return EVERY in self.path

    def _count(self, value: Any) -> Look:
        found = look(value)
        self.looks[found] += 1
        if found not in (*_CONTAINERS, Look.BLANK):
            self.values[value if not isinstance(value, str) or len(value) <= _TOLD_APART else hash(value)] += 1
        if isinstance(value, str) and found is not Look.BLANK:
            self.lengths.append(len(value))
            self.languages += is_language(value)
        return found


class Profile(Struct):
    """The fields of a sample, by path, in the order in which they were first seen."""

    documents: int
    fields: Mapping[Path, Field]

    def share(self, found: Field) -> float:
        """The share of the documents in which the field holds something."""
        return found.documents / self.documents if self.documents else 0.0


def profile(documents: Iterable[Any]) -> Profile:
    """Looks at every document. Bounded: a document of any size costs about the same."""
    fields: dict[Path, Field] = {}
    count = 0
    for document in documents:
        count += 1
        holding: set[Path] = set()
        for path, value in _nodes(document):
            if path not in fields and len(fields) >= _MAX_FIELDS:
                continue
            if fields.setdefault(path, Field(path))._count(value) is not Look.BLANK:  # noqa: SLF001 - its own module
                holding.add(path)
        for path in holding:
            fields[path].documents += 1
    return Profile(count, fields)


def _nodes(document: Any) -> Iterator[tuple[Path, Any]]:
    """Every value with its path, breadth first: what is deep is looked at last."""
    level: Sequence[tuple[Path, Any]] = [((), document)]
    left = _MAX_NODES
    while level and left > 0:
        yield from level[:left]
        left -= len(level)
        level = [child for path, value in level for child in _children(path, value)][: max(left, 0)]


def _children(path: Path, value: Any) -> list[tuple[Path, Any]]:
    if len(path) >= MAX_DEPTH:
        return []
    if isinstance(value, dict):
        return [((*path, name), each) for name, each in value.items()]
    if isinstance(value, list):
        return [((*path, EVERY), each) for each in value[:_MAX_ELEMENTS]]
    return []
