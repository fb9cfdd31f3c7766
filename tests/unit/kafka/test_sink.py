"""What the sink says of outputs that are not written."""

from __future__ import annotations

from confluent_kafka import KafkaError, Message

from stream_guard.delivery.ports import Output
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
