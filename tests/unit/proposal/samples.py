"""Topics as platforms have them, made up: what `init` may meet. All texts are mild."""

from __future__ import annotations

import struct
import uuid
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import orjson

from stream_guard.records import Headers, Lease, Record

LEASE = Lease("topic", 0, 0)
NOON_MS = 1_790_000_000_000

TEXTS = (
    "Does anybody know when the museum opens on Sunday?",
    "Thanks, that worked for me.",
    "The second chapter is much better than the first one",
    "gg",
    "I planted tomatoes in April and they are growing well!",
    "¿Alguien quiere jugar esta noche?",
    "My train is late again, start without me please.",
    "今日はとても良い天気ですね",
    "lol",
    "Where did you buy that lamp? I have been looking for one.",
)
"""What people write: short and long, in several languages."""


def text(number: int) -> str:
    """A text; one that stands for itself as long as numbers differ."""
    body = TEXTS[number % len(TEXTS)]
    return body if number < len(TEXTS) or len(body) < 6 else f"{body} ({number})"


def make_record(value: object, offset: int = 0, headers: Headers = (), key: bytes | None = None) -> Record:
    """A record with the JSON of `value`; bytes and None as they are."""
    raw = value if isinstance(value, bytes | None) else orjson.dumps(value)
    return Record(LEASE, offset, raw, key=key, headers=headers, timestamp_ms=NOON_MS + offset * 1000)


def make_records(make: Callable[[int], object], count: int = 40) -> list[Record]:
    """Records of what `make` returns for 0, 1, 2 and so on."""
    return [make_record(make(number), number) for number in range(count)]


def identifier(number: int) -> str:
    """A UUID."""
    return str(uuid.UUID(int=number + (1 << 100)))


def forum_post(n: int) -> dict[str, Any]:
    """A post or an answer of a forum, with a title and an author object."""
    return {
        "post_id": 1000 + n,
        "title": f"Question about gardens, part {n}",
        "body": text(n),
        "author": {"id": n % 7, "name": f"Person {n % 7}", "avatar_url": f"https://forum.example/a/{n % 7}.png"},
        "board": ["garden", "trains", "books"][n % 3],
        "lang": ["en", "es", "ja"][n % 3],
        "created_at": f"2026-03-{n % 28 + 1:02}T10:00:00Z",
        "updated_at": "2026-04-01T10:00:00Z",
        "url": f"https://forum.example/t/{n}",
        "votes": n % 5,
    }


def slack_event(n: int) -> dict[str, Any]:
    """An event callback as a chat tool for teams sends it: messages among others."""
    outer = {"token": f"x{n:020}", "team_id": "T0123", "type": "event_callback", "event_id": f"Ev{n:08}"}
    if n % 4 == 3:
        return {
            **outer,
            "event": {"type": "reaction_added", "user": f"U{n % 5}", "reaction": "wave", "item": {"ts": "1"}},
        }
    message = {
        "type": "message",
        "channel": f"C{n % 3}",
        "user": f"U{n % 5}",
        "text": text(n),
        "ts": f"179000{n:04}.000100",
        "client_msg_id": identifier(n),
    }
    return {**outer, "event": message}


def discord_message(n: int) -> dict[str, Any]:
    """A message with its author inside, attachments and mentions."""
    return {
        "id": str(1_200_000_000_000_000_000 + n),
        "channel_id": str(880_000_000_000_000_000 + n % 4),
        "guild_id": "870000000000000001",
        "content": text(n),
        "author": {
            "id": str(77_000_000_000_000_000 + n % 9),
            "username": f"player{n % 9}",
            "global_name": None,
            "bot": False,
        },
        "timestamp": f"2026-05-05T12:{n % 60:02}:00.000000+00:00",
        "edited_timestamp": None,
        "attachments": [],
        "mentions": [],
        "tts": False,
        "type": 0,
    }


def support_chat(n: int) -> dict[str, Any]:
    """A conversation between a customer and an agent."""
    turns = [
        {"from": ["customer", "agent"][k % 2], "name": ["Ana", "Ben"][k % 2], "text": text(n + k), "at": NOON_MS + k}
        for k in range(2 + n % 3)
    ]
    return {
        "ticket": {"id": f"TCK-{n:05}", "queue": "returns"},
        "locale": "en-GB",
        "opened": NOON_MS + n,
        "thread": turns,
    }


def game_chat(n: int) -> dict[str, Any]:
    """A line of a game's chat: short names, numbers as ids, short texts."""
    return {
        "ts": NOON_MS + n * 250,
        "uid": 4_000_000 + n % 11,
        "room": n % 3,
        "msg": ["gg", "nice one", "again?", "lol"][n % 4],
    }


def openai_request(n: int) -> dict[str, Any]:
    """A request to the chat completions API."""
    turns = [{"role": "system", "content": "Answer briefly."}, {"role": "user", "content": text(n)}]
    return {"model": "some-model", "messages": turns, "temperature": 0.2, "user": f"u{n % 5}"}


def openai_response(n: int) -> dict[str, Any]:
    """Its response."""
    message = {"role": "assistant", "content": text(n + 1)}
    return {
        "id": f"chatcmpl-{n:06}",
        "object": "chat.completion",
        "created": 1_790_000_000 + n,
        "model": "some-model",
        "choices": [{"index": 0, "message": message, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 9, "completion_tokens": 12},
    }


def gateway_log(n: int) -> dict[str, Any]:
    """A line of a gateway's log: request and response of the chat API in one."""
    return {
        "trace_id": identifier(n),
        "latency_ms": 120 + n,
        "request": openai_request(n),
        "response": openai_response(n),
        "status": 200,
    }


def own_gateway_log(n: int) -> dict[str, Any]:
    """A line of a log in a form of its own: turns, and what the model answered."""
    turns = [{"speaker": "human", "utterance": text(n)}]
    return {"call": identifier(n), "model_name": "some-model", "conversation": turns, "generated_text": text(n + 1)}


def instruction_log(n: int) -> dict[str, Any]:
    """A prompt and a response, both as texts."""
    return {"id": n, "prompt": text(n), "response": text(n + 1), "model": "some-model"}


def debezium_change(n: int) -> dict[str, Any]:
    """A change of a row of a table, as Debezium writes it."""
    row = {"id": n, "user_id": n % 5, "comment": text(n), "created_at": NOON_MS + n}
    operation = "cuud"[n % 4]
    return {
        "before": None if operation == "c" else {**row, "comment": text(n + 3)},
        "after": None if operation == "d" else row,
        "source": {"connector": "postgresql", "table": "comments", "ts_ms": NOON_MS, "lsn": 33 + n},
        "op": operation,
        "ts_ms": NOON_MS + n,
    }


def mixed_events(n: int) -> dict[str, Any]:
    """Posts, comments, direct messages and heartbeats in one topic."""
    kind = ("post", "comment", "dm", "heartbeat")[n % 4]
    bodies: Mapping[str, dict[str, Any]] = {
        "post": {"headline": f"News of the day {n}", "body": text(n), "user": {"name": f"p{n % 4}"}},
        "comment": {"body": text(n), "user": {"name": f"p{n % 4}"}, "parent_id": n - 1},
        "dm": {"thread": [{"sender": "user", "text": text(n)}, {"sender": "bot", "text": text(n + 1)}]},
        "heartbeat": {"host": f"web-{n % 3}", "uptime": n},
    }
    return {"type": kind, "event_id": identifier(n), "ts": NOON_MS + n, **bodies[kind]}


def untyped_events(n: int) -> dict[str, Any]:
    """Two shapes that nothing tells apart but their fields."""
    return {"id": n, "body": text(n)} if n % 3 else {"id": n, "review": {"comment": text(n), "stars": 1 + n % 5}}


def array_of_messages(n: int) -> list[dict[str, Any]]:
    """A conversation as an array alone."""
    return [{"role": "user", "content": text(n)}, {"role": "assistant", "content": text(n + 1)}]


def group_chat(n: int) -> dict[str, Any]:
    """A conversation of people who have names and no roles."""
    said = [{"nick": f"player{(n + k) % 6}", "message": text(n + k)} for k in range(3)]
    return {"lobby": f"lobby-{n % 4}", "messages": said}


def sparse_event(n: int) -> dict[str, Any]:
    """Fields that are often absent; a note now and then without its text."""
    event: dict[str, Any] = {"note_id": f"n-{n}", "note": text(n)}
    if n % 5 == 0:
        event["language"] = "en"
    if n % 20 == 19:
        event["note"] = None
        event["sticker"] = "wave"
    return event


def content_parts(n: int) -> dict[str, Any]:
    """A message whose content is a list of parts."""
    return {
        "id": identifier(n),
        "content": [{"type": "text", "text": text(n)}, {"type": "image", "url": f"https://i.example/{n}"}],
    }


def block_message(n: int) -> dict[str, Any]:
    """A message whose texts stand in blocks."""
    return {"key": f"k{n}", "blocks": [{"style": "plain", "text": text(n)}, {"style": "plain", "text": text(n + 2)}]}


def cloud_event(n: int) -> dict[str, Any]:
    """A CloudEvent in structured mode."""
    return {
        "specversion": "1.0",
        "id": identifier(n),
        "source": "/forum",
        "type": "comment.created",
        "time": "2026-03-01T10:00:00Z",
        "datacontenttype": "application/json",
        "data": {"comment": text(n), "user_id": n % 6},
    }


def canonical_event(n: int) -> dict[str, Any]:
    """Our own event."""
    if n % 2:
        return {"kind": "chat", "id": str(n), "turns": [{"role": "user", "content": text(n)}]}
    return {"kind": "message", "id": str(n), "content": text(n)}


def undated_time(n: int) -> dict[str, Any]:
    """A time without its offset from UTC can't be taken for one."""
    return {"id": n, "text": text(n), "created_at": f"2026-03-01 10:00:{n % 60:02}"}


def strange_names(n: int) -> dict[str, Any]:
    """Names that need quotes, in a path and in YAML."""
    return {"the 'user\\'s ${HOME} text": text(n), "größe message id": n, "größe": n % 3}


def metrics(n: int) -> dict[str, Any]:
    """No text at all."""
    return {"host": f"web-{n % 3}", "cpu": n / 100, "labels": {"zone": "a"}, "at": NOON_MS + n}


def encoded(n: int) -> dict[str, Any]:
    """JSON inside a text."""
    return {"offset": n, "payload": orjson.dumps({"text": text(n)}).decode()}


SHAPES: Sequence[Callable[[int], Any]] = (
    forum_post, slack_event, discord_message, support_chat, game_chat, openai_request, openai_response, gateway_log,
    own_gateway_log, instruction_log, debezium_change, mixed_events, untyped_events, array_of_messages, group_chat, sparse_event,
    content_parts, block_message, cloud_event, canonical_event, undated_time, strange_names, metrics, encoded,
)  # fmt: skip


def binary_cloud_events(count: int = 40) -> list[Record]:
    """CloudEvents in binary mode: the attributes are headers."""
    names = {"specversion": "1.0", "id": "x", "source": "/forum", "type": "comment.created"}
    headers = (
        *((f"ce_{name}", value.encode()) for name, value in names.items()),
        ("content-type", b"application/json"),
    )
    return [make_record({"comment": text(n), "user_id": n % 6}, n, headers) for n in range(count)]


def framed(payload: bytes, schema: int = 7) -> bytes:
    """A value in a schema registry's frame."""
    return struct.pack(">bI", 0, schema) + payload


def avro_like(n: int) -> bytes:
    """Bytes as Avro would write a string and a number, in a frame."""
    raw = text(n).encode()
    return framed(bytes([len(raw) * 2 % 128]) + raw + bytes([n % 64, 0x91, 0x02]))


def json_schema_value(n: int) -> bytes:
    """JSON in a frame."""
    return framed(orjson.dumps({"comment": text(n), "user_id": n % 6}))


RECORDS: Mapping[str, Callable[[], list[Record]]] = {
    **{make.__name__: (lambda make=make: make_records(make)) for make in SHAPES},  # type: ignore[misc]  # one each
    "binary_cloud_events": binary_cloud_events,
    "avro_like": lambda: make_records(avro_like),
    "json_schema_value": lambda: make_records(json_schema_value),
    "plain_text": lambda: [make_record(text(n).encode(), n) for n in range(40)],
    "json_strings": lambda: make_records(text),
    "binary": lambda: [make_record(bytes([0x81, 0xA3, 200 + n % 50, 1, 2, 3]), n) for n in range(40)],
    "nothing": list,
    "tombstones": lambda: [make_record(None, n) for n in range(5)],
    "blanks": lambda: [make_record(b"", n) for n in range(5)],
    "garbage": lambda: [
        make_record(value, n)
        for n, value in enumerate(
            [b"\xff\xfe", b"{", None, b"", b"17", b"\x00", b"[[[", b"hello there", b"{}", b"[]", b"null"]
        )
    ],
}
"""All of them as records, by name."""
