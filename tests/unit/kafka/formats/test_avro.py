from __future__ import annotations

import io
import json
from collections.abc import Iterator
from datetime import UTC, date, datetime, time
from decimal import Decimal
from time import monotonic
from typing import Any
from uuid import UUID

import pytest
from fastavro import parse_schema, schemaless_writer

from stream_guard.events.reader import Format
from stream_guard.kafka.consumer.documents import Documents, Topic
from stream_guard.kafka.formats.registry import Schemas
from stream_guard.records import Lease, Record, Undecodable
from tests.stub_registry import StubRegistry


@pytest.fixture
def documents(stub: StubRegistry) -> Iterator[Documents]:
    """Reads Avro with the schemas of the stub."""
    opened = Documents(Schemas(stub.options(), sleep=lambda _: None), lambda _: Topic(Format.AVRO, 1_000_000))
    yield opened
    opened.close()


def body(schema: Any, value: Any) -> bytes:
    """A value as Avro writes it."""
    out = io.BytesIO()
    schemaless_writer(out, parse_schema(schema), value)
    return out.getvalue()


def read(documents: Documents, schema_id: int, written: bytes) -> bytes | Undecodable | None:
    """The document of a value."""
    (record,) = documents.of([Record(Lease("t", 0, 1), 0, b"\0" + schema_id.to_bytes(4, "big") + written)])
    return record.document


def field(type_: Any, name: str = "value") -> dict[str, Any]:
    """A schema with one field."""
    return {"type": "record", "name": "R", "fields": [{"name": name, "type": type_}]}


def logical(type_: str, name: str, **more: Any) -> dict[str, Any]:
    """A logical type."""
    return {"type": type_, "logicalType": name, **more}


@pytest.mark.parametrize(
    ("type_", "value", "expected"),
    [
        ("null", None, None),
        ("boolean", True, True),
        ("long", 2**53 + 1, 2**53 + 1),
        ("string", "Grüße", "Grüße"),
        ("bytes", b"\xff\0", "/wA="),
        ({"type": "fixed", "name": "F", "size": 2}, b"ab", "YWI="),
        ({"type": "enum", "name": "E", "symbols": ["USER", "BOT"]}, "BOT", "BOT"),
        (["null", "string"], None, None),
        (["null", "string"], "a", "a"),
        (["null", {"type": "array", "items": ["long", "string"]}], [1, "b"], [1, "b"]),
        ({"type": "map", "values": "double"}, {"a": 0.5}, {"a": 0.5}),
        ("double", float("nan"), None),
        ("float", float("-inf"), None),
        (logical("long", "timestamp-millis"), datetime(2026, 1, 2, 3, 4, 5, 678_000, UTC), "2026-01-02T03:04:05.678000Z"),
        (logical("long", "timestamp-micros"), datetime(2026, 1, 2, tzinfo=UTC), "2026-01-02T00:00:00Z"),
        (logical("long", "local-timestamp-millis"), datetime(2026, 1, 2), "2026-01-02T00:00:00"),  # noqa: DTZ001 - local
        (logical("int", "date"), date(2026, 1, 2), "2026-01-02"),
        (logical("int", "time-millis"), time(1, 2, 3), "01:02:03"),
        (logical("bytes", "decimal", precision=9, scale=2), Decimal("-12.30"), "-12.30"),
        (logical("string", "uuid"), UUID(int=5), "00000000-0000-0000-0000-000000000005"),
    ],
)  # fmt: skip
def test_every_type_has_a_place_in_json(
    stub: StubRegistry, documents: Documents, type_: Any, value: Any, expected: Any
) -> None:
    """As the module says; nothing that JSON lacks gets into a document."""
    schema = field(type_)
    document = read(documents, stub.add(schema), body(schema, {"value": value}))
    assert isinstance(document, bytes)
    assert json.loads(document) == {"value": expected}


@pytest.mark.parametrize(
    ("type_", "plain", "written", "expected"),
    [
        (logical("long", "timestamp-millis"), "long", 2**63 - 1, 2**63 - 1),
        (logical("long", "timestamp-micros"), "long", -(2**63), -(2**63)),
        (logical("int", "date"), "int", 2**31 - 1, 2**31 - 1),
        (logical("string", "uuid"), "string", "not one", "not one"),
        (logical("bytes", "decimal", precision=5, scale=2), "bytes", b"\x7f" * 3, "ISc="),
    ],
)
def test_what_is_out_of_range_stays_as_written(
    stub: StubRegistry, documents: Documents, type_: Any, plain: str, written: Any, expected: Any
) -> None:
    """A time that means "never" in a field that nobody maps does not cost the record."""
    number = stub.add(field(type_))
    document = read(documents, number, body(field(plain), {"value": written}))
    assert isinstance(document, bytes)
    found = json.loads(document)["value"]
    assert found == expected or isinstance(found, str)


def test_a_decimal_of_any_length_is_read_at_once(stub: StubRegistry, documents: Documents) -> None:
    """Making digits of a long one would take a minute: it stays bytes."""
    number = stub.add(field(logical("bytes", "decimal", precision=5, scale=2)))
    begun = monotonic()
    document = read(documents, number, body(field("bytes"), {"value": b"\x7f" * 500_000}))
    assert isinstance(document, bytes)
    assert monotonic() - begun < 1


def test_what_a_schema_refers_to_is_found(stub: StubRegistry, documents: Documents) -> None:
    """A type that another subject defines, which itself uses one of a third."""
    stub.add({"type": "enum", "name": "Role", "namespace": "talk", "symbols": ["USER", "BOT"]}, subject="role")
    role = {"name": "talk.Role", "subject": "role", "version": 1}
    turn = {"type": "record", "name": "Turn", "namespace": "talk", "fields": [
        {"name": "role", "type": "talk.Role"}, {"name": "text", "type": "string"}]}  # fmt: skip
    stub.add(turn, references=[role], subject="turn")
    chat = field({"type": "array", "items": "talk.Turn"}, "turns")
    number = stub.add(chat, references=[role, {"name": "talk.Turn", "subject": "turn", "version": 1}])
    assert read(documents, number, b"\2\2\4hi\0") == b'{"turns":[{"role":"BOT","text":"hi"}]}'


@pytest.mark.parametrize(
    ("written", "detail"),
    [
        (b"", "is not of schema 1 (EOFError)"),
        (b"\x08ab", "is not of schema 1 (EOFError)"),
        (b"\4\xff\xff", "is not of schema 1 (UnicodeDecodeError)"),
        (b"\4hi!", "1 bytes follow the value: it is not of its schema"),
    ],
)
def test_what_is_not_of_its_schema_is_a_value(
    stub: StubRegistry, documents: Documents, written: bytes, detail: str
) -> None:
    """Cut, not UTF-8, or longer than its schema says: named, never quoted."""
    assert read(documents, stub.add(field("string")), written) == Undecodable(detail)


def test_what_would_end_the_process_is_a_value(stub: StubRegistry, documents: Documents) -> None:
    """Without the bounds each of these takes all memory, or overflows the stack of C."""
    nothing = stub.add({"type": "array", "items": "null"})
    chain = stub.add({"type": "record", "name": "N", "fields": [{"name": "n", "type": ["null", "N"]}]})
    assert read(documents, nothing, b"\xfe\xff\xff\xff\xff\xff\xff\xff\xff\1\0") == Undecodable(
        "holds more than 300000 values"
    )
    assert read(documents, chain, b"\2" * 100_000) == Undecodable("nests deeper than 100")


@pytest.mark.parametrize("schema", ["no schema", '{"type": "gone"}', "[" * 5_000, '{"type": "record"}', ""])
def test_a_schema_that_can_not_be_used_is_a_value(stub: StubRegistry, documents: Documents, schema: str) -> None:
    """It never gets better by waiting."""
    found = read(documents, stub.add(schema), b"\0\0")
    assert isinstance(found, Undecodable)
    assert found.detail.startswith("schema 1 can't be used (")


def test_a_document_is_no_larger_than_a_record_may_be(stub: StubRegistry) -> None:
    """Names of fields stand in the schema once, in the document every time."""
    schema = {"type": "array", "items": field("boolean", "n" * 100)}
    documents = Documents(Schemas(stub.options()), lambda _: Topic(Format.AVRO, 10_000))
    assert read(documents, stub.add(schema), body(schema, [{"n" * 100: True}] * 1_000)) == Undecodable(
        "110001 bytes as JSON, 10000 allowed"
    )
    documents.close()
