"""Changes of rows as Debezium writes them: what is new is judged, what was before and what is deleted is not."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from stream_guard.proposal.paths import Path, written
from stream_guard.proposal.shapes import Shape

_CHANGE = frozenset({"op", "after", "before"})
_NOT_NEW = frozenset({"before", "schema", "source", "transaction"})
_DELETE = "d"
_MOST = 0.9
"""The share of the documents that must be changes."""


def new_only(document: Any) -> Any:
    """A change without what the row was before, its schema and its origin; anything else as it is."""
    if not isinstance(document, dict):
        return document
    if document.keys() >= _CHANGE:
        return {name: value for name, value in document.items() if name not in _NOT_NEW}
    payload = document.get("payload")
    is_change = isinstance(payload, dict) and payload.keys() >= _CHANGE
    return {"payload": new_only(payload)} if is_change else document


def with_deletes(shapes: Sequence[Shape], documents: Sequence[Any]) -> tuple[Shape, ...]:
    """The shapes, and where the documents are changes one before them that passes deletes over: they say nothing new."""
    operation = _operation(documents)
    if operation is None or any(_names(shape.when, operation) for shape in shapes):
        return tuple(shapes)
    deletes = Shape({"path": written(operation), "any_of": [_DELETE]}, None, 0)
    return (deletes, *shapes)


def _operation(documents: Sequence[Any]) -> Path | None:
    """Where the operation stands, if nearly all are changes: a single record must not have others passed over."""
    found = Counter(filter(None, map(_place, documents)))
    place, count = found.most_common(1)[0] if found else (None, 0)
    return place if count >= _MOST * len(documents) else None


def _place(document: Any) -> Path | None:
    if not isinstance(document, dict):
        return None
    if document.keys() >= {"op", "after"}:
        return ("op",)
    payload = document.get("payload")
    return ("payload", "op") if isinstance(payload, dict) and payload.keys() >= {"op", "after"} else None


def _names(when: Mapping[str, Any] | None, operation: Path) -> bool:
    return when is not None and when.get("path") == written(operation) and _DELETE in when.get("any_of", ())
