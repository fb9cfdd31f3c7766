"""Outages of the engine that last, on the unchanged pipeline with the retry policy and the pace of production.

Whatever the engine fails to do for ten minutes, while it looks healthy or not: nothing is given up, nothing allowed unseen, and
in the end all is judged. The oracle knows what is the engine's fault, and calls a case that is given up for it a violation.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import TypeAlias

import pytest
from msgspec.structs import replace

from stream_guard.delivery.pace import Pace
from stream_guard.engines.doubt import Doubt
from stream_guard.judging.case import Part
from stream_guard.judging.judgement import AbstentionReason
from stream_guard.judging.retry import RetryPolicy
from stream_guard.pipeline import Pipeline
from stream_guard.verdicts.model import Verdict
from tests.simulation.corpus import PACKED
from tests.simulation.coverage import Coverage
from tests.simulation.engine import SimEngine
from tests.simulation.loop import Deadlock
from tests.simulation.rest import check_end
from tests.simulation.schedule import Rates, make_schedule
from tests.simulation.world import World

LASTING_S = 600.0
_OFTEN_S = 10.0
Fault: TypeAlias = Callable[[SimEngine], None]

FAULTS: dict[str, Fault] = {
    "out": lambda engine: engine.fall(LASTING_S),
    "status 500": lambda engine: engine.sicken(LASTING_S),
    "too many requests": lambda engine: engine.sicken(LASTING_S, share=0.7),
    "half of them": lambda engine: engine.sicken(LASTING_S, share=0.45),
    "mute": lambda engine: engine.sicken(LASTING_S, "mute"),
    "one of twenty hangs": lambda engine: engine.sicken(LASTING_S, "mute", share=0.05),
    "one of twenty fails": lambda engine: engine.sicken(LASTING_S, share=0.05),
}


@pytest.fixture(autouse=True)
def production(monkeypatch: pytest.MonkeyPatch) -> None:
    """The members are as patient as in production; the world bears with asks that take their minute."""
    monkeypatch.setattr("tests.simulation.rig.RETRY", RetryPolicy())
    monkeypatch.setattr("tests.simulation.rig.PACE", Pace(drain_s=4.0))
    monkeypatch.setattr("tests.simulation.rig.ASK_TIMEOUT_S", 60.0)
    monkeypatch.setattr("tests.simulation.world.PATIENCE_S", 150.0)


def world_with(fault: Fault, *, every_s: float, seed: int = 9, rates: Rates | None = None) -> World:
    """A quiet world whose engines suffer a fault from the start, while a record is written every few seconds.

    Where that is often, policies are packed.
    """
    schedule = replace(
        make_schedule(seed), happenings=(), rates=rates or Rates(), late_share=0.0, horizon=LASTING_S + 10
    )
    packing = tuple(PACKED) if every_s < _OFTEN_S else ()
    schedule = replace(schedule, packing=packing, respond_by=(), killers=0)
    pace, bounds = replace(schedule.pace, slow_share=0.0, engine=0.1), replace(schedule.bounds, records=300, asks=64)
    schedule = replace(schedule, pace=pace, bounds=bounds)
    world = World(schedule, Coverage())
    try:
        world.begin()
        world.later(0.02, _befall, world, fault)
        tps = list(world.logs)
        for n in range(int(LASTING_S / every_s)):
            world._unproduced += 1
            world.later(n * every_s, world._produce_late, tps[n % len(tps)], 100 + n)
        world.loop.run_forever()
        if world.wrong is None:
            check_end(world)
    except Deadlock:
        world.fail("deadlock")
    finally:
        world.over = True
        world.loop.abandon()
    return world


def _befall(world: World, fault: Fault) -> None:
    for member in world.alive():
        fault(member.engine)


def abstentions(world: World) -> Counter[AbstentionReason]:
    """The verdicts that are none, by reason."""
    says = [parsed.says for parsed in world.published]
    return Counter(v.abstention.reason for v in says if isinstance(v, Verdict) and v.abstention is not None)


@pytest.mark.parametrize("every_s", [2.0, 60.0], ids=["busy", "almost idle"])
@pytest.mark.parametrize("fault", FAULTS)
def test_nothing_is_given_up_for_what_is_the_engines_fault(fault: str, every_s: float) -> None:
    """For ten minutes, whether records are many or few; afterwards all of them are judged."""
    world = world_with(FAULTS[fault], every_s=every_s)
    assert world.wrong is None
    assert not abstentions(world).keys() & {AbstentionReason.FAILED, AbstentionReason.TIMEOUT}
    assert all(outcome != "judged" or not reason for outcome, reason in world.outcomes)
    opened = world.coverage.counts["engine", "given up"]
    if fault.startswith("one of twenty"):
        assert opened == 0  # chance is no outage: the rest flows on
    elif fault != "half of them":
        assert opened >= 1
    assert world.coverage.counts["engine", "back"] == opened


@pytest.mark.parametrize("every_s", [2.0, 60.0], ids=["busy", "almost idle"])
def test_what_fails_while_others_are_answered_is_to_blame_itself(every_s: float) -> None:
    """Some contents make the server fail each time: they end, and hold up nobody; the breaker stays closed."""
    always = Rates(transient=1e-9)
    world = world_with(lambda _: None, every_s=every_s, rates=always)
    assert world.wrong is None
    assert abstentions(world)[AbstentionReason.FAILED] > 0
    assert world.coverage.counts["trial", "answered"] > 0
    assert world.coverage.counts["engine", "given up"] == 0


def test_a_flood_of_contents_that_fail_is_worked_off(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every other content makes the server fail: all of them end, and the breaker stays closed."""
    monkeypatch.setattr("tests.simulation.engine._CURSED", 2)
    world = world_with(lambda _: None, every_s=0.5, rates=Rates(transient=1e-9))
    assert world.wrong is None
    assert abstentions(world)[AbstentionReason.FAILED] > 200
    assert world.coverage.counts["engine", "given up"] == 0


@pytest.mark.parametrize("fault", ["status 500", "mute"])
def test_a_breaker_that_never_doubts_is_found_out(monkeypatch: pytest.MonkeyPatch, fault: str) -> None:
    """Planted: only what says that it is out counts, as the health of the engine does."""
    monkeypatch.setattr(Doubt, "arises", property(lambda _: False))
    assert "of which nothing is known" in (world_with(FAULTS[fault], every_s=2.0).wrong or "")


def test_an_outage_that_counts_as_a_standstill_is_found_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """It lasts three times as long as liveness is patient with work that should move; planted: what waits for the engine should."""
    monkeypatch.setattr("tests.simulation.rig.ASK_TIMEOUT_S", LASTING_S / 30)
    assert world_with(FAULTS["out"], every_s=60.0).wrong is None
    monkeypatch.setattr(Pipeline, "_rests", lambda pipeline: not pipeline.window.records)
    assert "it would be restarted" in (world_with(FAULTS["out"], every_s=60.0).wrong or "")


def test_an_outage_that_counts_against_cases_is_found_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """Planted: the time of the outage is not forgotten, so that cases are given up once it is almost over."""
    monkeypatch.setattr(Part, "forgive", lambda _: None)
    assert "of which nothing is known" in (world_with(FAULTS["too many requests"], every_s=2.0).wrong or "")
