from __future__ import annotations

from collections.abc import Iterator

import pytest

from stream_guard.errors import RegistryUnavailable
from stream_guard.events.reader import Format
from stream_guard.kafka.consumer import documents as module
from stream_guard.kafka.consumer.documents import Documents, Topic
from stream_guard.kafka.formats.registry import Schemas
from stream_guard.records import Lease, Record, Undecodable
from tests.stub_registry import Answer, StubRegistry

FORMATS = {"avro": Format.AVRO, "checked": Format.JSON_SCHEMA, "plain": Format.JSON, "text": Format.TEXT}
AVRO = {"type": "record", "name": "R", "fields": [{"name": "text", "type": "string"}]}


@pytest.fixture
def documents(stub: StubRegistry) -> Iterator[Documents]:
    """Topics of several formats."""
    opened = Documents(Schemas(stub.options(), sleep=lambda _: None), lambda name: Topic(FORMATS[name], 100))
    yield opened
    opened.close()


def make_record(topic: str, value: bytes | None, offset: int = 0, flaw: str = "") -> Record:
    """A record of a topic."""
    return Record(Lease(topic, 0, 1), offset, value, flaw=flaw)


def frame(schema_id: int, body: bytes) -> bytes:
    """A framed value."""
    return b"\0" + schema_id.to_bytes(4, "big") + body


def test_a_list_keeps_its_order_and_its_records(stub: StubRegistry, documents: Documents) -> None:
    """Of several topics and formats; but for the document every record is what it was."""
    avro, checked = stub.add(AVRO), stub.add({"type": "object"}, "JSON")
    records = [
        make_record("plain", b"{}", 1), make_record("avro", frame(avro, b"\4hi"), 2), make_record("text", b"hello", 3),
        make_record("checked", frame(checked, b"{}"), 4), make_record("avro", b"{}", 5),
    ]  # fmt: skip
    found = documents.of(records)
    assert [record.document for record in found] == [
        None, b'{"text":"hi"}', None, b"{}", Undecodable("2 bytes are too few for the id of a schema"),
    ]  # fmt: skip
    assert [(r.offset, r.value, r.lease) for r in found] == [(r.offset, r.value, r.lease) for r in records]


def test_what_is_not_judged_is_not_decoded(stub: StubRegistry, documents: Documents) -> None:
    """A tombstone, a record that could not be read whole, and one that is larger than any of its routes takes."""
    records = [
        make_record("avro", None),
        make_record("avro", b"", flaw="cut"),
        make_record("avro", frame(1, bytes(96))),
    ]
    assert documents.of(records) == records
    assert stub.asked == []


def test_only_the_formats_of_a_registry_need_it(documents: Documents) -> None:
    """JSON and text are read as they are."""
    assert [documents.needed(topic) for topic in FORMATS] == [True, True, False, False]


def test_an_outage_makes_nothing_of_the_whole_list(stub: StubRegistry, documents: Documents) -> None:
    """However many of its schemas are known: the list is asked for again as it is."""
    known, new = stub.add(AVRO), stub.add(AVRO)
    documents.of([make_record("avro", frame(known, b"\4hi"))])
    stub.answer = Answer(503)
    with pytest.raises(RegistryUnavailable, match="answers HTTP 503"):
        documents.of([make_record("avro", frame(known, b"\4hi")), make_record("avro", frame(new, b"\4hi"))])
    assert documents.of([make_record("avro", frame(known, b"\4hi"))])[0].document == b'{"text":"hi"}'
    stub.answer = None
    assert documents.of([make_record("avro", frame(new, b"\4hi"))])[0].document == b'{"text":"hi"}'


def test_an_outage_while_a_reference_is_fetched_is_no_wrong_schema(stub: StubRegistry, documents: Documents) -> None:
    """The schema came, what it refers to did not."""
    reference = {"name": "Gone", "subject": "gone", "version": 1}
    avro, checked = stub.add(AVRO, references=[reference]), stub.add({}, "JSON", [reference])
    stub.answer, stub.only = Answer(503), "/gone/"
    for topic, schema_id in (("avro", avro), ("checked", checked)):
        with pytest.raises(RegistryUnavailable):
            documents.of([make_record(topic, frame(schema_id, b"\4hi"))])
    stub.answer = None
    assert documents.of([make_record("avro", frame(avro, b"\4hi"))])[0].document == Undecodable(
        "schema 1 refers to one that is not in the registry"
    )


def test_a_reference_that_comes_late_is_found(stub: StubRegistry, documents: Documents) -> None:
    """A replica that lags behind must not cost every record of a schema until the next restart."""
    reference = {"name": "Late", "subject": "late", "version": 1}
    avro = stub.add({**AVRO, "fields": [{"name": "text", "type": "Late"}]}, references=[reference])
    record = make_record("avro", frame(avro, b"\0"))
    assert isinstance(documents.of([record])[0].document, Undecodable)
    stub.add({"type": "enum", "name": "Late", "symbols": ["HI"]}, subject="late")
    assert documents.of([record])[0].document == b'{"text":"HI"}'


def test_ids_are_told_from_schemas_of_other_formats(stub: StubRegistry, documents: Documents) -> None:
    """An id that is another topic's says nothing about this one's values; an unknown one says so."""
    checked = stub.add({"type": "object"}, "JSON")
    records = [make_record("avro", frame(checked, b"{}")), make_record("avro", frame(99, b"{}"))]
    assert [record.document for record in documents.of(records)] == [
        Undecodable("schema 1 is of type JSON, not AVRO"),
        Undecodable("schema 99 is not in the registry"),
    ]


def test_the_schemas_that_are_kept_are_bounded(
    stub: StubRegistry, documents: Documents, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever names many schemas makes them be prepared again, and loses nothing."""
    monkeypatch.setattr(module, "_CACHED", 2)
    ids = [stub.add(AVRO) for _ in range(5)]
    for _ in range(3):
        for some in (ids, ids[:1], ids[3:]):
            found = documents.of([make_record("avro", frame(each, b"\4hi")) for each in some])
            assert {record.document for record in found} == {b'{"text":"hi"}'}


def test_without_a_registry_nothing_is_the_records_fault() -> None:
    """The configuration refuses it; should it come to it, records wait."""
    with pytest.raises(RegistryUnavailable, match="none is configured"):
        Documents(None, lambda _: Topic(Format.AVRO, 100)).of([make_record("avro", frame(1, b""))])
