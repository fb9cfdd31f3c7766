"""The AsyncAPI 3.0 document of what stream_guard publishes, with the Kafka bindings 0.5.0."""

from __future__ import annotations

from typing import Any, TypeAlias

from msgspec import Struct

from stream_guard.verdicts import encoding, schemas
from stream_guard.verdicts.model import CONTRACT_VERSION

AsyncApi: TypeAlias = dict[str, Any]

KAFKA_BINDING = "0.5.0"


class Topics(Struct, frozen=True):
    """Where things are published: each may be several topics, and a topic may serve for several."""

    verdicts: tuple[str, ...] = ("stream-guard.verdicts",)
    rulings: tuple[str, ...] = ("stream-guard.rulings",)
    rationale: tuple[str, ...] = ("stream-guard.rationale",)
    dead_letters: tuple[str, ...] = ("stream-guard.dead-letters",)


def asyncapi_document(topics: Topics, app_version: str) -> AsyncApi:
    """The document for these topics. `app_version` is the version of stream_guard that publishes."""
    served = _served(topics)
    return {
        "asyncapi": "3.0.0",
        "id": f"urn:stream-guard:contract:v{CONTRACT_VERSION}",
        "info": _info(app_version),
        "defaultContentType": encoding.CONTENT_TYPE,
        "channels": {topic: _channel(topic, messages) for topic, messages in served.items()},
        "operations": {
            f"publish-{message}-to-{topic}": _operation(topic, message)
            for topic, messages in served.items()
            for message in messages
        },
        "components": {"messages": _messages(), "schemas": _schemas()},
    }


def _served(topics: Topics) -> dict[str, list[str]]:
    served: dict[str, list[str]] = {}
    for message, names in (
        ("verdict", topics.verdicts),
        ("ruling", topics.rulings),
        ("rationale", topics.rationale),
        ("dead-letter", topics.dead_letters),
    ):
        for topic in dict.fromkeys(names):
            served.setdefault(topic, []).append(message)
    return served


def _info(app_version: str) -> AsyncApi:
    return {
        "title": "stream_guard",
        "version": app_version,
        "description": (
            "Verdicts and rulings on what passes through Kafka topics. The contract grows only by addition: ignore fields "
            "and headers you don't know, and treat a decision you don't know as `review`. Messages repeat and may come out "
            "of order: fold them by slot, as the rules and test vectors that ship with stream_guard say."
        ),
        "license": {"name": "Apache-2.0", "url": "https://www.apache.org/licenses/LICENSE-2.0"},
    }


def _channel(topic: str, messages: list[str]) -> AsyncApi:
    return {
        "address": topic,
        "messages": {message: {"$ref": f"#/components/messages/{message}"} for message in messages},
        "bindings": {"kafka": {"topic": topic, **_cleanup(messages), "bindingVersion": KAFKA_BINDING}},
    }


def _cleanup(messages: list[str]) -> AsyncApi:
    # Keyed by slot or dead-letter id, these can be erased one by one with a tombstone; verdicts must not be compacted,
    # for their key is the source record's, which many events share.
    erasable = {"rationale", "dead-letter"}
    return {
        "topicConfiguration": {"cleanup.policy": ["compact", "delete"] if erasable.issuperset(messages) else ["delete"]}
    }


def _operation(topic: str, message: str) -> AsyncApi:
    # A slash in a JSON pointer would have to be escaped; a topic name has none (letters, digits, `.`, `_`, `-`).
    channel = f"#/channels/{topic}"
    return {
        "action": "send",
        "channel": {"$ref": channel},
        "messages": [{"$ref": f"{channel}/messages/{message}"}],
        "bindings": {"kafka": {"bindingVersion": KAFKA_BINDING}},
    }


def _messages() -> AsyncApi:
    return {
        "verdict": _event(
            "Verdict", "VerdictHeaders", _OUTPUT_KEY, "What is published for one event under one policy."
        ),
        "ruling": _event(
            "Ruling",
            "RulingHeaders",
            _OUTPUT_KEY,
            "What is published for an event once its policies have spoken, and which of them leads.",
        ),
        "rationale": _event("Rationale", "RationaleHeaders", _SLOT_KEY, "What quotes a user. A null value erases it."),
        "dead-letter": _dead_letter(),
    }


def _event(schema: str, headers: str, key: AsyncApi, summary: str) -> AsyncApi:
    return {
        "name": schema,
        "title": schema,
        "summary": summary,
        "contentType": encoding.CONTENT_TYPE,
        "headers": _ref(headers),
        "payload": _ref(schema),
        "bindings": _key(key),
    }


def _dead_letter() -> AsyncApi:
    return {
        "name": "DeadLetter",
        "title": "DeadLetter",
        "summary": "A record kept whole for a replay: the value is the original's bytes. A null value purges it.",
        "contentType": "application/octet-stream",
        "headers": _ref("DeadLetter"),
        "payload": {"type": "string", "format": "binary"},
        "bindings": _key(_DEAD_LETTER_KEY),
    }


def _key(schema: AsyncApi) -> AsyncApi:
    # Written out: the official schema of this binding takes no reference here (a reference matches both of its `oneOf`).
    return {"kafka": {"key": schema, "bindingVersion": KAFKA_BINDING}}


def _ref(schema: str) -> AsyncApi:
    return {"$ref": f"#/components/schemas/{schema}"}


def _schemas() -> AsyncApi:
    return {
        **schemas.components(ref_template="#/components/schemas/{name}"),
        "VerdictHeaders": _headers(encoding.VERDICT_TYPE, "The verdict's id.", "the verdict was given"),
        "RulingHeaders": _headers(encoding.RULING_TYPE, "The ruling's id.", "the ruling was given"),
        "RationaleHeaders": _headers(encoding.RATIONALE_TYPE, "`<verdict id>-rationale`.", "the verdict was given"),
    }


def _headers(event_type: str, event_id: str, when: str) -> AsyncApi:
    """The CloudEvents attributes of one type, and the trace context."""
    required = {
        "ce_specversion": {"type": "string", "const": "1.0", "description": "CloudEvents version."},
        "ce_type": {"type": "string", "const": event_type, "description": "What this is, with the contract's version."},
        "ce_source": {
            "type": "string",
            "format": "uri-reference",
            "description": "`/stream-guard/<namespace>/<route>`, each part percent-encoded.",
        },
        "content-type": {"type": "string", "const": encoding.CONTENT_TYPE, "description": "How to read the value."},
        "ce_id": {"type": "string", "description": event_id},
        "ce_subject": {"type": "string", "pattern": schemas.ID_PATTERN, "description": "The subject."},
        "ce_time": {"type": "string", "format": "date-time", "description": f"When {when}, in UTC, with milliseconds."},
    }
    trace = {
        "traceparent": {"type": "string", "description": "W3C trace context, where the record is traced."},
        "tracestate": {"type": "string", "description": "W3C trace state, where the source record had one."},
    }
    return {"type": "object", "properties": required | trace, "required": list(required)}


_OUTPUT_KEY: AsyncApi = {
    "type": "string",
    "format": "binary",
    "description": "The source record's key, byte for byte; the subject where that is null.",
}
_SLOT_KEY: AsyncApi = {"type": "string", "pattern": schemas.ID_PATTERN, "description": "The verdict's slot."}
_DEAD_LETTER_KEY: AsyncApi = {"type": "string", "pattern": schemas.ID_PATTERN, "description": "The dead letter's id."}
