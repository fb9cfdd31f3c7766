"""Three brokers that are killed and frozen while records flow: the small reference run, and one scenario a fault."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.faults.brokers import Brokers, Role, three_brokers
from tests.faults.scenario import FreezeBroker, KillBroker, Scenario, Step, reference
from tests.faults.stage import Outcome, Stage
from tests.service import Services

pytestmark = [pytest.mark.kafka, pytest.mark.slow, pytest.mark.timeout(300)]


@pytest.fixture(scope="module")
def brokers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Brokers]:
    """Three brokers for the tests of this module."""
    with three_brokers(tmp_path_factory.mktemp("brokers")) as running:
        yield running


def played(scenario: Scenario, brokers: Brokers, services: Services, folder: Path) -> Outcome:
    """What a scenario came to: no promise was broken, every step was done."""
    brokers.until_healed()
    outcome = Stage(scenario, brokers.kafka, services, folder, brokers=brokers).play()
    brokers.until_healed()
    assert outcome.broken == []
    assert len(outcome.done) == len(scenario.steps)
    return outcome


def make_scenario(*steps: Step, seconds: float = 25.0, **settings: Any) -> Scenario:
    """Two members, and these steps. The broker may be the group's coordinator: then nothing is committed for a session."""
    return Scenario(steps, records=1500, seconds=seconds, settings=settings, uncommitted_s=7.0)


def test_a_small_reference_run(brokers: Brokers, services: Services, tmp_path: Path) -> None:
    """Three consumers, the controller and the coordinator are killed, hard and clean: `python -m tests.faults` is the large one."""
    scenario = reference(records=4000, consumer_kills=3, broker_kills=2, seconds=30, seed=1, members=3)
    outcome = played(scenario, brokers, services, tmp_path)
    assert {"consumer SIGKILL", "consumer SIGTERM"} <= set(outcome.done)
    assert outcome.findings.outcomes.total() == 4000


@pytest.mark.chaos
@pytest.mark.parametrize("hard", [True, False])
def test_the_coordinator_fails_over(brokers: Brokers, services: Services, tmp_path: Path, hard: bool) -> None:
    """The group goes on with another coordinator, from what was committed."""
    played(make_scenario(Step(5, KillBroker(Role.COORDINATOR, hard))), brokers, services, tmp_path)


@pytest.mark.chaos
@pytest.mark.parametrize("hard", [True, False])
def test_leaders_change(brokers: Brokers, services: Services, tmp_path: Path, hard: bool) -> None:
    """Source and outputs get other leaders while records flow; two of three replicas are left."""
    steps = Step(4, KillBroker(Role.LEADER, hard)), Step(12, KillBroker(Role.RULINGS, hard))
    played(make_scenario(*steps, seconds=30), brokers, services, tmp_path)


@pytest.mark.chaos
def test_a_broker_that_freezes(brokers: Brokers, services: Services, tmp_path: Path) -> None:
    """Its connections stay open and nothing comes: others take over what it led."""
    played(make_scenario(Step(4, FreezeBroker(Role.LEADER, 8.0))), brokers, services, tmp_path)


@pytest.mark.chaos
def test_a_produce_that_times_out_and_succeeds_late(brokers: Brokers, services: Services, tmp_path: Path) -> None:
    """The client gives a ruling up that the broker then writes all the same: it is sent again, and says the same."""
    steps = [Step(at_s, FreezeBroker(Role.RULINGS, 2.2)) for at_s in (4, 10, 16)]
    impatient = {"producer": {"delivery.timeout.ms": 1000}, "client": {"reconnect.backoff.max.ms": 1000}}
    played(make_scenario(*steps, kafka=impatient), brokers, services, tmp_path)
    assert "_MSG_TIMED_OUT" in "".join(path.read_text() for path in tmp_path.glob("*.err"))
