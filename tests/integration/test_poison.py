"""A record that brings the process down: found, kept, passed by; nothing else is lost, and nothing innocent is accused."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from tests.fixtures_kafka import Kafka
from tests.lives import PHRASE, deadly, kept_alive, starter
from tests.published import Fate, Feed, Plan, check, message, read_published
from tests.service import Service, Services, make_flow

pytestmark = [pytest.mark.kafka, pytest.mark.slow]

_RECORDS = 60
_WINDOW = 8


def _poison(number: int) -> Plan:
    return message(number, PHRASE)._replace(fate=Fate.DEAD_LETTERED, reason="poison")


@pytest.mark.timeout(240)
def test_records_that_kill_the_process_are_dead_lettered_whole_and_all_others_are_judged(
    kafka: Kafka, services: Services, tmp_path: Path
) -> None:
    """After two deaths with everything in flight and two with each alone, they are passed by; bytes, key and headers are kept."""
    flow = make_flow(kafka, tmp_path, partitions=3)
    feed = Feed(flow)
    plans = [message(n) for n in range(_RECORDS)]
    plans[31], plans[34] = _poison(31), _poison(34)  # next to each other in one partition
    feed.send(plans)
    path = flow.configuration(state_dir="state")
    lives = kept_alive(starter(services, path, deadly(tmp_path)), lambda _: flow.done(), most=6)
    assert lives.deaths == 6
    published = read_published(flow)
    assert check(feed.sent, published) == {Fate.JUDGED: _RECORDS - 2, Fate.DEAD_LETTERED: 2}
    found = {(line["partition"], line["offset"]) for line in lives.logged("isolation.poison")}
    assert found == {(at.partition, at.offset) for at, plan in feed.sent.items() if plan.reason == "poison"}
    lives.last.until(lambda: lives.last.logged("isolation.over"))
    assert lives.last.terminate() == 0
    after = services.start(path)
    after.until_ready()
    assert not after.logged("journal.unclean_end")


def _wait_in_flight(service: Service, records: int) -> None:
    service.until(lambda: service.count("stream_guard_in_flight_records") == records)


@pytest.mark.chaos
@pytest.mark.timeout(120)
def test_deaths_from_outside_cost_a_slow_stretch_and_never_a_dead_letter(
    kafka: Kafka, services: Services, tmp_path: Path
) -> None:
    """Killed twice in mid-flight, and once with one record alone, the service takes them one at a time, and judges all."""
    flow = make_flow(kafka, tmp_path, partitions=2)
    feed = Feed(flow)
    feed.send([message(n) for n in range(40)])
    slow = {"kind": "scripted", "violation_share": 0.3, "delay": "30s"}
    path = flow.configuration("slow", state_dir="state", engine=slow, window={"records": _WINDOW})
    for in_flight in (_WINDOW, _WINDOW, 1):
        service = services.start(path)
        _wait_in_flight(service, in_flight)
        os.kill(service.pid, signal.SIGKILL)
        service.wait()
    last = services.start(flow.configuration(state_dir="state"))
    last.until(flow.done, 60)
    assert last.logged("isolation.begins")
    assert not last.logged("isolation.poison")
    assert check(feed.sent, read_published(flow)) == {Fate.JUDGED: 40}


@pytest.mark.timeout(60)
def test_without_a_state_dir_the_service_says_that_it_does_not_look(
    kafka: Kafka, services: Services, tmp_path: Path
) -> None:
    """It says so once, and runs."""
    service = services.start(make_flow(kafka, tmp_path).configuration())
    service.until_ready()
    (line,) = service.logged("journal.off")
    assert "state_dir" in str(line["reason"])
