"""`kafka.instance_id` on a real broker: what a restart costs, what a crash costs, and two processes under one name (fault 27)."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import Any

import pytest

from stream_guard.kafka.settings import GroupProtocol, KafkaSettings
from tests.fixtures_kafka import Kafka
from tests.members import LogBook, member
from tests.published import Feed, Load, check, check_repeats, read_published
from tests.service import START_S, Service, Services, make_flow

pytestmark = [pytest.mark.kafka, pytest.mark.slow, pytest.mark.timeout(240)]

SESSION_S = 6.0
"""Ours under the classic protocol; what the tests' broker gives under the other."""
_WINDOW = 32
_PER_SECOND = 100
_HEARS_S = 10
"""A commit a second, a heartbeat every two; the rest is for a busy machine."""


def named(kafka: Kafka, group: str, protocol: GroupProtocol, name: str, **more: Any) -> KafkaSettings:
    """Settings of a replica of this name."""
    return kafka.settings(group, protocol, instance_id=name, **more)


@pytest.mark.parametrize("protocol", GroupProtocol)
async def test_a_restart_within_the_session_is_noticed_by_nobody(
    kafka: Kafka, protocol: GroupProtocol, capsys: pytest.CaptureFixture[str]
) -> None:
    """It has its partition again, what it settled stays committed, and the other one's are not touched; if it stays away, they move."""
    topic, group = kafka.topic(2), kafka.name("group")
    async with member(named(kafka, group, protocol, "pod-1"), topic) as other:
        async with member(named(kafka, group, protocol, "pod-2"), topic) as first:
            await first.until(lambda: len(first.held) == 1 and len(other.held) == 1)
            for partition in (0, 1):
                kafka.send(topic, [b"x"] * 10, partition=partition)
            await first.until(lambda: len(first.records) == 10 and len(other.records) == 10)
            first.source.store(first.done(*first.held))
            held, heard = {lease[:2] for lease in first.held}, len(other.signals)
        async with member(named(kafka, group, protocol, "pod-2"), topic) as again:
            await again.until(lambda: {lease[:2] for lease in again.held} == held)
            kafka.send(topic, [b"later"], partition=next(iter(held))[1])
            await again.until(lambda: again.records)
            assert again.values == [b"later"]
            assert len(other.signals) == heard
        began = time.monotonic()
        await other.until(lambda: len(other.held) == 2, SESSION_S * 4)
        waited = time.monotonic() - began
    with capsys.disabled():
        sys.stdout.write(f"\n{protocol}: the partitions of a static member that went waited {waited:.1f} s\n")
    assert waited > SESSION_S / 2


async def test_a_crashed_member_waits_for_its_own_session(kafka: Kafka, capsys: pytest.CaptureFixture[str]) -> None:
    """Under KIP-848 its id is held till then; it tries again rather than end. Under a name that somebody uses, it ends and says so."""
    topic, group = kafka.topic(2), kafka.name("group")
    settings = named(kafka, group, GroupProtocol.CONSUMER, "pod-1")
    quick = named(kafka, group, GroupProtocol.CONSUMER, "pod-1", instance_wait_s=1.0)
    log = LogBook()
    async with member(settings, topic) as first:
        await first.until(lambda: len(first.held) == 2)
        async with member(quick, topic) as impatient:
            await first.until(lambda: impatient.failure)
            assert "another process is a member under this kafka.instance_id" in str(impatient.failure)
        async with member(settings, topic, log=log) as second:
            await first.until(lambda: "kafka.instance_held" in log.events())
            assert (first.failure, second.failure, second.held) == (None, None, set())
            began = time.monotonic()
            await first.source.close()
            await second.until(lambda: len(second.held) == 2, SESSION_S * 4)
    with capsys.disabled():
        sys.stdout.write(f"\nconsumer: joined {time.monotonic() - began:.1f} s after the other was gone\n")


@pytest.mark.parametrize("protocol", GroupProtocol)
def test_of_two_processes_of_one_name_one_works(
    kafka: Kafka, services: Services, tmp_path: Path, protocol: GroupProtocol, capsys: pytest.CaptureFixture[str]
) -> None:
    """Classic: the older ends, with a sentence. KIP-848: the younger waits. Nothing is lost.

    What repeats is the window, what settled after the last commit, and what the older one did until it heard that it is fenced.
    """
    flow = make_flow(kafka, tmp_path, partitions=2)
    configuration = flow.configuration(
        kafka={"group_protocol": str(protocol)},
        engine={"kind": "scripted", "violation_share": 0.3, "delay": "20ms"},
        window={"records": _WINDOW},
    )
    with Load(Feed(flow), per_second=_PER_SECOND) as feed:
        older = start(services, configuration)
        older.until_ready()
        older.until(lambda: older.count("stream_guard_records_total") > 50)
        committed = flow.committed()
        younger = start(services, configuration)
        if protocol is GroupProtocol.CLASSIC:
            code = older.wait(START_S)
            assert "another process joined under this kafka.instance_id and took its place" in older.stderr
            assert code == 3
        else:
            younger.until(lambda: younger.logged("kafka.instance_held"), START_S)
            assert older.terminate() == 0
        younger.until(lambda: younger.count("stream_guard_records_total") > 50, START_S)
    younger.until(flow.done, START_S)
    assert younger.terminate() == 0
    published = read_published(flow)
    assert check(feed.sent, published).total() == sum(flow.ends().values())
    check_repeats(published, committed)
    repeated = len(published.repeated)
    with capsys.disabled():
        sys.stdout.write(f"\n{protocol}: {repeated} repeated at {_PER_SECOND} records/s\n")
    assert repeated <= (_WINDOW + _PER_SECOND * _HEARS_S if protocol is GroupProtocol.CLASSIC else 0)


def start(services: Services, configuration: Path) -> Service:
    """A replica that has its name from the environment, as a pod has."""
    return services.start(configuration, env={"STREAM_GUARD_KAFKA__INSTANCE_ID": "guard-0"})
