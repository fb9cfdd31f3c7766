"""The source in a group, against a real broker: partitions that come, go and are lost."""

from __future__ import annotations

import asyncio
import time

import pytest

from stream_guard.kafka.settings import GroupProtocol
from stream_guard.records import Lost, Revoking
from tests.fixtures_kafka import Kafka
from tests.members import member

pytestmark = pytest.mark.kafka


@pytest.mark.parametrize("protocol", GroupProtocol)
async def test_a_hand_over_repeats_and_loses_nothing(kafka: Kafka, protocol: GroupProtocol) -> None:
    """What the first member settled when asked to let go is committed before the second begins."""
    topic, settings = kafka.topic(4), kafka.settings(protocol=protocol)
    for partition in range(4):
        kafka.send(topic, [b"%d" % i for i in range(50)], partition=partition)
    async with member(settings, topic) as first:
        await first.until(lambda: len(first.records) == 200)
        async with member(settings, topic) as second:
            await second.until(lambda: len(second.held) == 2 and len(first.held) == 2)
            assert {lease[:2] for lease in first.held}.isdisjoint({lease[:2] for lease in second.held})
            for partition in range(4):
                kafka.send(topic, [b"later"], partition=partition)
            await second.until(lambda: len(first.records) + len(second.records) == 204)
            await asyncio.sleep(0.3)
            assert len(first.records) + len(second.records) == 204
            assert second.values == [b"later", b"later"]


async def test_an_eager_assignor_works_too(kafka: Kafka) -> None:
    """Where the operator chose one, every partition is let go and comes back under a new epoch."""
    topic = kafka.topic(2)
    settings = kafka.settings(consumer={"partition.assignment.strategy": "range"})
    for partition in (0, 1):
        kafka.send(topic, [b"x"] * 10, partition=partition)
    async with member(settings, topic) as first:
        await first.until(lambda: len(first.records) == 20)
        before = first.held
        async with member(settings, topic) as second:
            await second.until(lambda: len(second.held) == 1 and len(first.held) == 1)
            assert not first.held & before
            await asyncio.sleep(0.3)
            assert len(first.records) + len(second.records) == 20


async def test_a_drain_that_is_too_slow_is_not_waited_for(kafka: Kafka) -> None:
    """After `drain_s` the partitions go, unsettled; a late answer neither stores nor commits."""
    topic, settings = kafka.topic(2), kafka.settings(drain_s=0.5)
    for partition in (0, 1):
        kafka.send(topic, [b"x"] * 10, partition=partition)
    async with member(settings, topic, answers=False) as first:
        await first.until(lambda: len(first.records) == 20)
        async with member(settings, topic) as second:
            await second.until(lambda: second.held)
            (revoking,) = (s for s in first.signals if isinstance(s, Revoking))
            first.source.released(revoking.leases, first.done(*revoking.leases))
            first.source.store(first.done(*revoking.leases))
            await second.until(lambda: len(second.records) == 10)
            await asyncio.sleep(1.3)
            assert kafka.committed(settings.group, topic, 2) == {}


async def test_what_is_stored_during_a_drain_counts(kafka: Kafka) -> None:
    """Offsets stored while the source waits are committed though the answer never comes."""
    topic, settings = kafka.topic(2), kafka.settings(drain_s=1.0)
    for partition in (0, 1):
        kafka.send(topic, [b"x"] * 10, partition=partition)
    async with member(settings, topic, answers=False) as first:
        await first.until(lambda: len(first.records) == 20)
        async with member(settings, topic, room=None) as second:
            await first.until(lambda: first.of(Revoking))
            (revoking,) = (s for s in first.signals if isinstance(s, Revoking))
            first.source.store(dict.fromkeys(revoking.leases, 4))
            await second.until(lambda: second.held)
            assert list(kafka.committed(settings.group, topic, 2).values()) == [4]


async def test_closing_during_a_drain_does_not_wait(kafka: Kafka) -> None:
    """A member that is told to stop while it drains stops at once."""
    topic, settings = kafka.topic(2), kafka.settings(drain_s=20.0)
    async with member(settings, topic, answers=False) as first:
        await first.until(lambda: len(first.held) == 2)
        async with member(settings, topic):
            await first.until(lambda: first.of(Revoking))
            began = time.monotonic()
            await first.source.close()
            assert time.monotonic() - began < 5


@pytest.mark.parametrize("protocol", GroupProtocol)
async def test_a_member_that_missed_its_polls_rewinds_nobody(kafka: Kafka, protocol: GroupProtocol) -> None:
    """A drain that outlasts max.poll.interval costs the partitions: they are lost, and a late answer changes nothing."""
    timings = {"max.poll.interval.ms": "1500"}
    if protocol is GroupProtocol.CLASSIC:
        timings["session.timeout.ms"] = "1500"
    topic, group = kafka.topic(2), kafka.name("group")
    for partition in (0, 1):
        kafka.send(topic, [b"x"] * 10, partition=partition)
    slow = kafka.settings(group, protocol, drain_s=6.0, consumer=timings)
    async with member(slow, topic, answers=False) as first:
        await first.until(lambda: len(first.records) == 20)
        stale = first.held
        quick = kafka.settings(group, protocol, drain_s=0.1, consumer=timings)
        async with member(quick, topic, answers=False) as second:
            await first.until(lambda: first.of(Revoking))
            # A second rebalance, which the broker ends without the member that is still draining for the first.
            async with member(quick, topic, answers=False) as third:
                await first.until(lambda: len({lease[:2] for m in (second, third) for lease in m.held}) == 2)
                await first.until(lambda: {r.partition for m in (second, third) for r in m.records} == {0, 1})
                for other in (second, third):
                    other.source.store(other.done(*other.held))
                await first.until(lambda: kafka.committed(group, topic, 2) == {0: 10, 1: 10})
                first.source.released(tuple(stale), dict.fromkeys(stale, 4))
                first.source.store(dict.fromkeys(stale, 4))
                await first.until(lambda: first.of(Lost))
                await asyncio.sleep(1.5)
                assert not first.held & stale
                assert kafka.committed(group, topic, 2) == {0: 10, 1: 10}
    assert first.failure is None


async def test_a_rebalance_is_served_while_paused(kafka: Kafka) -> None:
    """Without credit the member stays one, hands partitions over, and keeps new ones paused."""
    topic, settings = kafka.topic(2), kafka.settings()
    for partition in (0, 1):
        kafka.send(topic, [b"x"] * 10, partition=partition)
    async with member(settings, topic, room=None) as first:
        await first.until(lambda: len(first.held) == 2)
        await asyncio.sleep(2.3)
        async with member(settings, topic) as second:
            await second.until(lambda: len(second.records) == 10)
            assert not first.records
            second.source.store(second.done(*second.held))
        await first.until(lambda: len(first.held) == 2)
        await asyncio.sleep(0.3)
        assert not first.records
        first.source.grant(100)
        await first.until(lambda: len(first.records) == 10)


async def test_records_of_a_partition_that_left_are_not_passed_on(kafka: Kafka) -> None:
    """An epoch that ended gives no record any more, and epochs never repeat."""
    topic, settings = kafka.topic(2), kafka.settings()
    async with member(settings, topic) as first:
        await first.until(lambda: len(first.held) == 2)
        before = first.held
        async with member(settings, topic) as second:
            await second.until(lambda: second.held)
        await first.until(lambda: len(first.held) == 2)
        assert len(first.held & before) == 1
        assert len({lease.epoch for lease in first.held | before}) == 3
