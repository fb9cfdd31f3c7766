"""Shapes as they are written in a configuration: the inverse of `config/reading.py`, for examples and for `init`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from stream_guard.events.mapping.conditions import Condition
from stream_guard.events.mapping.contents import Parts
from stream_guard.events.mapping.shapes import (
    ChatShape,
    CompletionShape,
    Facts,
    Ignore,
    MessageShape,
    Reject,
    Shape,
    Turns,
)
from stream_guard.events.mapping.sources import Constant, FromHeader, FromKey, FromPath, Source


def written(shapes: Sequence[Shape]) -> list[dict[str, Any]]:
    """The `mapping` of a route's `read` that has these shapes; what is not set is left out."""
    return [_when(shape) | _makes(shape) for shape in shapes]


def _when(shape: Shape) -> dict[str, Any]:
    conditions = [_condition(condition) for condition in shape.when]
    if not conditions:
        return {}
    return {"when": conditions[0] if len(conditions) == 1 else conditions}


def _condition(condition: Condition) -> dict[str, Any]:
    source = condition.source
    place = {"path": source.path.text} if isinstance(source, FromPath) else {"header": source.header}
    return place | _set(
        present=condition.present,
        any_of=list(condition.any_of) if condition.any_of else None,
        matches=condition.matches.pattern if condition.matches else None,
    )


def _makes(shape: Shape) -> dict[str, Any]:
    match shape.makes:
        case MessageShape(text=text, parts=parts, facts=facts):
            return {"message": _set(text=written_source(text), parts=_parts(parts)) | _facts(facts)}
        case ChatShape(turns=turns, facts=facts):
            return {"chat": _turns(turns) | _facts(facts)}
        case CompletionShape(completion=completion, prompt=prompt, parts=parts, model=model, facts=facts):
            own = _set(
                prompt=_turns(prompt) if prompt else None,
                completion=written_source(completion),
                parts=_parts(parts),
                model=written_source(model),
            )
            return {"completion": own | _facts(facts)}
        case Ignore():
            return {"ignore": True}
        case Reject(detail=detail):
            return {"reject": detail}


def _turns(turns: Turns) -> dict[str, Any]:
    return _set(
        turns=turns.turns.text,
        role=written_source(turns.role),
        text=written_source(turns.text),
        name=written_source(turns.name),
        roles=dict(turns.roles) or None,
        parts=_parts(turns.parts),
    )


def _facts(facts: Facts) -> dict[str, Any]:
    return _set(
        id=written_source(facts.id),
        author=written_source(facts.author),
        language=written_source(facts.language),
        created_at=written_source(facts.created_at),
        attributes={name: written_source(source) for name, source in facts.attributes} or None,
    )


def _parts(parts: Parts) -> dict[str, str] | None:
    return {kind: path.text for kind, path in parts} or None


def written_source(source: Source | None) -> Any:
    """One source, as it is written."""
    match source:
        case None:
            return None
        case FromPath(path=path):
            return path.text
        case FromHeader(header=header):
            return {"header": header}
        case FromKey():
            return {"key": True}
        case Constant(value=value):
            return {"value": value}


def _set(**values: Any) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value is not None}
