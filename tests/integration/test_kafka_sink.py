"""The sink against a real broker: what is acknowledged, what can't be written, and what waits."""

from __future__ import annotations

import asyncio
import random
from pathlib import Path

import pytest
from confluent_kafka import KafkaError

from stream_guard.delivery.ports import Output, Report
from stream_guard.kafka.credentials import Credentials
from stream_guard.kafka.settings import KafkaSettings
from stream_guard.kafka.sink import KafkaSink
from tests.fixtures_kafka import Kafka
from tests.members import LogBook

pytestmark = pytest.mark.kafka


def make_output(topic: str, value: bytes | None, receipt: object = None) -> Output:
    """An output with the headers that are hard to keep: repeated, null and empty."""
    return Output(topic, b"key", value, (("a", b"1"), ("a", b"2"), ("none", None), ("empty", b"")), receipt)


async def all_reports(sink: KafkaSink, count: int) -> list[Report]:
    """The next `count` reports."""
    found: list[Report] = []
    async with asyncio.timeout(20):
        while len(found) < count:
            found += await sink.reports()
    return found


async def test_what_is_acknowledged_stands_in_the_topic(kafka: Kafka) -> None:
    """Key, value and headers arrive as given; a null value stays null; the receipt comes back untouched."""
    topic, sink, receipt = kafka.topic(), KafkaSink(kafka.settings(), log=LogBook()), object()
    outputs = [make_output(topic, b"one", receipt), make_output(topic, None, receipt), make_output(topic, b"", receipt)]
    sink.send(outputs)
    reports = await all_reports(sink, 3)
    await sink.close()
    assert [(r.output.receipt is receipt, r.error) for r in reports] == [(True, None)] * 3
    written = kafka.read(topic, 3)
    assert [(m.key(), m.value(), tuple(m.headers() or ())) for m in written] == [
        (b"key", o.value, o.headers) for o in outputs
    ]


async def test_a_record_that_is_too_large_is_reported_as_hopeless(kafka: Kafka) -> None:
    """The topic's limit speaks for that record alone; the ones around it are written."""
    topic, sink = kafka.topic(max_message_bytes="1000"), KafkaSink(kafka.settings(), log=LogBook())
    reports: list[Report] = []
    for value in (b"a", random.randbytes(2000), b"b"):
        sink.send([make_output(topic, value)])
        reports += await all_reports(sink, 1)
    await sink.close()
    errors = [(r.error or "").split(":")[0] for r in reports]
    assert errors == ["", "MSG_SIZE_TOO_LARGE", ""]
    assert not reports[1].retriable
    assert [m.value() for m in kafka.read(topic, 2)] == [b"a", b"b"]


async def test_a_record_that_the_client_refuses_is_a_report_too(kafka: Kafka) -> None:
    """`send` never raises: what the client won't even take is reported like the rest."""
    settings = kafka.settings(producer={"message.max.bytes": "1000"})
    topic, sink = kafka.topic(), KafkaSink(settings, log=LogBook())
    sink.send([make_output(topic, b"x" * 2000), make_output(topic, "no bytes, no text: 1")])  # type: ignore[arg-type]
    sink.send([Output(topic, b"k", b"v", (("h", 7),), None)])  # type: ignore[arg-type]
    reports = await all_reports(sink, 3)
    await sink.close()
    assert sorted((r.error or "").split(":")[0] for r in reports) == ["", "MSG_SIZE_TOO_LARGE", "not a Kafka record"]
    assert all(not r.retriable for r in reports if r.error)


async def test_a_full_queue_holds_back_and_keeps_the_order(kafka: Kafka) -> None:
    """More than the client has room for waits, is written in order, and is reported exactly once."""
    settings = kafka.settings(producer={"queue.buffering.max.messages": "50"})
    topic, sink = kafka.topic(), KafkaSink(settings, log=LogBook())
    sink.send([make_output(topic, b"%d" % i, i) for i in range(1000)])
    sink.send([make_output(topic, b"%d" % i, i) for i in range(1000, 1010)])
    reports = await all_reports(sink, 1010)
    await sink.close()
    assert [r.output.receipt for r in reports] == list(range(1010))
    assert [m.value() for m in kafka.read(topic, 1010)] == [b"%d" % i for i in range(1010)]


async def test_one_larger_than_the_whole_queue_does_not_wait_for_ever(kafka: Kafka) -> None:
    """What can never have room is reported as hopeless instead of holding back all others."""
    settings = kafka.settings(producer={"queue.buffering.max.kbytes": "100"})
    topic, sink = kafka.topic(), KafkaSink(settings, log=LogBook())
    sink.send([make_output(topic, b"x" * 200_000), make_output(topic, b"small")])
    large, small = sorted(await all_reports(sink, 2), key=lambda r: r.error is None)
    await sink.close()
    assert (large.retriable, "queue" in (large.error or "")) == (False, True)
    assert small.error is None


async def test_a_missing_topic_is_worth_another_try(kafka: Kafka) -> None:
    """An operator can make the topic: such an output is not given up."""
    settings = kafka.settings(producer={"topic.metadata.propagation.max.ms": "300"})
    sink = KafkaSink(settings, log=LogBook())
    sink.send([make_output(kafka.name("absent"), b"x")])
    (report,) = await all_reports(sink, 1)
    await sink.close()
    assert report.error
    assert report.retriable


async def test_the_producer_is_renewed_after_a_fatal_error(kafka: Kafka) -> None:
    """What it held is reported as not written, and the next outputs are."""
    topic, log = kafka.topic(), LogBook()
    sink = KafkaSink(kafka.settings(producer={"linger.ms": "500"}), log=log)
    sink.send([make_output(topic, b"held", "held")])
    sink._on_client_error(KafkaError(KafkaError._FATAL, "lost track", fatal=True))
    (held,) = await all_reports(sink, 1)
    sink.send([make_output(topic, b"after", "after")])
    (after,) = await all_reports(sink, 1)
    await sink.close()
    assert (held.output.receipt, bool(held.error), held.retriable) == ("held", True, True)
    assert (after.output.receipt, after.error) == ("after", None)
    assert "kafka.producer_renewed" in log.events()


async def test_a_new_producer_takes_over_in_order(kafka: Kafka, tmp_path: Path) -> None:
    """Where a certificate or a secret changes, outputs are written once each, and in order, across the two producers."""
    secret = tmp_path / "secret"
    secret.write_text("0", encoding="utf-8")
    credentials, log = Credentials({"ssl.key.password": secret}), LogBook()
    topic, sink = kafka.topic(), KafkaSink(kafka.settings(credentials=credentials), log=log)
    reports: list[Report] = []
    for turn in range(1, 6):
        secret.write_text(str(turn), encoding="utf-8")
        assert [credentials.look(), credentials.look()] == [(), ("ssl.key.password",)]
        sink.send([make_output(topic, b"%d" % i, i) for i in range(turn * 200 - 200, turn * 200)])
        reports += await all_reports(sink, 50)
    reports += await all_reports(sink, 1000 - len(reports))
    await sink.close()
    assert [(r.output.receipt, r.error) for r in reports] == [(number, None) for number in range(1000)]
    assert [m.value() for m in kafka.read(topic, 1001)] == [b"%d" % number for number in range(1000)]
    assert log.events().count("kafka.producer_replaced") == 5


async def test_closing_waits_for_what_is_under_way(kafka: Kafka) -> None:
    """Everything sent before is written, and its reports can still be collected."""
    topic, sink = kafka.topic(), KafkaSink(kafka.settings(producer={"linger.ms": "300"}), log=LogBook())
    sink.send([make_output(topic, b"x", i) for i in range(10)])
    await sink.close()
    assert [r.error for r in await sink.reports()] == [None] * 10


async def test_closing_without_a_broker_is_bounded() -> None:
    """What could not be written is reported so, and nothing is lost silently."""
    log = LogBook()
    settings = KafkaSettings(bootstrap="127.0.0.1:1", group="g", producer={"queue.buffering.max.messages": "2"})
    sink = KafkaSink(settings, log=log, close_s=0.2)
    sink.send([make_output("t", b"x", i) for i in range(5)])
    await sink.close()
    reports = await sink.reports()
    assert sorted(r.output.receipt for r in reports if isinstance(r.output.receipt, int)) == list(range(5))
    assert all(r.error and r.retriable for r in reports)
    assert "kafka.sink_gave_up" in log.events()
