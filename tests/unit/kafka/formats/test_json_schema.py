from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import TypeAlias

import pytest

from stream_guard.events.reader import Format
from stream_guard.kafka.consumer.documents import Documents, Topic
from stream_guard.kafka.formats.registry import Schemas
from stream_guard.records import Lease, Record, Undecodable
from tests.stub_registry import StubRegistry

Read: TypeAlias = Callable[[int, bytes], bytes | Undecodable | None]
MESSAGE = {"type": "object", "properties": {"text": {"type": "string"}}, "required": ["text"]}


@pytest.fixture
def read(stub: StubRegistry) -> Iterator[Read]:
    """Reads a framed JSON value with the schemas of the stub."""
    documents = Documents(Schemas(stub.options(), sleep=lambda _: None), lambda _: Topic(Format.JSON_SCHEMA, 100_000))

    def read_one(schema_id: int, body: bytes) -> bytes | Undecodable | None:
        (record,) = documents.of([Record(Lease("t", 0, 1), 0, b"\0" + schema_id.to_bytes(4, "big") + body)])
        return record.document

    yield read_one
    documents.close()


def test_what_is_valid_is_passed_on_as_it_stands(stub: StubRegistry, read: Read) -> None:
    """Byte for byte: blanks, order, and what the schema does not mention."""
    body = b' {"more": 1e400,\n "text": "hello"}'.replace(b"1e400", b"1.50")
    assert read(stub.add(MESSAGE, "JSON"), body) == body


@pytest.mark.parametrize(
    ("body", "detail"),
    [
        (b'{"text": 5}', "is not valid under its schema"),
        (b"{}", "is not valid under its schema"),
        (b'{"text": "a secret', "is not of schema 1 (JSONDecodeError)"),
        (b"", "is not of schema 1 (JSONDecodeError)"),
        (b'{"text": "\xff"}', "is not of schema 1 (JSONDecodeError)"),
        (b"[" * 90_000, "is not of schema 1 (JSONDecodeError)"),
        (b'{"text": NaN}', "is not of schema 1 (JSONDecodeError)"),
    ],
)
def test_what_is_not_valid_is_a_value(stub: StubRegistry, read: Read, body: bytes, detail: str) -> None:
    """Named, never quoted."""
    assert read(stub.add(MESSAGE, "JSON"), body) == Undecodable(detail)


def test_a_schema_that_holds_itself_is_followed_only_so_far(stub: StubRegistry, read: Read) -> None:
    """A value that nests deeper than Python's stack is a value that is not read."""
    number = stub.add({"type": "array", "items": {"$ref": "#"}}, "JSON")
    assert read(number, b"[[[]]]") == b"[[[]]]"
    assert read(number, b"[" * 900 + b"]" * 900) == Undecodable("is not of schema 1 (RecursionError)")


@pytest.mark.timeout(20)
@pytest.mark.parametrize(
    "dialect", ["http://json-schema.org/draft-07/schema#", "https://json-schema.org/draft/2020-12/schema"]
)
def test_items_that_must_differ_are_told_apart_at_once(stub: StubRegistry, read: Read, dialect: str) -> None:
    """Objects too, of which the library compares each with each: a record must not stop all that come after it."""
    number = stub.add({"$schema": dialect, "type": "array", "uniqueItems": True}, "JSON")
    many = b"[" + b",".join(b'{"%d":0}' % each for each in range(9_000)) + b"]"
    assert read(number, many) == many
    assert read(number, b'[{"a":1,"b":2},{"b":2,"a":1}]') == Undecodable("is not valid under its schema")
    assert read(number, b'[1, true, "1", [1], null]') == b'[1, true, "1", [1], null]'


_HOSTILE = "^(a+)+$"
_DIALECTS = (
    "http://json-schema.org/draft-04/schema#", "http://json-schema.org/draft-07/schema#",
    "https://json-schema.org/draft/2019-09/schema", "https://json-schema.org/draft/2020-12/schema",
)  # fmt: skip


@pytest.mark.timeout(30)
@pytest.mark.parametrize("dialect", _DIALECTS)
@pytest.mark.parametrize(
    "schema",
    [
        {"properties": {"text": {"pattern": _HOSTILE}}},
        {"patternProperties": {_HOSTILE: {"type": "number"}}},
        {"patternProperties": {_HOSTILE: {}}, "additionalProperties": False},
        {"patternProperties": {_HOSTILE: {}}, "unevaluatedProperties": False},
    ],
    ids=["pattern", "names", "other names", "unevaluated names"],
)
def test_no_text_makes_a_pattern_of_a_schema_slow(
    stub: StubRegistry, read: Read, schema: dict[str, object], dialect: str
) -> None:
    """One that is written carelessly, and a text that nearly matches: Python's engine would never come back."""
    number = stub.add({"$schema": dialect, "type": "object", **schema}, "JSON")
    nearly = "a" * 40_000 + "!"
    read(number, json.dumps({"text": nearly, nearly: "x"}).encode())
    assert isinstance(read(number, b"[]"), Undecodable)


def test_patterns_of_a_schema_count(stub: StubRegistry, read: Read) -> None:
    """Of values and of names; they match anywhere, unless they say otherwise."""
    schema = {
        "properties": {"text": {"pattern": "^b|z"}},
        "patternProperties": {"^n_": {"type": "number"}},
        "additionalProperties": False,
    }
    number, refused = stub.add(schema, "JSON"), Undecodable("is not valid under its schema")
    for body in (b'{"text": "xyz", "n_a": 1}', b'{"text": "bc"}', b'{"text": 5}'):
        assert read(number, body) == body
    for body in (b'{"text": "xb"}', b'{"n_a": "1"}', b'{"an_a": 1}'):
        assert read(number, body) == refused


@pytest.mark.parametrize(
    "schema",
    [
        {"properties": {"text": {"pattern": "^(?=.*a)b"}}},
        {"patternProperties": {"(?!x)": {"type": "number"}}},
        {"not": {"properties": {"text": {"pattern": "^(?!a).*$"}}}},
        {"properties": {"text": {"oneOf": [{"pattern": "^(?!a)"}, {"pattern": "^(?=a)"}]}}},
        {"properties": {"text": {"if": {"pattern": "^(?=x)"}, "then": {"maxLength": 1}}}},
        {"$ref": "#/$defs/a", "$defs": {"a": {"properties": {"text": {"pattern": r"(.)\1"}}}}},
    ],
    ids=["pattern", "names", "not", "one of", "if", "further down"],
)
def test_a_schema_with_a_pattern_that_needs_to_go_back_is_not_checked(
    stub: StubRegistry, read: Read, schema: dict[str, object]
) -> None:
    """To leave out that pattern alone would turn around what `not` says: better than to refuse every record of the topic."""
    number, body = stub.add({"type": "object", **schema}, "JSON"), b'{"text": "abc"}'
    assert read(number, body) == body


def test_a_schema_is_not_checked_where_one_that_it_refers_to_can_not_be(stub: StubRegistry, read: Read) -> None:
    """Wherever the pattern stands."""
    stub.add({"type": "string", "pattern": "^(?!a)"}, "JSON", subject="text")
    text = {"name": "text.json", "subject": "text", "version": 1}
    schema = {"type": "object", "properties": {"text": {"$ref": "text.json"}}, "required": ["b"]}
    number = stub.add(schema, "JSON", [text])
    assert read(number, b'{"text": "abc"}') == b'{"text": "abc"}'


def test_what_a_schema_refers_to_is_found(stub: StubRegistry, read: Read) -> None:
    """Where the registry says what it refers to, and what that refers to."""
    stub.add({"type": "string", "minLength": 1}, "JSON", subject="text")
    text = {"name": "text.json", "subject": "text", "version": 1}
    stub.add({"type": "object", "properties": {"text": {"$ref": "text.json"}}}, "JSON", [text], subject="turn")
    turn = {"name": "turn.json", "subject": "turn", "version": 1}
    number = stub.add({"type": "array", "items": {"$ref": "turn.json"}}, "JSON", [turn])
    assert read(number, b'[{"text":"a"}]') == b'[{"text":"a"}]'
    assert read(number, b'[{"text":""}]') == Undecodable("is not valid under its schema")


def test_nothing_is_fetched_from_where_a_schema_says(stub: StubRegistry, read: Read) -> None:
    """Whoever may register a schema must not make this process ask an address of their choice."""
    number = stub.add({"$ref": f"{stub.url}/elsewhere.json"}, "JSON")
    found = read(number, b"{}")
    assert isinstance(found, Undecodable)
    assert not any("elsewhere" in path for path in stub.asked)


@pytest.mark.parametrize("schema", ["no JSON", '{"type": "gone"}', '{"pattern": 5}'])
def test_a_schema_that_can_not_be_used_is_a_value(stub: StubRegistry, read: Read, schema: str) -> None:
    """It never gets better by waiting."""
    found = read(stub.add(schema, "JSON"), b"{}")
    assert isinstance(found, Undecodable)
    assert found.detail.startswith("schema 1 can't be used (")
