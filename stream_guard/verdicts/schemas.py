"""JSON Schemas (2020-12) of what is published, made from the types themselves.

They list what this version publishes. A subscriber must allow more: the contract grows by addition, so additional fields are
never forbidden here, and a decision that is not listed counts as `review`.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterable
from types import UnionType
from typing import Any, TypeAlias, Union, get_args, get_origin

import msgspec

from stream_guard.identity import digest
from stream_guard.verdicts import dead_letter as letters
from stream_guard.verdicts.fields import description
from stream_guard.verdicts.model import CONTRACT_VERSION, Rationale, Ruling, Verdict

JsonSchema: TypeAlias = dict[str, Any]

DIALECT = "https://json-schema.org/draft/2020-12/schema"
ID_PATTERN = f"^[0-9a-f]{{{len(digest())}}}$"

_IDS = frozenset({
    ("Verdict", "id"), ("Verdict", "slot"), ("Verdict", "subject"),
    ("Ruling", "id"), ("Ruling", "subject"),
    ("Rationale", "verdict_id"), ("Rationale", "slot"), ("Rationale", "subject"),
    ("Entry", "slot"), ("Entry", "verdict_id"),
    ("DeadLetter", "id"), ("DeadLetter", "subject"),
})  # fmt: skip
_INTEGER = r"^-?\d+$"


def verdict_schema() -> JsonSchema:
    """The schema of a verdict's value."""
    return _document("verdict", Verdict)


def ruling_schema() -> JsonSchema:
    """The schema of a ruling's value."""
    return _document("ruling", Ruling)


def rationale_schema() -> JsonSchema:
    """The schema of a rationale's value."""
    return _document("rationale", Rationale)


def dead_letter_schema() -> JsonSchema:
    """The schema of a dead letter's own headers, as an object of texts. The value is the original's bytes."""
    return {"$schema": DIALECT, "$id": _urn("dead-letter"), **_dead_letter_headers()}


def components(ref_template: str) -> dict[str, JsonSchema]:
    """The schemas of all values by type name, for a document that keeps them in one place (`ref_template` as in msgspec)."""
    _, found = msgspec.json.schema_components((Verdict, Ruling, Rationale), ref_template=ref_template)
    return {**{name: _described(name, schema) for name, schema in found.items()}, "DeadLetter": _dead_letter_headers()}


def dead_letter_object(headers: Iterable[tuple[str, bytes | None]]) -> dict[str, str | None]:
    """A dead letter's own headers as the object that `dead_letter_schema` describes: text, and the original key in base64."""
    found: dict[str, str | None] = {}
    for name, value in headers:
        if name.startswith(letters.PREFIX):
            found[name] = _readable(name, value)
        if name == letters.DELIMITER:
            break
    return found


def _readable(name: str, value: bytes | None) -> str | None:
    if value is None:
        return None
    return str(msgspec.to_builtins(value)) if name == letters.KEY else value.decode("utf-8", "replace")


def _document(name: str, kind: type[msgspec.Struct]) -> JsonSchema:
    _, found = msgspec.json.schema_components((kind,), ref_template="#/$defs/{name}")
    defs = {title: _described(title, schema) for title, schema in sorted(found.items())}
    return {"$schema": DIALECT, "$id": _urn(name), **defs.pop(kind.__name__), "$defs": defs}


def _urn(name: str) -> str:
    return f"urn:stream-guard:{name}:v{CONTRACT_VERSION}"


def _described(type_name: str, schema: JsonSchema) -> JsonSchema:
    properties = {field: _property(type_name, field, found) for field, found in schema.get("properties", {}).items()}
    return {**schema, "properties": properties} if properties else schema


def _property(type_name: str, field: str, schema: JsonSchema) -> JsonSchema:
    told = description(type_name, field)
    pattern = {"pattern": ID_PATTERN} if (type_name, field) in _IDS else {}
    return {**schema, **pattern, **({"description": told} if told else {})}


def _dead_letter_headers() -> JsonSchema:
    kinds = (letters.DeadLetter, letters.Source)
    fields = [field for kind in kinds for field in msgspec.structs.fields(kind)]
    required = [letters.header_of(field.name) for field in fields if field.required]
    properties = {letters.header_of(f.name): _property("DeadLetter", f.name, _header(f.type)) for f in fields}
    return {
        "title": "DeadLetter",
        "description": inspect.getdoc(letters.DeadLetter),
        "type": "object",
        "properties": properties | _BOOKKEEPING,
        "required": [*required, letters.header_of("contract"), *_BOOKKEEPING],
    }


def _header(annotation: Any) -> JsonSchema:
    if get_origin(annotation) in (Union, UnionType):
        annotation = next(arg for arg in get_args(annotation) if arg is not type(None))
    if annotation is bool:
        return {"type": "string", "enum": ["true", "false"]}
    if annotation is int:
        return {"type": "string", "pattern": _INTEGER}
    schema, found = msgspec.json.schema_components((annotation,))
    plain = next(iter(found.values())) if schema[0].get("$ref") else schema[0]
    listed = {"enum": plain["enum"]} if "enum" in plain else {}
    return {"type": "string", **listed}


_BOOKKEEPING: dict[str, JsonSchema] = {
    letters.KEY: {
        "type": ["string", "null"],
        "contentEncoding": "base64",
        "description": "The original's key: its bytes in the header, base64 here; null for a null key.",
    },
    letters.DELIMITER: {
        "type": "string",
        "pattern": r"^\d+$",
        "description": "How many headers the original has: they follow this one. What stands there is the original's.",
    },
}
