"""The JSON Schema of the canonical event, derived from the types that decode it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeAlias

import msgspec

from stream_guard.events.decode import PART_TYPE
from stream_guard.events.model import Chat, Completion, CompletionStep, Message

Schema: TypeAlias = dict[str, Any]

_TITLE = "stream_guard event, version 1"
_DESCRIPTION = (
    "What somebody wrote: a message, a chat or a completion, encoded as UTF-8 JSON in a record's value. The kind "
    "`completion_step` is reserved: it validates, and is not judged yet. Where a key is repeated, the last one counts. "
    "An event that follows this schema but holds no text and no parts, or exceeds its route's limits, is refused too."
)
_COMMON = {
    "kind": "What kind of event this is.",
    "id": "The producer's own id of this event.",
    "author": "Who wrote it: an id or a pseudonym, not a name.",
    "language": "The language it is written in, as a BCP 47 tag, where the producer knows.",
    "created_at": "When it was written, as RFC 3339 date and time.",
    "attributes": "The producer's own facts, by which routes can select events. They are never shown to a model.",
}
_FIELDS: Mapping[str, Mapping[str, str]] = {
    "Part": {
        "type": "`text`, or the name of what this part is instead (`image`, `file`, `tool_call`, ...).",
        "text": "The text of a text part.",
    },
    "Turn": {
        "role": "Whose turn it is.",
        "content": "What was said: a text, or parts.",
        "name": "Which of several speakers of this role.",
    },
    "Message": {**_COMMON, "content": "What was written: a text, or parts."},
    "Chat": {**_COMMON, "turns": "The turns so far, oldest first."},
    "Completion": {
        **_COMMON,
        "prompt": "The turns that the model was given, oldest first.",
        "completion": "What the model wrote: a text, or parts.",
        "model": "The model that wrote it.",
    },
    "CompletionStep": {
        **_COMMON,
        "completion_id": "The completion that this is a step of.",
        "step": "The number of this step, from 0.",
        "final": "Whether this is the last step.",
        "delta": "What this step added.",
        "cumulative": "All that was written up to and with this step.",
        "prompt": "The turns that the model was given, oldest first.",
    },
}


def event_schema() -> Schema:
    """The JSON Schema (draft 2020-12) of the canonical event, the reserved `completion_step` included."""
    derived = msgspec.json.schema(Message | Chat | Completion | CompletionStep)
    definitions: dict[str, Schema] = derived["$defs"]
    for name, descriptions in _FIELDS.items():
        _describe(definitions[name], descriptions)
    _add_rules(definitions)
    head = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": "urn:stream-guard:event:1",
        "title": _TITLE,
        "description": _DESCRIPTION,
    }
    # Defaults are Python values until they are encoded: a tuple is no JSON.
    return msgspec.json.decode(msgspec.json.encode(head | derived), type=dict[str, Any])


def _describe(definition: Schema, descriptions: Mapping[str, str]) -> None:
    for field, description in descriptions.items():
        definition["properties"][field] = {"description": description} | definition["properties"][field]


def _add_rules(definitions: Mapping[str, Schema]) -> None:
    """What `decode` checks beyond the types."""
    definitions["Chat"]["properties"]["turns"]["minItems"] = 1
    part = definitions["Part"]
    part["properties"]["type"]["pattern"] = f"^{PART_TYPE}$"
    part["if"] = {"properties": {"type": {"const": "text"}}}
    part["then"] = {"required": ["text"], "properties": {"text": {"type": "string"}}}
