"""Leaves out of a proposal what would cost events: an optional field that can't be read in every record."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from stream_guard.proposal.bodies import Body
from stream_guard.proposal.measure import measure
from stream_guard.proposal.shapes import Shape
from stream_guard.proposal.sight import Sight

_OPTIONAL = ("created_at", "id", "author", "language", "attributes", "model", "name")


def pruned(
    shapes: Sequence[Shape], outer: Mapping[str, Any], chosen: Sequence[Sight]
) -> tuple[tuple[Shape, ...], list[str]]:
    """The shapes without the fields that make records dead letters, and a sentence for each that was left out."""
    best = _read(shapes, outer, chosen)
    notes: list[str] = []
    for index, shape in enumerate(shapes):
        for name, body in _without_one(shape.body) if best < len(chosen) else ():
            fewer = (*shapes[:index], Shape(shape.when, body, shape.documents), *shapes[index + 1 :])
            if (read := _read(fewer, outer, chosen)) > best:
                again, more = pruned(fewer, outer, chosen)
                return again, [*notes, _sentence(name, shape, read - best), *more]
    return tuple(shapes), notes


def _read(shapes: Sequence[Shape], outer: Mapping[str, Any], chosen: Sequence[Sight]) -> int:
    return measure({**outer, "mapping": [shape.mapping for shape in shapes]}, chosen).read


def _sentence(name: str, shape: Shape, records: int) -> str:
    path = next((found.path for found in shape.body.found if found.what == name), "") if shape.body else ""
    where = f" ({path})" if path else ""
    return f"{name}{where} is left out: in {records} of the sampled records it holds what can't be taken for it"


def _without_one(body: Body | None) -> Iterator[tuple[str, Body]]:
    """The body without one of its optional fields, for each that it has."""
    if body is None:
        return
    fields = body.mapping[body.kind]
    for name in _OPTIONAL:
        if name in fields:
            yield name, _body(body, {key: value for key, value in fields.items() if key != name}, name)
        if name in fields.get("prompt", ()):
            prompt = {key: value for key, value in fields["prompt"].items() if key != name}
            yield name, _body(body, {**fields, "prompt": prompt}, name)


def _body(body: Body, fields: Mapping[str, Any], dropped: str) -> Body:
    rows = {dropped, f"- {dropped}", "room" if dropped == "attributes" else dropped}
    return Body({body.kind: fields}, body.needs, tuple(found for found in body.found if found.what not in rows))
