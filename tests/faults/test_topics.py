"""Logs that are not as a plain producer leaves them: gaps, control records, foreign commit metadata, a topic made anew."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from confluent_kafka import Consumer, KafkaException, Producer
from confluent_kafka import TopicPartition as Position

from tests.faults.history import CommitWatch, read_history
from tests.faults.oracle import Promise, judge
from tests.faults.stage import make_topics
from tests.fixtures_kafka import Kafka
from tests.published import message
from tests.service import START_S, Flow, Services

pytestmark = [pytest.mark.kafka, pytest.mark.slow, pytest.mark.timeout(180)]

_RECORDS = 60


@pytest.fixture
def flow(kafka: Kafka, tmp_path: Path) -> Flow:
    """Topics that tell when the broker appended what."""
    return make_topics(kafka, tmp_path, 1)


def send_in_transactions(flow: Flow) -> None:
    """Ten records a transaction; every second transaction is aborted. Each leaves a control record behind."""
    producer = Producer({**flow.kafka.own, "transactional.id": flow.group})
    producer.init_transactions(30)
    for first in range(0, _RECORDS, 10):
        producer.begin_transaction()
        for number in range(first, first + 10):
            producer.produce(flow.source, message(number).value, b"room", partition=0)
        if first % 20:
            producer.abort_transaction(30)
        else:
            producer.commit_transaction(30)


def send_with_gaps(flow: Flow) -> None:
    """The log begins in the middle: what stood before is gone."""
    flow.kafka.send(flow.source, [message(number).value for number in range(_RECORDS)], key=b"room")
    flow.kafka.delete_before(flow.source, 0, _RECORDS // 2)


def reached_the_end(flow: Flow) -> bool:
    """Whether the group has committed past the last record; behind it only a control record may stand."""
    try:
        return flow.committed().get(0, 0) >= flow.ends()[0] - 1
    except KafkaException:
        return False


@pytest.mark.parametrize("fill", [send_in_transactions, send_with_gaps])
def test_gaps_and_control_records_are_passed(flow: Flow, services: Services, fill: Callable[[Flow], None]) -> None:
    """Offsets that hold no record are no records that are missing; of an aborted transaction nothing is judged."""
    fill(flow)
    with CommitWatch(flow, 1) as watch:
        service = services.start(flow.configuration(), "--attach")
        service.until(lambda: reached_the_end(flow), START_S)
        assert service.terminate() == 0
        history = read_history(flow, watch.seen)
    assert judge(history, Promise(_RECORDS, 0)).broken == []
    assert len(history.rulings) == _RECORDS // 2


def test_foreign_commit_metadata_is_no_obstacle(flow: Flow, services: Services) -> None:
    """Another program committed for the group, and left what means nothing to us: its offset counts."""
    flow.kafka.send(flow.source, [message(number).value for number in range(_RECORDS)], key=b"room")
    consumer = Consumer({**flow.kafka.own, "group.id": flow.group})
    consumer.commit(offsets=[Position(flow.source, 0, 20, "\x01{not ours \u00e9")], asynchronous=False)
    consumer.close()
    service = services.start(flow.configuration())
    service.until(flow.done, START_S)
    assert service.terminate() == 0
    assert sorted(output.place.offset for output in read_history(flow, ()).rulings) == list(range(20, _RECORDS))


def test_a_topic_that_is_made_anew_is_read_from_its_beginning(flow: Flow, services: Services) -> None:
    """Its records are others, also where their offsets are the same: no verdict of one is taken for one of the other."""
    flow.kafka.send(flow.source, [message(number).value for number in range(10)], key=b"room")
    service = services.start(flow.configuration(), "--attach")
    service.until(flow.done, START_S)
    assert service.terminate() == 0
    make_anew(flow)
    flow.kafka.send(flow.source, [message(number).value for number in range(100, 110)], key=b"room")
    again = services.start(flow.configuration(name="again"), "--attach")
    again.until(flow.done, START_S)
    assert again.terminate() == 0
    assert len(subjects(flow)) == 20


@pytest.mark.parametrize("protocol", ["classic", "consumer"])
def test_a_topic_that_is_made_anew_under_a_member(flow: Flow, services: Services, protocol: str) -> None:
    """It is deleted and made anew while it is read: the new one is read from its beginning, and its records have ids of their own."""
    flow.kafka.send(flow.source, [message(number).value for number in range(10)], key=b"room")
    service = services.start(flow.configuration(kafka={"group_protocol": protocol}), "--attach")
    service.until(flow.done, START_S)
    make_anew(flow)
    flow.kafka.send(flow.source, [message(number).value for number in range(100, 105)], key=b"room")
    service.until(lambda: len(subjects(flow)) == 15, START_S)
    service.until(lambda: reached_the_end(flow), START_S)
    assert service.terminate() == 0
    assert len(subjects(flow)) == len(read_history(flow, ()).rulings) == 15


def make_anew(flow: Flow) -> None:
    """Deletes the source topic and makes one of the same name at once."""
    flow.kafka.make_anew(flow.source, max_message_bytes="200000", message_timestamp_type="LogAppendTime")


def subjects(flow: Flow) -> set[str]:
    """What has been ruled on: ids of events."""
    rulings = [output.what for output in read_history(flow, ()).rulings]
    return {ruling.subject for ruling in rulings if ruling is not None}
