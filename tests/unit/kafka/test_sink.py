"""What the sink says of outputs that are not written."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from confluent_kafka import KafkaError, Message, Producer

from stream_guard.delivery.ports import Output, Report
from stream_guard.errors import StartRefused
from stream_guard.kafka.credentials import Credentials
from stream_guard.kafka.settings import KafkaSettings
from stream_guard.kafka.sink import KafkaSink
from tests.members import LogBook


async def test_why_outputs_are_not_written_is_told_once() -> None:
    """Each is sent again for ever: the operator must hear why, but not once for every try; and hear that it is over."""
    log = LogBook()
    sink = KafkaSink(KafkaSettings(bootstrap="127.0.0.1:1", group="g"), log=log, close_s=0.0)
    outputs = [Output("verdicts", b"k", b"v", (), None), Output("rulings", b"k", b"v", (), None)]
    denied, missing = KafkaError(KafkaError.TOPIC_AUTHORIZATION_FAILED), KafkaError(KafkaError._UNKNOWN_TOPIC)
    for error in (denied, denied, missing, None, None):
        for output in outputs:
            sink._on_delivery(output, error, Message())
    told = [(event, fields["topic"]) for event, fields in log.lines]
    await sink.close()
    for topic in ("verdicts", "rulings"):
        assert [event for event, of in told if of == topic] == ["kafka.not_written"] * 2 + ["kafka.written_again"]
    assert [report.error is None for report in await sink.reports()] == [False] * 6 + [True] * 4


def make_rotating(folder: Path, monkeypatch: pytest.MonkeyPatch, log: LogBook) -> tuple[KafkaSink, Path, Credentials]:
    """A sink without a broker that waits 0.2 s for a hand-over, and a file that makes its producer give way."""
    monkeypatch.setattr("stream_guard.kafka.sink._HAND_OVER_S", 0.2)
    secret = folder / "secret"
    secret.write_text("first", encoding="utf-8")
    credentials = Credentials({"ssl.key.password": secret})
    settings = KafkaSettings(bootstrap="127.0.0.1:1", group="g", credentials=credentials)
    return KafkaSink(settings, log=log, close_s=0.0), secret, credentials


async def test_a_producer_that_can_not_deliver_gives_way_and_loses_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What it held is reported as not written, each output once; what came meanwhile waits for the next one."""
    log = LogBook()
    sink, secret, credentials = make_rotating(tmp_path, monkeypatch, log)
    held = [Output("t", b"k", b"v", (), number) for number in range(5000)]
    sink.send(held)
    old = sink._producer
    secret.write_text("second", encoding="utf-8")
    assert [credentials.look(), credentials.look()] == [(), ("ssl.key.password",)]
    reports: list[Report] = []
    sink._serve()
    sink.send([Output("t", b"k", b"later", (), "later")])
    async with asyncio.timeout(10):
        while len(reports) < len(held):
            reports += await sink.reports()
    assert sink._producer is not old
    assert [report.output.receipt for report in reports] == list(range(5000))
    assert all(report.error and report.retriable for report in reports)
    assert len(sink._producer)  # the client counts its own errors, too
    assert not sink._retired
    assert ("kafka.producer_replaced", {"given_up": 5000}) in log.lines
    await sink.close()
    assert [report.output.receipt for report in await sink.reports()] == ["later"]


async def test_a_retired_producer_does_not_break_the_next(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A fatal error that it still reports is no news of the one at work."""
    sink, _, _ = make_rotating(tmp_path, monkeypatch, LogBook())
    sink.send([Output("t", b"k", b"v", (), None)])
    sink._replace(sink._make())
    at_work = sink._producer
    monkeypatch.setattr("stream_guard.kafka.sink.fatal", lambda error: error.code() == KafkaError._PURGE_QUEUE)
    assert len(await sink.reports()) == 1
    sink._serve()
    assert sink._producer is at_work
    await sink.close()


async def test_a_producer_that_can_not_be_made_leaves_the_old_one_at_work(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A certificate without its key must not end a service that works."""
    log = LogBook()
    sink, secret, credentials = make_rotating(tmp_path, monkeypatch, log)
    old = sink._producer

    def refused() -> Producer:
        raise StartRefused("key and certificate do not match")

    monkeypatch.setattr(sink, "_make", refused)
    secret.write_text("second", encoding="utf-8")
    assert [credentials.look(), credentials.look()] == [(), ("ssl.key.password",)]
    sink._serve()
    assert sink._producer is old
    assert ("kafka.producer_kept", {"reason": "key and certificate do not match"}) in log.lines
    await sink.close()


async def test_a_broken_producer_is_kept_until_another_can_be_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Certificates may be exchanged just then: no output is given to the broken one, and the next try is a while later."""
    log = LogBook()
    sink, _, _ = make_rotating(tmp_path, monkeypatch, log)
    made: list[Producer] = []

    def refused() -> Producer:
        made.append(sink._producer)
        raise StartRefused("key and certificate do not match")

    monkeypatch.setattr(sink, "_make", refused)
    sink._broken = True
    sink._serve()
    sink._serve()
    assert len(made) == 1
    assert log.events().count("kafka.producer_kept") == 1
    sink.send([Output("t", b"k", b"v", (), None)])
    async with asyncio.timeout(30):
        while len(sink._producer):  # an output would stay; what it says of the broker that is away is taken by a poll
            await asyncio.sleep(0.01)
            sink._producer.poll(0)
    await sink.close()
