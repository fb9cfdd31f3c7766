"""Members that come, go and fall silent while records flow; one broker."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

from tests.faults.scenario import Freeze, Kill, Scale, Scenario, Step
from tests.faults.stage import Outcome, Stage
from tests.fixtures_kafka import Kafka
from tests.service import Services

pytestmark = [pytest.mark.kafka, pytest.mark.slow, pytest.mark.timeout(240)]

_QUICK = {"kafka": {"consumer": {"session.timeout.ms": 3000}}}
SCALE = Scenario(
    steps=(Step(3, Scale(3)), Step(11, Scale(1))), members=1, seconds=18,
)  # fmt: skip
ROLL = Scenario(
    steps=tuple(Step(at_s, Kill(signal.SIGTERM)) for at_s in (2, 8, 14)), members=3, seconds=18, seed=2,
)  # fmt: skip
SILENT = Scenario(
    steps=(Step(4, Freeze(9.0)),), seconds=17, seed=3,
    settings={"kafka": {"consumer": {"session.timeout.ms": 3000, "max.poll.interval.ms": 5000}}, "drain": "3s"},
)  # fmt: skip
CRASH = Scenario(
    steps=tuple(Step(at_s, Kill(signal.SIGKILL)) for at_s in (3, 6, 12)), members=3, seconds=20, settings=_QUICK, seed=4,
)  # fmt: skip


def played(scenario: Scenario, kafka: Kafka, services: Services, folder: Path) -> Outcome:
    """What a scenario came to: no promise was broken, every step was done."""
    outcome = Stage(scenario, kafka, services, folder).play()
    assert outcome.broken == []
    assert outcome.fell == []
    assert len(outcome.done) == len(scenario.steps)
    return outcome


@pytest.mark.chaos
def test_scaled_up_and_down_under_load(kafka: Kafka, services: Services, tmp_path: Path) -> None:
    """1 -> 3 -> 1: nothing is lost, and no more repeats than if each had crashed; mostly nothing does."""
    played(SCALE, kafka, services, tmp_path)


@pytest.mark.chaos
def test_a_rolling_restart(kafka: Kafka, services: Services, tmp_path: Path) -> None:
    """One after the other is asked to end and replaced: nothing is lost; mostly nothing repeats."""
    played(ROLL, kafka, services, tmp_path)


def test_a_member_that_falls_silent_and_comes_back(kafka: Kafka, services: Services, tmp_path: Path) -> None:
    """SIGSTOP past its session and its polls: others go on, and it rewinds nobody when it wakes."""
    played(SILENT, kafka, services, tmp_path)


@pytest.mark.chaos
def test_members_that_crash_one_after_the_other(kafka: Kafka, services: Services, tmp_path: Path) -> None:
    """What was in flight comes once more, no more than a window for each."""
    played(CRASH, kafka, services, tmp_path)
