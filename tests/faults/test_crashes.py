"""A process that ends at the worst moment: by SIGKILL at exact points, by SIGTERM with a full window."""

from __future__ import annotations

import signal
from pathlib import Path
from typing import Any

import pytest

from tests.faults.crashing import CRASH_AT
from tests.faults.history import CommitWatch, read_history
from tests.faults.oracle import Findings, Promise, judge
from tests.faults.stage import make_topics
from tests.fixtures_kafka import Kafka
from tests.published import Fate, Feed, Plan, message
from tests.service import START_S, Flow, Services, ends

pytestmark = [pytest.mark.kafka, pytest.mark.slow, pytest.mark.timeout(180)]

_PARTITIONS = 2
_WINDOW = 50
_ROOT = Path(__file__).parents[2]
_GARBAGE = Plan(Fate.DEAD_LETTERED, b"this is no JSON", "not_json")
_ENGINE = {"kind": "scripted", "violation_share": 0.3, "delay": 0.01, "delay_spread": 0.1}
_QUICK = {"consumer": {"session.timeout.ms": 2000}}
"""So that the group soon forgets who was killed."""


@pytest.fixture
def flow(kafka: Kafka, tmp_path: Path) -> Flow:
    """Topics that tell when the broker appended what."""
    return make_topics(kafka, tmp_path, _PARTITIONS)


def make_configuration(flow: Flow, **settings: Any) -> Path:
    """A small window, and answers in random order."""
    return flow.configuration(**{"engine": _ENGINE, "window": {"records": _WINDOW}, "kafka": _QUICK, **settings})


def make_records(flow: Flow) -> None:
    """300 records, a few of them garbage."""
    Feed(flow).send(_GARBAGE if number % 20 == 10 else message(number) for number in range(300))


def crash_and_recover(flow: Flow, services: Services, point: str) -> tuple[dict[str, int], Findings]:
    """One process crashes, another goes on. Returns what stood where at the crash, and what the oracle finds."""
    make_records(flow)
    configuration = make_configuration(flow)
    with CommitWatch(flow, _PARTITIONS) as watch:
        environment = {CRASH_AT: point, "PYTHONPATH": str(_ROOT)}
        crashing = services.start(configuration, program="tests.faults.crashing", env=environment)
        assert crashing.wait(START_S) == -signal.SIGKILL, crashing.stderr
        stood = {
            "committed": sum(flow.committed().values()),
            "verdicts": sum(ends(flow.kafka, flow.verdicts).values()),
            "rulings": sum(ends(flow.kafka, flow.rulings).values()),
            "letters": sum(ends(flow.kafka, flow.dead_letters).values()),
        }
        uncommitted = came_out(flow) - stood["committed"]  # once a second it is
        other = services.start(configuration)
        other.until(flow.done, START_S)
        assert other.terminate() == 0
    found = judge(read_history(flow, watch.seen), Promise(max(_WINDOW, uncommitted), 1))
    assert found.broken == []
    assert found.outcomes.total() == 300
    return stood, found


def came_out(flow: Flow) -> int:
    """Of how many records something is published by now, be it a dead letter without its ruling."""
    history = read_history(flow, ())
    return len({output.place for output in (*history.verdicts, *history.rulings, *history.letters)})


def test_killed_after_inference_before_produce(flow: Flow, services: Services) -> None:
    """Nothing of what was judged had come out, nothing of it was committed: all is judged again, once."""
    stood, _ = crash_and_recover(flow, services, "after inference")
    assert (stood["verdicts"], stood["committed"]) == (0, 0)


def test_killed_after_acknowledgement_before_commit(flow: Flow, services: Services) -> None:
    """What had come out comes once more, word by word."""
    stood, found = crash_and_recover(flow, services, "after acknowledgement")
    assert stood["committed"] == 0
    assert found.repeated > 0


def test_killed_between_dead_letter_and_store(flow: Flow, services: Services) -> None:
    """The record is dead-lettered twice rather than never."""
    stood, found = crash_and_recover(flow, services, "after a dead letter")
    assert stood["letters"] >= 1
    assert found.repeated > 0


def test_asked_to_end_with_a_full_window(flow: Flow, services: Services) -> None:
    """All that is in flight is settled and committed: the next one repeats nothing."""
    make_records(flow)
    configuration = make_configuration(flow, engine={"kind": "scripted", "delay": 1.0, "delay_spread": 2.0})
    with CommitWatch(flow, _PARTITIONS) as watch:
        first = services.start(configuration)
        first.until(lambda: first.count("stream_guard_in_flight_records") == _WINDOW, START_S)
        assert first.terminate() == 0
        committed = sum(flow.committed().values())
        assert sum(ends(flow.kafka, flow.rulings).values()) == committed
        assert committed >= _WINDOW
        second = services.start(make_configuration(flow, name="next"))
        second.until(flow.done, START_S)
        assert second.terminate() == 0
    found = judge(read_history(flow, watch.seen), Promise(_WINDOW, 0))
    assert found.broken == []
