"""How long the partitions of a member that was killed stand still, with the settings that everybody starts with."""

from __future__ import annotations

import signal
import sys
import time
from pathlib import Path

import pytest

from stream_guard.kafka.settings import GroupProtocol
from tests.fixtures_kafka import Kafka
from tests.published import Feed, Load
from tests.service import START_S, Services, make_flow

pytestmark = [pytest.mark.kafka, pytest.mark.slow, pytest.mark.timeout(180)]

_PROMISED_S = 10.0
_BUSY_S = 20.0
"""What a busy machine may add."""


@pytest.mark.parametrize("protocol", GroupProtocol)
def test_a_killed_members_partitions_are_read_on_soon(
    kafka: Kafka, services: Services, tmp_path: Path, protocol: GroupProtocol, capsys: pytest.CaptureFixture[str]
) -> None:
    """Counted from SIGKILL to a commit of the other in every orphaned partition. KIP-848: the broker's session is 6 s as ours is."""
    flow = make_flow(kafka, tmp_path, partitions=4)
    configuration = flow.configuration(kafka={"group_protocol": str(protocol)})
    members = [services.start(configuration) for _ in range(2)]
    for member in members:
        member.until_ready()
    killed, other = members
    other.until(lambda: len(killed.partitions()) == len(other.partitions()) == 2, START_S)
    with Load(Feed(flow), per_second=100):
        other.until(lambda: all(member.count("stream_guard_records_total") > 100 for member in members))
        orphaned = killed.partitions()
        killed.signal(signal.SIGKILL)
        killed.wait()
        began, stood = time.monotonic(), flow.committed()
        other.until(lambda: len(other.partitions()) == 4, START_S)
        owned_s = time.monotonic() - began
        other.until(lambda: all(flow.committed().get(p, 0) > stood.get(p, 0) for p in orphaned), START_S)
        read_s = time.monotonic() - began
    with capsys.disabled():
        sys.stdout.write(
            f"\n{protocol}: owned after {owned_s:.1f} s, read, judged and committed after {read_s:.1f} s\n"
        )
    assert read_s < _PROMISED_S + _BUSY_S
    assert other.terminate() == 0
