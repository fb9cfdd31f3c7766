"""Faults whose worst moment no real broker can be made to meet at will: the unchanged pipeline, on the simulator's clock.

Each fault befalls a few dozen worlds at moments of their own; the simulator's oracle watches each step, and the states that the fault
is about must have been met.
"""

from __future__ import annotations

import random
from collections.abc import Mapping
from typing import NamedTuple

import pytest
from msgspec.structs import replace

from tests.simulation.coverage import Coverage
from tests.simulation.rest import check_end
from tests.simulation.schedule import Happening, Rates, Schedule, make_schedule
from tests.simulation.simulate import play_out
from tests.simulation.world import World

_WORLDS = 30


class Fault(NamedTuple):
    """What befalls each world, how often things go wrong by themselves, and what must have been met in all of them together."""

    happenings: tuple[str, ...] = ()
    """Each befalls a world three times."""
    lasting_s: float = 1.0
    rates: Rates = Rates()
    pace: Mapping[str, float] = {}
    met: tuple[tuple[str, str], ...] = ()


FAULTS: Mapping[str, Fault] = {
    "the oldest is stuck": Fault(rates=Rates(stuck=0.1), met=(("verdict", "timeout"), ("pause", "ahead"))),
    "completions in any order": Fault(pace={"engine": 0.5, "ack": 0.4, "slow_share": 0.3}, met=(("store", "moved on"),)),
    "revoked and assigned again": Fault(
        ("bounce",),
        pace={"engine": 0.5, "drain": 0.1, "slow_share": 0.3},
        met=(("assign", "back to the same member"), ("assign", "back while an old ask is in the engine"),
             ("assign", "back while an old ack is awaited")),
    ),
    "late completions after lost": Fault(
        ("expel",),
        pace={"engine": 0.5, "ack": 0.4, "slow_share": 0.3},
        met=(("completion", "after lost"), ("ack", "after lost"), ("store", "before the lost was heard of")),
    ),
    "a rebalance while intake is paused": Fault(
        ("outage", "shuffle", "join"), lasting_s=3.0, met=(("revoke", "engine down"), ("engine", "back")),
    ),
    "a drain that exceeds its budget": Fault(
        ("shuffle", "leave"), pace={"engine": 0.5, "ack": 0.4, "drain": 0.1}, met=(("drain", "too slow"), ("released", "too late")),
    ),
    "a produce that times out and succeeds late": Fault(
        rates=Rates(sink_late=0.3), met=(("write", "failed but landed"), ("write", "landed twice")),
    ),
    "a producer that takes nothing": Fault(("sink_stall",), lasting_s=6.0, met=(("revoke", "ack awaited"),) * 0),
    "clocks that jump": Fault(("skew", "shuffle"), met=(("store", "moved on"),)),
    "pauses without end": Fault(("outage", "hang", "sick") * 4, lasting_s=0.5, met=(("engine", "given up"), ("engine", "back"))),
}  # fmt: skip


def make_world(fault: Fault, seed: int, coverage: Coverage) -> World:
    """A world of the seed's own, but for what befalls it."""
    rng, drawn = random.Random(f"fault {seed}"), make_schedule(seed)
    happenings = [
        Happening(rng.uniform(0.05, 3.0), what, fault.lasting_s) for what in fault.happenings for _ in range(3)
    ]
    schedule: Schedule = replace(
        drawn,
        happenings=tuple(sorted(happenings, key=lambda happening: happening.at)),
        rates=fault.rates,
        pace=replace(drawn.pace, **fault.pace),
        killers=0,
        outages_only=False,
        horizon=max([4.0, *(happening.at + happening.lasting for happening in happenings)]),
    )
    return World(schedule, coverage)


@pytest.mark.parametrize("fault", FAULTS)
def test_no_promise_is_broken_by(fault: str) -> None:
    """Every record ends as it must, and the states that the fault is about were met."""
    coverage = Coverage()
    for seed in range(_WORLDS):
        world = make_world(FAULTS[fault], seed, coverage)
        play_out(world, check_end)
        assert world.wrong is None, f"seed {seed}: {world.wrong}"
    assert [pair for pair in FAULTS[fault].met if not coverage.counts[pair]] == []
