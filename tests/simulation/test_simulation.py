"""The unchanged pipeline keeps its promises under schedules that nobody would think of."""

from __future__ import annotations

import os
import random
import subprocess
import sys
from pathlib import Path

import pytest

from tests.simulation.coverage import Coverage
from tests.simulation.loop import Deadlock, VirtualLoop
from tests.simulation.schedule import FAULTS, REBALANCES, make_schedule
from tests.simulation.simulate import Violation, play, run_schedule

SCHEDULES = int(os.environ.get("SIMULATION_SCHEDULES", "600"))
FIRST_SEED = int(os.environ.get("SIMULATION_SEED", "0"))


@pytest.mark.timeout(600)
def test_no_schedule_breaks_a_promise(capsys: pytest.CaptureFixture[str]) -> None:
    """Every record ends in one of three, nothing is lost, softened or leaked; and the rare states were met."""
    coverage = Coverage()
    for seed in range(FIRST_SEED, FIRST_SEED + SCHEDULES):
        run_schedule(seed, coverage)
    with capsys.disabled():
        sys.stdout.write(f"\nseeds {FIRST_SEED} to {FIRST_SEED + SCHEDULES - 1}\n{coverage.table()}\n")
    assert coverage.missing() == []


def test_every_schedule_is_worth_running() -> None:
    """Each has at least 2 members, 4 partitions, 50 records, a rebalance and a fault."""
    for seed in range(500):
        schedule = make_schedule(seed)
        what = {happening.what for happening in schedule.happenings}
        rates = {name for name in schedule.rates.__struct_fields__ if getattr(schedule.rates, name)}
        assert schedule.members >= 2
        assert sum(schedule.partitions) >= 4
        assert schedule.records >= 50
        assert what & set(REBALANCES)
        assert (what | rates) & set(FAULTS)


def test_a_seed_replays_the_same_story() -> None:
    """Two runs of one seed do the same at the same times."""
    for seed in random.Random(3).sample(range(10_000), 5):
        assert play(seed, Coverage()).fingerprint == play(seed, Coverage()).fingerprint


def test_a_seed_replays_in_another_process() -> None:
    """Neither the hash seed of a process nor what it ran before changes what a seed stands for."""
    script = "from tests.simulation.simulate import play\nfrom tests.simulation.coverage import Coverage\n"
    script += "print([play(seed, Coverage()).fingerprint for seed in (11, 12, 13)])"
    told = {
        subprocess.run(
            [sys.executable, "-c", script],
            env={**os.environ, "PYTHONHASHSEED": hash_seed},
            cwd=Path(__file__).parents[2],
            check=True,
            capture_output=True,
            text=True,
        ).stdout
        for hash_seed in ("1", "2")
    }
    assert told == {f"{[play(seed, Coverage()).fingerprint for seed in (11, 12, 13)]}\n"}


def test_a_violation_says_how_to_see_it_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """The error names the seed and the command that replays it."""
    monkeypatch.setattr("tests.simulation.rest.leaks", lambda pipeline: ["1 elephant"])
    with pytest.raises(Violation, match=r"seed 7: .*1 elephant\nreplay: python -m tests.simulation .*--seed 7 --trace"):
        run_schedule(7, Coverage())


def test_time_jumps_to_the_next_event() -> None:
    """The clock of the loop moves from one event to the next, and those of one time keep their order."""
    seen: list[float] = []
    loop = VirtualLoop(lambda: None)
    for delay in (2.0, 1.0, 1.0):
        loop.later(delay, lambda: seen.append(loop.time()))
    loop.call_later(1.5, lambda: seen.append(-loop.time()))
    loop.later(3.0, loop.stop)
    loop.run_forever()
    loop.close()
    assert seen == [1.0, 1.0, -1.5, 2.0]


def test_a_loop_that_waits_for_ever_says_so() -> None:
    """Nothing ready and nothing to come is a deadlock, not a hang."""
    loop = VirtualLoop(lambda: None)
    with pytest.raises(Deadlock):
        loop.run_forever()
    loop.close()
