"""What befalls a world: rebalances of every kind, and faults that last."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from tests.simulation.corpus import TOPICS

if TYPE_CHECKING:
    from tests.simulation.member import Member
    from tests.simulation.world import World


def _join(world: World, _: float) -> None:
    world.join()


def _leave(world: World, _: float) -> None:
    """SIGTERM."""
    member = world.some_member()
    if member is not None:
        world.trace("stop", member.name)
        world.coverage.met_all("stop", member.states())
        member.stop()
        world.replace()


def _crash(world: World, _: float) -> None:
    """SIGKILL, which the group notices only after a while."""
    member = world.some_member()
    if member is not None:
        world.trace("crash", member.name)
        world.coverage.met_all("crash", member.states())
        member.crash()
        world.later(world.rng.uniform(0.1, 1.5), world.group.forget, member)
        world.replace()


def _fail(world: World, _: float) -> None:
    """The client gives up: the pipeline must end, and the group be left in order."""
    member = world.some_member()
    if member is not None:
        world.trace("fail", member.name)
        world.coverage.met_all("fail", member.states())
        member.fail()
        world.replace()


def _expel(world: World, _: float) -> None:
    """A member is taken for dead though it lives: its partitions go on elsewhere before it hears of that."""
    member = world.some_member()
    if member is not None:
        world.trace("expel", member.name)
        member.in_group = False
        world.group.forget(member)
        world.later(world.rng.choice((0.0, 0.1, 1.0)) * world.rng.random(), _tell_lost, world, member)


def _tell_lost(world: World, member: Member) -> None:
    if not member.gone:
        leases = list(member.source.leases.values())
        if leases:
            member.source.lose(leases)
        world.later(world.rng.choice((0.0, 0.5)) * world.rng.random(), _rejoin, world, member)


def _rejoin(world: World, member: Member) -> None:
    if not member.gone and not member.stopping:
        member.in_group = True
        world.group.rebalance()


def _bounce(world: World, _: float) -> None:
    world.group.bounce()


def _shuffle(world: World, _: float) -> None:
    world.group.rebalance(sticky=False)


def _grow(world: World, _: float) -> None:
    tp = world.add_partition(world.rng.choice(TOPICS))
    for index in range(3):
        world.produce(tp, 500 + 10 * len(world.logs) + index)
    world.group.rebalance()


def _outage(world: World, lasting: float) -> None:
    for member in _afflicted(world):
        world.trace("outage", member.name, lasting)
        member.engine.fall(lasting)


def _hang(world: World, lasting: float) -> None:
    for member in _afflicted(world):
        world.trace("hang", member.name, lasting)
        member.engine.hang(lasting)


def _sick(world: World, lasting: float) -> None:
    for member in _afflicted(world):
        world.trace("sick", member.name, lasting)
        member.engine.sicken(lasting)


def _sink_stall(world: World, lasting: float) -> None:
    for member in _afflicted(world):
        world.trace("stall", member.name, lasting)
        member.sink.stalled_until = world.loop.time() + lasting


def _dead_stall(world: World, lasting: float) -> None:
    """Nobody may write to the dead letters: said of each at once, as of something that does not pass."""
    for member in _afflicted(world):
        world.trace("dead_stall", member.name, lasting)
        world.coverage.met_all("dead_stall", member.states())
        member.sink.no_dead_letters_until = world.loop.time() + lasting


def _skew(world: World, _: float) -> None:
    """Somebody sets the clocks."""
    for member in _afflicted(world):
        member.skew_s += world.rng.uniform(-60.0, 60.0)
        world.trace("skew", member.name, member.skew_s)


def _afflicted(world: World) -> list[Member]:
    alive = world.alive()
    return alive if world.rng.random() < 0.5 else alive[:1]


BEFALL: Final[dict[str, Callable[[World, float], None]]] = {
    "join": _join,
    "leave": _leave,
    "crash": _crash,
    "fail": _fail,
    "expel": _expel,
    "bounce": _bounce,
    "shuffle": _shuffle,
    "grow": _grow,
    "outage": _outage,
    "hang": _hang,
    "sick": _sick,
    "sink_stall": _sink_stall,
    "dead_stall": _dead_stall,
    "skew": _skew,
}
"""What a schedule names, and what it does to a world."""
