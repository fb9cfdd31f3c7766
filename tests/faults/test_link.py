"""A line to the broker that is slow, and one that is dead without saying so (half-open connections)."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.faults.history import CommitWatch, read_history
from tests.faults.link import Link, far_broker
from tests.faults.oracle import Promise, judge
from tests.faults.stage import make_topics
from tests.fixtures_kafka import Kafka
from tests.published import message
from tests.service import START_S, Flow, Services

pytestmark = [pytest.mark.kafka, pytest.mark.slow, pytest.mark.chaos, pytest.mark.timeout(240)]

_DELAY_S = 0.15
"""One way: to another continent and back takes as long."""
_RECORDS = 200
_CUT_S = 12.0
"""Longer than a request to the broker may take (`socket.timeout.ms` below) and than the session."""
_IMPATIENT: Any = {"client": {"socket.timeout.ms": 4_000}, "consumer": {"session.timeout.ms": 6_000}}


@pytest.fixture(scope="module")
def far(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Kafka, Kafka, Link]]:
    """A broker at the other end of the world, for the tests of this module."""
    with far_broker(tmp_path_factory.mktemp("far"), _DELAY_S) as reached:
        yield reached


def send(flow: Flow, first: int) -> None:
    """Records, over the near line."""
    flow.kafka.send(flow.source, [message(number).value for number in range(first, first + _RECORDS)], key=b"room")


def test_a_far_broker_and_a_line_that_dies(far: tuple[Kafka, Kafka, Link], services: Services, tmp_path: Path) -> None:
    """Latency costs time only. Where nothing arrives any more, and nothing closes, all goes on once the line is mended."""
    near, over_there, link = far
    flow = make_topics(near, tmp_path, 1)
    settings: dict[str, Any] = {
        "kafka": {**_IMPATIENT, "bootstrap_servers": over_there.bootstrap},
        "window": {"records": _RECORDS},
    }
    with CommitWatch(flow, 1) as watch:
        send(flow, 0)
        service = services.start(flow.configuration(**settings), "--attach")
        service.until(flow.done, START_S)
        link.cut()
        send(flow, _RECORDS)
        time.sleep(_CUT_S)
        assert not flow.done()
        link.mend()
        service.until(flow.done, START_S)
        assert service.terminate() == 0
        history = read_history(flow, watch.seen)
    findings = judge(history, Promise(_RECORDS, 1))
    assert findings.broken == []
    assert findings.outcomes.total() == 2 * _RECORDS
    assert link.carried > 0
