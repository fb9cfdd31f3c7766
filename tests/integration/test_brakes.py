"""Partitions that are held back, one by one, against a real broker: by the source, and by the whole service."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from confluent_kafka.admin import AlterConfigOpType, ConfigEntry, ConfigResource

from stream_guard.kafka.settings import GroupProtocol
from stream_guard.records import Lease
from tests.fixtures_kafka import Kafka
from tests.members import Member, member
from tests.published import Plan, message
from tests.service import Flow, Service, Services, ends

pytestmark = pytest.mark.kafka

BAD = b"this is no JSON"
GOING_ON_S = 45.0
"""A dead letter that failed waits for half a minute at most before it is sent again."""


def lease_of(joined: Member, partition: int) -> Lease:
    """The lease of a partition that a member holds."""
    (lease,) = [lease for lease in joined.held if lease.partition == partition]
    return lease


def offsets(joined: Member, partition: int) -> list[int]:
    """The offsets of what a member had of a partition."""
    return [record.offset for record in joined.records if record.partition == partition]


async def settled(joined: Member) -> int:
    """How many records came, once what was on its way has."""
    before = -1
    while before != (before := len(joined.records)):  # noqa: ASYNC110 - what it looks at tells nobody of a change
        await asyncio.sleep(1.0)
    return before


@pytest.mark.parametrize("protocol", GroupProtocol)
async def test_a_lease_that_is_paused_is_not_read_on_and_loses_nothing(kafka: Kafka, protocol: GroupProtocol) -> None:
    """In the midst of a backlog: the other is read, the lease is held, and reading goes on where it stopped."""
    topic = kafka.topic(2)
    kafka.send(topic, [b"x" * 100] * 20_000)
    async with member(kafka.settings(protocol=protocol), topic, room=100) as joined:
        await joined.until(lambda: len(joined.records) > 500)
        paused = lease_of(joined, 0)
        joined.source.pause([paused])
        came = await settled(joined)
        assert came < 20_000
        kafka.send(topic, [b"y"] * 50, partition=1)
        await joined.until(lambda: len(offsets(joined, 1)) == 50)
        await asyncio.sleep(4.0)
        assert len(offsets(joined, 0)) == came
        assert paused in joined.held
        joined.source.resume([paused])
        await joined.until(lambda: len(offsets(joined, 0)) == 20_000, 60.0)
        assert offsets(joined, 0) == list(range(20_000))


async def test_a_pause_outlives_a_rebalance_but_not_its_lease(kafka: Kafka) -> None:
    """What stays is still paused after others came and went; what comes back is read, however it was before."""
    topic, settings = kafka.topic(2), kafka.settings()
    async with member(settings, topic) as first:
        await first.until(lambda: len(first.held) == 2)
        for partition in (0, 1):
            kafka.send(topic, [b"x"], partition=partition)
        await first.until(lambda: len(first.records) == 2)
        first.source.pause(list(first.held))
        async with member(settings, topic) as second:
            await second.until(lambda: len(second.held) == 1 and len(first.held) == 1)
        await first.until(lambda: len(first.held) == 2)
        (kept,) = [lease for lease in first.held if lease.epoch <= 2]
        for partition in (0, 1):
            kafka.send(topic, [b"y"] * 3, partition=partition)
        await first.until(lambda: len(offsets(first, 1 - kept.partition)) >= 4)
        await asyncio.sleep(3.0)
        assert offsets(first, kept.partition) == [0]
        first.source.resume([kept])
        await first.until(lambda: offsets(first, kept.partition) == [0, 1, 2, 3])


async def test_a_pause_and_a_want_of_credit_do_not_mix(kafka: Kafka) -> None:
    """When there is room again, after everything was paused, what is held back stays so."""
    topic = kafka.topic(2)
    for partition in (0, 1):
        kafka.send(topic, [b"x"] * 300, partition=partition)
    async with member(kafka.settings(), topic, room=None) as joined:
        joined.source.grant(50)
        await joined.until(lambda: len(joined.records) == 50)
        joined.source.pause([lease_of(joined, 0)])
        await asyncio.sleep(3.0)  # so long without credit pauses everything
        came = len(offsets(joined, 0))
        joined.source.grant(1_000)
        await joined.until(lambda: len(offsets(joined, 1)) == 300)
        await asyncio.sleep(1.0)
        # What slipped through, and was kept, between the last credit and the pause.
        assert len(offsets(joined, 0)) < max(came + 150, 300)
        joined.source.resume([lease_of(joined, 0)])
        await joined.until(lambda: len(offsets(joined, 0)) == 300)
        assert offsets(joined, 0) == list(range(300))


def limit(kafka: Kafka, topic: str, size: int) -> None:
    """Sets how large a record a topic takes, in bytes."""
    entry = ConfigEntry("max.message.bytes", str(size), incremental_operation=AlterConfigOpType.SET)
    resource = ConfigResource(ConfigResource.Type.TOPIC, topic, incremental_configs=[entry])
    for done in kafka.admin.incremental_alter_configs([resource]).values():
        done.result(10)


def halted(service: Service) -> list[tuple[str, str]]:
    """Which partitions are halted, and why, as the metrics have it."""
    samples = service.samples("stream_guard_partitions_halted")
    return sorted((labels["partition"], labels["reason"]) for labels, value in samples if value)


def note(service: Service) -> str:
    """What it says beside that it is ready."""
    status, body = service.get("/ready")
    answer: dict[str, Any] = json.loads(body)
    return str(answer.get("note", "")) if status == 200 else f"not ready: {answer['reason']}"


@pytest.mark.slow
def test_a_dead_letter_that_does_not_fit_halts_its_partition_alone_until_it_does(
    flow: Flow, services: Services
) -> None:
    """Nothing is dropped, the other partition is read to its end, and once the topic takes it all goes on by itself."""
    kafka = flow.kafka
    service = services.start(flow.configuration())
    service.until_ready()
    limit(kafka, flow.dead_letters, 100)
    kafka.send(flow.source, [_value(message(0)), BAD, *[_value(message(n)) for n in range(1, 5)]], partition=0)
    service.until(lambda: halted(service) == [("0", "dead_letter_not_written")])
    kafka.send(flow.source, [_value(message(n)) for n in range(50)], partition=1)
    service.until(lambda: flow.committed().get(1) == 50)
    assert flow.committed().get(0, 0) <= 1
    assert note(service) == f"halted: {flow.source}[0] (dead_letter_not_written)"
    assert service.get("/live")[0] == 200
    (line,) = service.logged("partition.halted")
    assert (line["partition"], line["topic"]) == (0, flow.source)
    assert "Let the service write there" in line["detail"]
    limit(kafka, flow.dead_letters, 1_048_588)
    service.until(flow.done, GOING_ON_S)
    assert [line["partition"] for line in service.logged("partition.goes_on")] == [0]
    assert (halted(service), note(service)) == ([], "")
    kafka.send(flow.source, [_value(message(9))], partition=0)
    service.until(flow.done)
    assert service.terminate() == 0
    assert sum(ends(kafka, flow.dead_letters).values()) == 1
    assert sum(ends(kafka, flow.rulings).values()) == sum(flow.ends().values())


@pytest.mark.slow
def test_a_dead_letter_topic_that_is_gone_halts_until_it_is_back(flow: Flow, services: Services) -> None:
    """Deleted while the service runs: the record waits, and nothing is dropped; made anew, it takes the dead letter."""
    kafka = flow.kafka
    service = services.start(flow.configuration())
    service.until_ready()
    for deleted in kafka.admin.delete_topics([flow.dead_letters]).values():
        deleted.result(10)
    # Told as done before the broker has done it: what it took until then would be acknowledged, and gone.
    service.until(lambda: flow.dead_letters not in kafka.admin.list_topics(timeout=10).topics)
    kafka.send(flow.source, [_value(message(0)), BAD, _value(message(1))], partition=0)
    service.until(lambda: halted(service) == [("0", "dead_letter_not_written")])
    assert flow.committed().get(0, 0) <= 1
    (line,) = service.logged("partition.halted")
    assert "UNKNOWN_TOPIC" in line["detail"]
    kafka.topic(1, name=flow.dead_letters)
    service.until(flow.done, GOING_ON_S)
    service.until(lambda: halted(service) == [])
    assert service.terminate() == 0
    assert sum(ends(kafka, flow.dead_letters).values()) == 1
    assert sum(ends(kafka, flow.rulings).values()) == sum(flow.ends().values())


@pytest.mark.slow
def test_a_bad_deploy_stops_after_so_many_dead_letters(flow: Flow, services: Services) -> None:
    """The rest stays where it is; the other partition is read on; after a restart as many are tried again."""
    kafka = flow.kafka
    configuration = flow.configuration(dead_letters={"max_consecutive": 20})
    kafka.send(flow.source, [BAD] * 300, partition=0)
    service = services.start(configuration)
    service.until(lambda: halted(service) == [("0", "too_many_dead_letters")], 60.0)
    kafka.send(flow.source, [_value(message(n)) for n in range(50)], partition=1)
    service.until(lambda: flow.committed() == {0: 20, 1: 50})
    assert note(service) == f"halted: {flow.source}[0] (too_many_dead_letters)"
    (line,) = service.logged("partition.halted")
    assert line["detail"].startswith("20 records in a row were dead-lettered, most of them (20) for not_json")
    assert service.terminate() == 0
    assert sum(ends(kafka, flow.dead_letters).values()) == 20
    again = services.start(configuration)
    again.until(lambda: flow.committed() == {0: 40, 1: 50}, 60.0)
    again.until(lambda: halted(again) == [("0", "too_many_dead_letters")])
    assert again.terminate() == 0
    mended = services.start(flow.configuration(dead_letters={"max_consecutive": None, "max_ratio": None}))
    mended.until(flow.done, 60.0)
    assert mended.terminate() == 0
    assert sum(ends(kafka, flow.dead_letters).values()) == 300


def _value(plan: Plan) -> bytes:
    return plan.value or b""
