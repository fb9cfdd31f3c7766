"""Runs the schedule of a seed to its end, and says what was wrong and how to see it again."""

from __future__ import annotations

import gc
from collections.abc import Callable

from tests.simulation.coverage import Coverage
from tests.simulation.loop import Deadlock
from tests.simulation.rest import check_end
from tests.simulation.schedule import make_schedule
from tests.simulation.world import World


class Violation(AssertionError):
    """A schedule showed something that must never be. Names the seed and the command that replays it."""

    def __init__(self, seed: int, wrong: str) -> None:
        self.seed = seed
        self.wrong = wrong
        super().__init__(
            f"seed {seed}: {wrong}\nreplay: python -m tests.simulation --schedules 1 --seed {seed} --trace"
        )


def run_schedule(seed: int, coverage: Coverage) -> World:
    """The world of a seed after its end. Raises Violation."""
    world = play(seed, coverage)
    if world.wrong is not None:
        raise Violation(seed, world.wrong) from world.cause
    return world


def play(seed: int, coverage: Coverage) -> World:
    """The world of a seed after its end, whatever went wrong in it."""
    world = World(make_schedule(seed), coverage)
    play_out(world, check_end)
    return world


def play_out(world: World, check: Callable[[World], None]) -> None:
    """Turns a world until it comes to rest, or something is wrong in it; `check` fails it by what is wrong then."""
    collects = gc.isenabled()
    gc.disable()  # a world is small, and dropped as a whole
    try:
        world.begin()
        world.loop.run_forever()
        if world.wrong is None:
            check(world)
    except Deadlock:
        world.fail("deadlock: everybody waits for somebody else")
    finally:
        world.over = True
        world.loop.abandon()
        if collects:
            gc.enable()
