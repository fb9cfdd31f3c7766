"""Avro, Protobuf and JSON Schema on a real broker with a real schema registry, which goes away and comes back."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka.schema_registry import Schema
from grpc_tools import protoc

from stream_guard.events.reader import Format
from tests.framed import PROTO, Write, foreign_avro, foreign_protobuf, writer
from tests.published import Fate, Feed, Plan, check, check_committed, read_published
from tests.registry import Registry, Way
from tests.service import MARKER, START_S, Flow, Service, Services

pytestmark = [pytest.mark.kafka, pytest.mark.registry, pytest.mark.slow, pytest.mark.timeout(240)]

FORMATS = (Format.AVRO, Format.PROTOBUF, Format.JSON_SCHEMA)
_UNKNOWN_ID = b"\0\x00\x7f\xff\xff"


def _event(number: int, **more: Any) -> dict[str, Any]:
    content = f"Are you coming to the match, {MARKER}, {number}?"
    return {"kind": "message", "id": f"m-{number}", "content": content, **more}


def _judged(write: Write, numbers: Iterable[int], **more: Any) -> list[Plan]:
    return [Plan(Fate.JUDGED, write(_event(number, **more)), key=b"room-%d" % (number % 7)) for number in numbers]


def _garbage(write: Write, foreign: Write) -> list[Plan]:
    """What is no frame, of no schema, cut, of another's type, or nothing at all."""
    good = write(_event(0))
    values = (
        b'{"kind": "message", "content": "plain JSON"}',
        b"\0\0",
        b"",
        _UNKNOWN_ID + good[5:],
        good[:-3],
        foreign(_event(1)),
    )
    letters = [Plan(Fate.DEAD_LETTERED, value, "undecodable", headers=(("a", b"1"), ("a", None))) for value in values]
    return [*letters, Plan(Fate.IGNORED, None, "tombstone")]


def _configuration(flow: Flow, url: str, format_: Format, **more: Any) -> Path:
    read = {"format": str(format_), **more}
    return flow.configuration(route={"read": read}, schema_registry={"url": url, "timeout": "2s"})


def _waits(service: Service) -> bool:
    return (service.unready() or "").startswith("the schema registry is unavailable: no answer")


def _checked(feed: Feed, flow: Flow, *services: Service) -> None:
    published = read_published(flow)
    assert check(feed.sent, published).total() == sum(flow.ends().values())
    check_committed(feed.sent, published, flow.committed())
    for service in services:
        assert MARKER not in service.stderr + service.stdout


@pytest.mark.parametrize("format_", FORMATS)
def test_records_of_each_format_are_judged_and_garbage_is_kept(
    flow: Flow, services: Services, registry: Registry, format_: Format
) -> None:
    """Verdicts and rulings for what its schema can read, a dead letter byte for byte for what not, a tombstone ignored."""
    write = writer(format_, registry.client, flow.source)
    foreign = writer(
        Format.AVRO if format_ is not Format.AVRO else Format.JSON_SCHEMA, registry.client, f"{flow.source}-other"
    )
    service = services.start(_configuration(flow, registry.url, format_))
    feed = Feed(flow)
    feed.send([*_judged(write, range(20)), *_garbage(write, foreign), *_judged(write, range(20, 40))])
    service.until(flow.done, START_S)
    assert service.terminate() == 0
    assert flow.done()
    _checked(feed, flow, service)


@pytest.mark.parametrize("format_", FORMATS)
def test_a_registry_that_is_away_costs_no_record(
    flow: Flow, services: Services, registry: Registry, way: Way, format_: Format
) -> None:
    """Down before the first record, and again when a new schema appears: all wait, the service says why, and all are judged."""
    way.cut()
    write = writer(format_, registry.client, flow.source)
    service = services.start(_configuration(flow, way.url, format_))
    service.until_ready()
    feed = Feed(flow)
    feed.send(_judged(write, range(30)))
    service.until(lambda: _waits(service))
    assert service.get("/live")[0] == 200
    assert service.count("stream_guard_registry_up") == 0
    assert service.count("stream_guard_records_total") == 0
    way.mend()
    service.until(flow.done)
    service.until_ready()

    way.cut()
    feed.send(_judged(write, range(30, 40)))
    service.until(flow.done)  # a schema that is known needs no registry
    newer = writer(format_, registry.client, flow.source, "language")
    feed.send([*_judged(newer, range(40, 60), language="en"), *_judged(write, range(60, 80))])
    service.until(lambda: _waits(service))
    time.sleep(1)
    assert service.count("stream_guard_records_total", outcome="dead_lettered") == 0
    way.mend()
    service.until(flow.done)
    service.until_ready()
    assert service.count("stream_guard_registry_up") == 1
    assert service.terminate() == 0
    assert [len(service.logged(event)) for event in ("registry.unavailable", "registry.wait_over")] == [2, 2]
    _checked(feed, flow, service)


def test_a_rebalance_and_a_stop_do_not_wait_for_the_registry(
    flow: Flow, services: Services, registry: Registry, way: Way
) -> None:
    """While records wait, another member gets its share, and a stop ends at once; whoever is left judges all of it."""
    way.cut()
    write = writer(Format.AVRO, registry.client, flow.source)
    configuration = _configuration(flow, way.url, Format.AVRO)
    first = services.start(configuration)
    feed = Feed(flow)
    feed.send(_judged(write, range(200)))
    first.until(lambda: _waits(first), START_S)
    second = services.start(configuration)
    second.until(lambda: len(second.partitions()) == len(first.partitions()) == 1, START_S)
    second.until(lambda: _waits(second))
    begun = time.monotonic()
    assert first.terminate() == 0
    assert time.monotonic() - begun < 6.0
    assert first.logged("partitions.stopped") == []
    second.until(lambda: len(second.partitions()) == 2)
    way.mend()
    second.until(flow.done)
    assert second.terminate() == 0
    _checked(feed, flow, first, second)
    assert not read_published(flow).repeated


def test_protobuf_of_a_registry_that_keeps_the_text_alone(
    flow: Flow, services: Services, registry: Registry, tmp_path: Path
) -> None:
    """Apicurio serves what was registered: with the operator's descriptors the frame's index picks the type all the same."""
    source, descriptors = tmp_path / "talk.proto", tmp_path / "talk.bin"
    source.write_text(PROTO)
    arguments = ["--include_imports", f"--descriptor_set_out={descriptors}", f"-I{tmp_path}", source.name]
    assert protoc.main(["protoc", *arguments]) == 0
    schema_id = registry.client.register_schema(f"{flow.source}-value", Schema(PROTO, "PROTOBUF"))
    frame = b"\0" + schema_id.to_bytes(4, "big")
    write = writer(Format.PROTOBUF, registry.client, f"{flow.source}-elsewhere")

    def rewrite(event: Any) -> bytes:
        return frame + write(event)[5:]

    wrong = [
        Plan(Fate.DEAD_LETTERED, frame + value, "undecodable") for value in (b"\x02\x10x", b"\x02\x02\x0a\x7f", b"")
    ]
    # Index 0 is `Other`, which has no content: decoded, and no event of ours.
    other = Plan(Fate.DEAD_LETTERED, frame + b"\0\x0a\x07message", "invalid_event")
    service = services.start(
        flow.configuration(
            route={"read": {"format": "protobuf", "descriptors": descriptors.name, "message": "talk.Message"}}
        )
    )
    feed = Feed(flow)
    feed.send([*_judged(rewrite, range(10)), *wrong, other])
    service.until(flow.done, START_S)
    assert service.terminate() == 0
    _checked(feed, flow, service)


_TICKETS = {
    "chat": {
        "id": "$.number", "created_at": "$.at",
        "turns": "$.lines", "role": "$.by", "text": "$.said", "roles": {"CUSTOMER": "user", "BOT": "assistant"},
    }
}  # fmt: skip


def _ticket(number: int, *lines: str) -> dict[str, Any]:
    said = [{"by": ("CUSTOMER", "BOT")[n % 2], "said": f"{line} {MARKER}"} for n, line in enumerate(lines)]
    at = 1_790_000_000_000 + number
    return {"number": number, "at": at, "expires": 2**63 - 1, "mood": float("nan"), "lines": said}


@pytest.mark.parametrize(("format_", "writes"), [(Format.AVRO, foreign_avro), (Format.PROTOBUF, foreign_protobuf)])
def test_a_topic_that_nobody_prepared_is_read_by_its_mapping(
    flow: Flow, services: Services, registry: Registry, format_: Format, writes: Callable[..., Write]
) -> None:
    """Paths find enums by name (the first one too), arrays and times; a chat without lines is a dead letter that says so."""
    write = writes(registry.client, flow.source)
    service = services.start(_configuration(flow, registry.url, format_, mapping=_TICKETS))
    feed = Feed(flow)
    plans = [Plan(Fate.JUDGED, write(_ticket(n, "My parcel is late", "It is on its way", "Thanks"))) for n in range(20)]
    feed.send([*plans, Plan(Fate.DEAD_LETTERED, write(_ticket(99)), "unmapped")])
    service.until(flow.done, START_S)
    assert service.terminate() == 0
    _checked(feed, flow, service)
    verdicts = [found for each in read_published(flow).verdicts.values() for found in each]
    assert {found.event_id for found in verdicts} == {str(n) for n in range(20)}
