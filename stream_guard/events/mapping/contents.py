"""What a mapping finds where a text should be -> a content: a text, or parts of which nothing is dropped silently."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeAlias

from stream_guard.events.decode import PART_TYPE
from stream_guard.events.mapping.paths import Path
from stream_guard.events.mapping.sources import FromPath, Read, Source, Unmapped, every, json_type, located
from stream_guard.events.model import Content, Part
from stream_guard.records import Record

Parts: TypeAlias = tuple[tuple[str, Path], ...]
"""The type of parts that are not text, and where they are."""

TEXT_PARTS = {"text": "text", "input_text": "text", "output_text": "text", "refusal": "refusal"}
"""The types of OpenAI's parts that are text, and the field that holds it."""
_IS_PART_TYPE = re.compile(PART_TYPE).fullmatch


def content_field(name: str, source: Source, parts: Parts = ()) -> Read:
    """Reads a content: a text; several texts or a list of parts, as parts; `parts` says where else there are some.

    It may be without text only where there are other parts.
    """
    if parts or not isinstance(source, FromPath) or source.path.find is None:
        return located(name, source, _several(source, parts))
    find, whatever = source.path.find, located(name, source, _several(source, parts))

    def read(document: Any, record: Record) -> Content:
        found = find(document, document)
        return found if type(found) is str else whatever(document, record)

    return read


def _several(source: Source, parts: Parts) -> Callable[[Any, Record], Content]:
    texts = every(source)
    others = tuple((Part(kind), path) for kind, path in parts)

    def read(document: Any, record: Record) -> Content:
        values = texts(document, record)
        unread = _unread(document, others) if others else ()
        if len(values) == 1 and not unread and type(values[0]) is str:
            return values[0]
        if not values and not unread:
            msg = "finds nothing"
            raise Unmapped(msg)
        return (*(part for value in values for part in _parts(value)), *unread)

    return read


def _unread(document: Any, others: Sequence[tuple[Part, Path]]) -> list[Part]:
    """One part for each value that is found; an array stands for what it holds."""
    return [
        part
        for part, path in others
        for value in path.values(document)
        for _ in (value if type(value) is list else (value,))
    ]


def _parts(value: Any) -> Iterator[Part]:
    """A text, a part, or an array of both."""
    for item in value if type(value) is list else (value,):
        if type(item) is str:
            yield Part("text", item)
        elif type(item) is dict:
            yield _part(item)
        else:
            among = " in an array" if type(value) is list else ""
            msg = f"finds {json_type(item)}{among}, not a text"
            raise Unmapped(msg)


def _part(item: dict[str, Any]) -> Part:
    kind = item.get("type")
    if type(kind) is not str:
        msg = "finds an object that is no part: it says no type"
        raise Unmapped(msg)
    if (field := TEXT_PARTS.get(kind)) is not None:
        text = item.get(field)
        if type(text) is str:
            return Part("text", text)
        msg = f"finds a part of type {kind} without its text"
        raise Unmapped(msg)
    if _IS_PART_TYPE(kind) is None:
        msg = "finds a part whose type is no name"
        raise Unmapped(msg)
    return Part(kind)
