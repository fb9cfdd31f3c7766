"""Several shapes in one topic: what tells them apart, and how each is read."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from msgspec import Struct

from stream_guard.proposal.bodies import Body, body_of
from stream_guard.proposal.fields import may_say_something, texts
from stream_guard.proposal.names import KINDS, rank
from stream_guard.proposal.paths import EVERY, Path, expressible, values_at, written
from stream_guard.proposal.profile import Field, profile
from stream_guard.proposal.turns import find_turns

MAX_SHAPES = 4
"""Shapes that are told apart by nothing but the fields they have."""
_MAX_VALUES = 12
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.:/-]{0,63}")
"""What a value looks like that names a shape: anything else might be content, and stays out of files."""
_EVERYWHERE, _EXPLAINED, _MUST_EXPLAIN, _ENOUGH = 0.98, 0.6, 0.95, 20
_RARE = 0.05
"""A smaller share of the documents makes no shape: such names of fields may be ids, or anything else."""
_UNKNOWN = "no text was found in the records of this kind that were sampled"
_KNOWN_EMPTY = 3
"""Documents of a shape without any text before it is passed over: fewer prove nothing."""


class Shape(Struct, frozen=True):
    """One shape: the documents it is for, and how they are read. Without a body they are passed over, or rejected."""

    when: Mapping[str, Any] | None
    body: Body | None
    documents: int
    reject: str = ""
    """Why the documents are dead letters until somebody says how to read them."""

    @property
    def mapping(self) -> dict[str, Any]:
        """The shape in the mapping language."""
        condition = {} if self.when is None else {"when": dict(self.when)}
        if self.body is not None:
            return {**condition, **self.body.mapping}
        return {**condition, **({"reject": self.reject} if self.reject else {"ignore": True})}


class _Group(NamedTuple):
    values: tuple[str, ...]
    documents: list[Any]

    def joined(self, other: _Group) -> _Group:
        """Both as one."""
        return _Group(self.values + other.values, self.documents + other.documents)


def shapes_of(documents: Sequence[Any]) -> tuple[Shape, ...]:
    """How these documents are read, shape by shape; nothing where no text is found in any."""
    whole = body_of(documents)
    if whole is not None and _reach(documents, whole) >= _EVERYWHERE:
        return (Shape(None, whole, len(documents)),)
    by = _discriminator(documents)
    return _by_value(documents, by) if by is not None else _by_presence(documents)


def _reach(documents: Sequence[Any], body: Body) -> float:
    """The share of the documents that have what the body needs."""
    return sum(_has(document, body.needs) for document in documents) / len(documents) if documents else 0.0


def _has(document: Any, path: Path) -> bool:
    return any(value is not None and value not in ("", []) for value in values_at(document, path))


# -- told apart by the value of a field ----------------------------------------------------------------------------------


def _discriminator(documents: Sequence[Any]) -> Path | None:
    """The field whose value goes together with where the text is, None where there is none."""
    found = profile(documents)
    bearing = [text.path for text in texts(found)]
    if (turns := find_turns(found, documents)) is not None:
        bearing.append((*turns.array, EVERY))
    scored = [
        (_explained(documents, field.path, bearing), -order, field)
        for field in found.fields.values()
        if (order := _order(field, found.share(field))) is not None
    ]
    good = [each for each in scored if each[0] >= (_EXPLAINED if -each[1] < len(KINDS) else _MUST_EXPLAIN)]
    best = max(good, key=lambda each: (round(each[0], 1), each[1]), default=None)
    return None if best is None else best[2].path


def _order(field: Field, share: float) -> int | None:
    """How plain the name is, None where the field can't tell shapes apart."""
    total = field.values.total()
    named = rank(field.name, KINDS)
    few = 1 < len(field.values) <= min(_MAX_VALUES, total // 2)
    if share < _MUST_EXPLAIN or field.below_array or not field.scalar or not few or not expressible(field.path):
        return None
    if not all(_names_a_shape(value) for value in field.values):
        return None
    if named is None:
        return len(KINDS) + len(field.path) if total >= _ENOUGH else None
    return named


def _names_a_shape(value: object) -> bool:
    return _NAME.fullmatch(value) is not None if isinstance(value, str) else type(value) in {int, bool}


def _as_written(value: object) -> str:
    """The value as a condition compares it: as JSON writes it, a text as it is."""
    return value if isinstance(value, str) else str(value).lower()


def _explained(documents: Sequence[Any], by: Path, bearing: Sequence[Path]) -> float:
    """How much of what texts are present is known once the field's value is known: 0 nothing, 1 all."""
    before = after = 0.0
    groups = _grouped(documents, by)
    for path in bearing:
        before += _spread([_has(document, path) for document in documents])
        after += sum(_spread([_has(document, path) for document in group.documents]) for group in groups)
    return 1 - after / before if before else 0.0


def _spread(flags: Sequence[bool]) -> float:
    """The variance of some flags, times their number."""
    return sum(flags) * (1 - sum(flags) / len(flags)) if flags else 0.0


def _grouped(documents: Sequence[Any], by: Path) -> list[_Group]:
    groups: dict[Any, list[Any]] = {}
    for document in documents:
        value = next(values_at(document, by), None)
        groups.setdefault(_as_written(value) if _names_a_shape(value) else None, []).append(document)
    return [_Group(() if value is None else (value,), group) for value, group in groups.items()]


def _by_value(documents: Sequence[Any], by: Path) -> tuple[Shape, ...]:
    merged: dict[Any, _Group] = {}
    empty, unknown = _Group((), []), _Group((), [])
    for group in _grouped(documents, by):
        if not group.values:
            continue
        body = body_of(group.documents)
        if body is not None:
            merged[body.kind, body.needs] = merged.get((body.kind, body.needs), _Group((), [])).joined(group)
        elif len(group.documents) >= _KNOWN_EMPTY and not may_say_something(profile(group.documents)):
            empty = empty.joined(group)
        else:
            unknown = unknown.joined(group)
    groups = sorted(merged.values(), key=lambda group: -len(group.documents))
    shapes = [Shape(_any_of(by, group.values), body_of(group.documents), len(group.documents)) for group in groups]
    for rest, reject in ((unknown, _UNKNOWN), (empty, "")):
        if rest.values and shapes:
            shapes.append(Shape(_any_of(by, rest.values), None, len(rest.documents), reject))
    return tuple(shapes)


def _any_of(by: Path, values: Sequence[str]) -> dict[str, Any]:
    return {"path": written(by), "any_of": sorted(values)}


# -- told apart by the fields they have ------------------------------------------------------------------------------------


def _by_presence(documents: Sequence[Any]) -> tuple[Shape, ...]:
    shapes: list[Shape] = []
    left = list(documents)
    while left and len(shapes) < MAX_SHAPES and (body := body_of(left)) is not None:
        mine = [document for document in left if _has(document, body.needs)]
        if len(mine) < _RARE * len(documents):
            break
        body = body_of(mine) or body
        shapes.append(Shape({"path": written(body.needs), "present": True}, body, len(mine)))
        left = [document for document in left if not _has(document, body.needs)]
    if len(shapes) == 1:
        return (Shape(None, body_of(documents), len(documents)),)
    return tuple(shapes)
