"""Members of one consumer group as processes on a real broker: one joins, one is killed, partitions are added under load."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

from tests.fixtures_kafka import Kafka
from tests.published import Feed, Load, check, read_published
from tests.service import START_S, Flow, Service, Services, make_flow

pytestmark = [pytest.mark.kafka, pytest.mark.slow, pytest.mark.timeout(240)]

_SETTINGS = {
    "classic": {"consumer": {"session.timeout.ms": 3000}, "client": {"topic.metadata.refresh.interval.ms": 1000}},
    "consumer": {"group_protocol": "consumer"},
}
"""By group protocol: under `consumer` the broker decides how fast a dead member is noticed."""


def _shared(members: list[Service], total: int) -> bool:
    """Whether these members hold all partitions, each of them some and none the same."""
    held = [member.partitions() for member in members]
    return all(held) and sum(map(len, held)) == total and len(set().union(*held)) == total


def _started(services: Services, flow: Flow, protocol: str, count: int) -> list[Service]:
    configuration = flow.configuration(
        kafka=_SETTINGS[protocol], engine={"kind": "scripted", "violation_share": 0.3, "delay": "50ms"}
    )
    members = [services.start(configuration) for _ in range(count)]
    for member in members:
        member.until_ready()
    return members


@pytest.mark.parametrize("protocol", ["classic", "consumer"])
def test_members_come_and_go_and_nothing_is_lost(
    kafka: Kafka, services: Services, tmp_path: Path, protocol: str
) -> None:
    """Two share, a third joins, one is killed, partitions are added: every record is judged, and only the kill repeats some."""
    flow = make_flow(kafka, tmp_path, partitions=4)
    first, second = _started(services, flow, protocol, 2)
    first.until(lambda: _shared([first, second], 4))
    with Load(Feed(flow), per_second=100) as feed:
        first.until(lambda: first.count("stream_guard_records_total") and second.count("stream_guard_records_total"))
        (third,) = _started(services, flow, protocol, 1)
        third.until(lambda: _shared([first, second, third], 4), START_S)
        third.until(lambda: third.count("stream_guard_records_total"))
        orphaned = first.partitions()
        first.signal(signal.SIGKILL)
        first.wait()
        committed = flow.committed()
        third.until(lambda: _shared([second, third], 4), START_S)
        kafka.add_partitions(flow.source, 6)
        third.until(lambda: _shared([second, third], 6), START_S)
        feed.partitions = 6
        third.until(lambda: {4, 5} <= {at.partition for at in tuple(feed.sent)})
    third.until(flow.done, START_S)
    assert [member.terminate() for member in (second, third)] == [0, 0]
    assert flow.done()

    published = read_published(flow)
    outcomes = check(feed.sent, published)
    assert outcomes.total() == sum(flow.ends().values())
    # What repeats was read by the member that was killed, and not committed by it.
    for at in published.repeated:
        assert at.partition in orphaned
        assert at.offset >= committed.get(at.partition, 0)
        assert len({v.id for v in published.verdicts[at]}) == 1
        assert len({r.id for r in published.rulings[at]}) == 1
