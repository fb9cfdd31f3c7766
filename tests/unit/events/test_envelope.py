from __future__ import annotations

from base64 import b64encode
from typing import Any

import orjson
import pytest

from stream_guard.events.envelope import CloudEventsReader
from stream_guard.events.mapping.mapping import MappingReader
from stream_guard.events.mapping.paths import Path
from stream_guard.events.mapping.shapes import Facts, Ignore, MessageShape, Shape
from stream_guard.events.mapping.sources import FromHeader, FromPath
from stream_guard.events.model import Chat, Completion, Event, Message, Turn
from stream_guard.events.outcome import Ignored, IgnoredReason, Rejection, RejectionReason
from stream_guard.events.reader import CANONICAL, Reader
from stream_guard.records import Headers, Record
from tests.cases import LEASE, make_record

ATTRIBUTES: dict[str, Any] = {
    "specversion": "1.0", "id": "e-1", "source": "/forum", "type": "post.created", "subject": "room 7",
    "time": "2026-11-24T12:00:00+02:00", "datacontenttype": "application/json", "tenant": "acme",
}  # fmt: skip
STRUCTURED: Headers = (("content-type", b"application/cloudevents+json; charset=utf-8"),)
BINARY: Headers = tuple(
    (f"ce_{name}", value.encode()) for name, value in ATTRIBUTES.items() if name != "datacontenttype"
)
FROM_ENVELOPE: dict[str, Any] = {"ce_type": "post.created", "ce_source": "/forum", "ce_subject": "room 7"}
FILLED: dict[str, Any] = {"id": "e-1", "created_at": "2026-11-24T10:00:00Z", "attributes": FROM_ENVELOPE}
MESSAGE = {"kind": "message", "content": "hello"}
MAPPED = MappingReader((
    Shape(MessageShape(
        text=FromPath(Path("$.body")),
        facts=Facts(
            id=FromPath(Path("$.id")),
            created_at=FromPath(Path("$.at")),
            attributes=(("ce_type", FromPath(Path("$.type"))), ("tenant", FromHeader("ce_tenant"))),
        ),
    )),
))  # fmt: skip


def read(
    value: object, headers: Headers = STRUCTURED, *, inner: Reader = CANONICAL, depth: int = 32
) -> Event | Ignored | Rejection:
    """What a record comes to."""
    raw = value if isinstance(value, bytes) else orjson.dumps(value)
    record = make_record(raw, headers=headers)
    return CloudEventsReader(inner).read(raw, record, max_bytes=2_000, max_depth=depth)


def unmapped(detail: str) -> Rejection:
    """The record is no CloudEvent that is read."""
    return Rejection(RejectionReason.UNMAPPED, f"CloudEvents: {detail}")


@pytest.mark.parametrize("headers", [STRUCTURED, (), (("Content-Type", b"application/cloudevents+json"),)])
def test_a_structured_event_is_unwrapped(headers: Headers) -> None:
    """The data is read by the inner reader, and what it does not say is taken from the envelope."""
    assert read(ATTRIBUTES | {"data": MESSAGE}, headers) == Message(content="hello", **FILLED)


def test_a_binary_event_is_read() -> None:
    """The value is the data, the attributes are headers."""
    headers = (*BINARY, ("content-type", b"application/json"))
    assert read(MESSAGE, headers) == Message(content="hello", **FILLED)
    assert read(MESSAGE, BINARY) == Message(content="hello", **FILLED)


@pytest.mark.parametrize(
    ("value", "headers"), [(ATTRIBUTES | {"data": {"body": "x"}}, STRUCTURED), ({"body": "x"}, BINARY)]
)
def test_the_data_may_be_mapped(value: object, headers: Headers) -> None:
    """A mapping is relative to the data; it may read the record's headers too."""
    attributes = FROM_ENVELOPE | ({"tenant": "acme"} if headers is BINARY else {})
    assert read(value, headers, inner=MAPPED) == Message(content="x", **FILLED | {"attributes": attributes})


def test_what_the_data_says_itself_counts() -> None:
    """The envelope only fills what is missing."""
    inner = {"body": "x", "id": "own", "at": 0, "type": "mine"}
    assert read(ATTRIBUTES | {"data": inner}, inner=MAPPED) == Message(
        content="x", id="own", created_at="1970-01-01T00:00:00Z", attributes=FROM_ENVELOPE | {"ce_type": "mine"}
    )


def test_optional_attributes_may_be_missing() -> None:
    """Without subject and time the event has none."""
    needed = {name: ATTRIBUTES[name] for name in ("specversion", "id", "source", "type")}
    assert read(needed | {"data": MESSAGE}) == Message(
        content="hello", id="e-1", attributes={"ce_type": "post.created", "ce_source": "/forum"}
    )


@pytest.mark.parametrize("content_type", ["text/plain", "Text/Plain; charset=utf-8", "application/xml", None])
def test_data_that_is_a_text_is_a_message(content_type: str | None) -> None:
    """A string that is not said to be JSON is what somebody wrote."""
    value = ATTRIBUTES | {"datacontenttype": content_type, "data": "hello"}
    assert read(value) == Message(content="hello", **FILLED)


def test_a_string_that_is_json_goes_to_the_inner_reader() -> None:
    """There a mapping may take it; our own events are objects."""
    value = ATTRIBUTES | {"data": "hello"}
    whole = MappingReader((Shape(MessageShape(text=FromPath(Path("$")))),))
    assert read(value, inner=whole) == Message(content="hello", **FILLED)
    outcome = read(value)
    assert isinstance(outcome, Rejection)
    assert outcome.reason is RejectionReason.INVALID_EVENT


def test_binary_data_may_be_a_text() -> None:
    """As its content type says."""
    headers = (*BINARY, ("content-type", b"text/plain; charset=utf-8"))
    assert read(b"hello", headers) == Message(content="hello", **FILLED)
    assert read(b"\xff", headers) == Rejection(RejectionReason.NOT_UTF8, "at byte 0")
    assert read(b" ", headers) == Rejection(RejectionReason.EMPTY, "the event holds no text and no parts")


def test_a_value_of_another_format_is_its_json() -> None:
    """Where Avro or Protobuf was decoded already, the content type of the bytes says nothing of the document."""
    record = Record(
        LEASE, 1, b"\0\0", headers=(*BINARY, ("content-type", b"text/avro")), document=orjson.dumps(MESSAGE)
    )
    outcome = CloudEventsReader(CANONICAL).read(orjson.dumps(MESSAGE), record, max_bytes=2_000, max_depth=32)
    assert outcome == Message(content="hello", **FILLED)


def test_base64_data_is_decoded() -> None:
    """As text or as JSON, by its content type."""
    encoded = b64encode(orjson.dumps(MESSAGE)).decode()
    assert read(ATTRIBUTES | {"data_base64": encoded}) == Message(content="hello", **FILLED)
    text = ATTRIBUTES | {"data_base64": b64encode(b"hi").decode(), "datacontenttype": "text/plain"}
    assert read(text) == Message(content="hi", **FILLED)


def test_the_inner_reader_may_ignore_or_reject() -> None:
    """What it says is passed on."""
    ignoring = MappingReader((Shape(Ignore()),))
    assert read(ATTRIBUTES | {"data": {}}, inner=ignoring) == Ignored(IgnoredReason.NOT_SELECTED)
    assert read(ATTRIBUTES | {"data": {"a": 1}}, inner=MAPPED) == Rejection(
        RejectionReason.UNMAPPED, "message.text: $.body finds nothing"
    )
    assert read(b"", BINARY) == Rejection(RejectionReason.EMPTY, "no bytes but whitespace")


@pytest.mark.parametrize("value", [ATTRIBUTES, ATTRIBUTES | {"data": None}])
def test_an_event_without_data_is_empty(value: object) -> None:
    """It says nothing that could be judged."""
    assert read(value) == Rejection(RejectionReason.EMPTY, "the CloudEvent has no data")


@pytest.mark.parametrize(
    ("changes", "detail"),
    [
        ({"specversion": None}, "$.specversion finds nothing"),
        ({"specversion": "0.3"}, "$.specversion finds a version other than 1.0"),
        ({"specversion": 1.0}, "$.specversion finds no string"),
        ({"id": None}, "$.id finds nothing"),
        ({"id": ""}, "$.id finds nothing"),
        ({"id": "x" * 513}, "id finds more than 512 characters"),
        ({"source": None}, "$.source finds nothing"),
        ({"type": None}, "$.type finds nothing"),
        ({"type": []}, "$.type finds no string"),
        ({"time": "secret"}, "time finds a string that is no time by RFC 3339 (with its offset from UTC)"),
        ({"data": None, "data_base64": "secret!"}, "$.data_base64 is not base64"),
        ({"data": None, "data_base64": 7}, "$.data_base64 is not base64"),
        ({"data": None, "data_base64": "é"}, "$.data_base64 is not base64"),
    ],
)
def test_a_broken_envelope_is_said(changes: dict[str, object], detail: str) -> None:
    """The detail names the attribute, and quotes nothing."""
    assert read(ATTRIBUTES | {"data": MESSAGE} | changes) == unmapped(detail)


@pytest.mark.parametrize(
    ("headers", "detail"),
    [
        (tuple(h for h in BINARY if h[0] != "ce_id"), "header ce_id finds nothing"),
        ((*BINARY, ("ce_specversion", b"0.3")), "header ce_specversion finds a version other than 1.0"),
        ((*BINARY, ("ce_subject", b"\xff")), "header ce_subject is not UTF-8"),
        ((*BINARY, ("content-type", b"\xff")), "header content-type is not UTF-8"),
    ],
)
def test_a_broken_binary_envelope_is_said(headers: Headers, detail: str) -> None:
    """The detail names the header."""
    assert read(MESSAGE, headers) == unmapped(detail)


@pytest.mark.parametrize("value", [[], "text", 7, None])
def test_what_is_no_envelope_is_said(value: object) -> None:
    """Without a header that says so, a value must look like an event."""
    assert read(value, ()) == unmapped("neither a header ce_specversion nor a JSON object with specversion")


def test_an_object_that_is_no_event_is_said() -> None:
    """The first attribute that it lacks says what it is not."""
    assert read(MESSAGE, ()) == unmapped("$.specversion finds nothing")


def test_a_batch_is_refused() -> None:
    """A record is one event."""
    headers: Headers = (("content-type", b"application/cloudevents-batch+json"),)
    assert read([ATTRIBUTES], headers) == unmapped("a batch of events in one record is not read")


def test_limits_hold_for_the_envelope() -> None:
    """What the data hides from is still looked at: size, depth and encoding of all that stands around it."""
    nested: object = 1
    for _ in range(8):
        nested = [nested]
    assert read(ATTRIBUTES | {"data": MESSAGE, "x": nested}, depth=8) == Rejection(
        RejectionReason.TOO_DEEP, "nests deeper than 8"
    )
    broken = orjson.dumps(ATTRIBUTES | {"data": MESSAGE, "x": "?"}).replace(b"?", b"\xff")
    outcome = read(broken)
    assert isinstance(outcome, Rejection)
    assert outcome.reason is RejectionReason.NOT_UTF8
    assert read(b"[" * 2_001) == Rejection(RejectionReason.TOO_LARGE, "2001 bytes exceed 2000")
    assert read(b"{") == Rejection(RejectionReason.NOT_JSON, "ends too early")


def test_a_chat_takes_the_envelope_too() -> None:
    """Every kind of event does."""
    chat = {"kind": "chat", "turns": [{"role": "user", "content": "a"}]}
    assert read(ATTRIBUTES | {"data": chat}) == Chat(turns=(Turn("user", "a"),), **FILLED)


def test_data_in_two_forms_is_not_read() -> None:
    """Only one of them would be judged, and nobody knows which a consumer shows."""
    both = ATTRIBUTES | {"data": MESSAGE, "data_base64": b64encode(b"other").decode()}
    assert read(both) == unmapped("$.data and $.data_base64 are both there: only one would be judged")


def test_an_envelopes_id_is_no_completions() -> None:
    """It is unique within its source only, and a completion's id names it everywhere: two sources would share a subject."""
    event = read(ATTRIBUTES | {"data": {"kind": "completion", "prompt": [], "completion": "hello"}})
    assert event == Completion(prompt=(), completion="hello", **FILLED | {"id": None})
