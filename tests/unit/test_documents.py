from __future__ import annotations

from pathlib import Path

import pytest
from google.protobuf.descriptor_pb2 import FileDescriptorSet

from stream_guard.config import Settings
from stream_guard.documents import largest_document, open_documents
from stream_guard.errors import ConfigError
from stream_guard.events.reader import Format
from stream_guard.records import Lease, Record
from stream_guard.routing import Limits, Route, Routes
from tests.cases import make_route
from tests.framed import proto_class, proto_file
from tests.stub_registry import StubRegistry


def make_settings(read: dict[str, str], **more: object) -> Settings:
    """Settings with one route for topic chat."""
    return Settings.model_validate({
        "kafka": {"bootstrap_servers": "localhost:9092", "start": "earliest"},
        "engine": {"kind": "scripted"},
        "policies": ["policies"],
        "routes": [{
            "name": "chat", "topic": "chat", "judge": ["message"], "policies": ["spam"], "read": read,
            "outputs": {"verdicts": "v", "rulings": "r", "dead_letters": "d"},
        }],
        **more,
    })  # fmt: skip


def make_routes(format_: Format) -> Routes:
    """The same route, bound; it takes no record of more than 100 bytes."""
    route: Route = make_route(format=format_, limits=Limits(record_bytes=100))
    return Routes([route])


def test_without_such_a_format_there_is_nothing_to_decode() -> None:
    """And no registry is needed."""
    assert open_documents(make_settings({}), make_routes(Format.JSON)) is None
    assert open_documents(make_settings({"format": "text"}), make_routes(Format.TEXT)) is None


def test_room_is_kept_for_the_largest_document() -> None:
    """None where values are read as they are."""
    found = [largest_document(make_routes(each)) for each in (Format.JSON, Format.TEXT, Format.AVRO, Format.PROTOBUF)]
    assert found == [0, 0, 100, 100]


def test_a_route_decodes_as_it_is_configured(stub: StubRegistry) -> None:
    """Its format, its limit, and the configured registry; topics of no route stay as they are."""
    number = stub.add({"type": "record", "name": "R", "fields": [{"name": "text", "type": "string"}]})
    settings = make_settings({"format": "avro"}, schema_registry={"url": stub.url})
    documents = open_documents(settings, make_routes(Format.AVRO))
    assert documents is not None
    value = b"\0" + number.to_bytes(4, "big") + b"\4hi"
    records = [Record(Lease(topic, 0, 1), 0, value) for topic in ("chat", "other")]
    assert [record.document for record in documents.of(records)] == [b'{"text":"hi"}', None]
    assert documents.of([Record(Lease("chat", 0, 1), 0, value + bytes(100))])[0].document is None
    documents.close()


def test_descriptors_are_read_from_their_file(tmp_path: Path) -> None:
    """Once, at the start."""
    path = tmp_path / "talk.bin"
    path.write_bytes(FileDescriptorSet(file=[proto_file()]).SerializeToString())
    read = {"format": "protobuf", "descriptors": str(path), "message": "talk.Message"}
    documents = open_documents(make_settings(read), make_routes(Format.PROTOBUF))
    assert documents is not None
    value = b"\0\0\0\0\1\2\2" + proto_class()(kind="message", content="hi").SerializeToString()
    assert documents.of([Record(Lease("chat", 0, 1), 0, value)])[0].document == b'{"kind":"message","content":"hi"}'


@pytest.mark.parametrize(
    ("content", "why"),
    [(b"\xff", "is no set of descriptors"), (b"", "has no message type a.B"), (None, "can't be read")],
)
def test_descriptors_that_can_not_be_used_are_an_error_of_the_configuration(
    tmp_path: Path, content: bytes | None, why: str
) -> None:
    """Found at the start, not with the first record."""
    path = tmp_path / "talk.bin"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ConfigError, match=why):
        open_documents(
            make_settings({"format": "protobuf", "descriptors": str(path), "message": "a.B"}),
            make_routes(Format.PROTOBUF),
        )
