"""A schedule: everything that a seed decides before the first step. Drawn, never tuned by what happens."""

from __future__ import annotations

import random
from typing import Final

from msgspec import Struct

from stream_guard.delivery.brakes import BrakeBounds
from stream_guard.delivery.guard import GuardBounds
from stream_guard.routing import Context
from tests.simulation.corpus import MODEL_LEN, PACKED, ROOM_CHARS, ROUTES

REBALANCES: Final = ("join", "leave", "crash", "fail", "expel", "bounce", "shuffle", "grow")
"""Somebody joins; leaves in order; dies; fails; is taken for dead; a partition leaves and comes back to the same member;
partitions move; a topic gets one more."""

OUTAGES: Final = ("outage", "hang", "blip", "sick")
FAULTS: Final = (*OUTAGES, "garbage", "transient", "rejected", "stuck", "sink_error", "sink_late", "sink_stall", "skew")

_GIVEN_UP_S: Final = 12.0
"""So long a world lasts at least in which asks fail for a moment: some contents always do, and giving them up takes its time."""


class Happening(Struct, frozen=True):
    """Something that befalls the world at `at` seconds, for `lasting` seconds where it lasts."""

    at: float
    what: str
    lasting: float = 0.0


class Rates(Struct, frozen=True):
    """How often an ask or an output goes wrong by itself, each in [0, 1]."""

    blip: float = 0.0
    """The engine is unavailable for one ask, though it is healthy."""
    garbage: float = 0.0
    transient: float = 0.0
    rejected: float = 0.0
    stuck: float = 0.0
    sink_error: float = 0.0
    sink_late: float = 0.0


class Pace(Struct, frozen=True):
    """How fast things go, in seconds: the mean of a delay that is drawn anew each time, unless it says otherwise."""

    fetch: float
    wake: float
    """The mean delay between a signal's arrival in the source and its delivery."""
    engine: float
    ack: float
    auto_commit: float
    """The period of the auto-commit."""
    drain: float
    """How long a member may drain what is revoked."""
    slow_share: float
    """The share of asks and acknowledgements that take ten times as long."""


class Bounding(Struct, frozen=True):
    """The bounds that a member is configured with."""

    records: int
    bytes: int
    asks: int
    tokens: int
    context: int
    """The model's context as the pipeline knows it; 0 where only the engine knows."""


class Schedule(Struct, frozen=True):
    """What a seed stands for. After `horizon` seconds no fault is left and the world must come to rest."""

    seed: int
    members: int
    partitions: tuple[int, ...]
    """How many each topic has at first; some schedules have no rooms."""
    records: int
    late_share: float
    """The share of records that are produced while the world turns, rather than before."""
    batch: int
    pace: Pace
    rates: Rates
    bounds: Bounding
    context: Context
    """What is shown with a message of a room."""
    ordered: tuple[str, ...]
    """The routes that publish in the order of each key."""
    respond_by: tuple[tuple[str, float], ...]
    """The routes whose answers are of use for so many seconds only."""
    packing: tuple[str, ...]
    """The routes that ask about their packs together."""
    killers: int
    """How many records end the engine's process whenever it is asked about them."""
    happenings: tuple[Happening, ...]
    outages_only: bool
    horizon: float
    brakes: BrakeBounds = BrakeBounds()
    guard: GuardBounds = GuardBounds()


def make_schedule(seed: int) -> Schedule:
    """The schedule of a seed: at least 2 members, 4 partitions, 50 records, a rebalance and a fault."""
    rng = random.Random(f"schedule {seed}")
    outages_only = rng.random() < 0.25
    faults = rng.sample(OUTAGES if outages_only else FAULTS, rng.randint(1, 2 if outages_only else 3))
    happenings = [*_rebalances(rng), *_faults(rng, faults), *_dead_stall(random.Random(f"dead letters {seed}"))]
    window = rng.choice((1, 5, 16, 64))
    long_enough = _GIVEN_UP_S if "transient" in faults else 0.0
    return Schedule(
        seed=seed,
        members=rng.choice((2, 2, 2, 3)),
        partitions=(rng.choice((2, 2, 3)), rng.choice((2, 2, 3)), random.Random(f"rooms {seed}").choice((0, 1, 2))),
        records=rng.randint(50, 60),
        late_share=rng.choice((0.0, 0.3, 0.8)),
        batch=rng.choice((1, 4, 20)),
        pace=_pace(rng, brisk=window == 1),
        rates=_rates(rng, faults),
        bounds=_bounds(rng, window),
        context=_context(random.Random(f"context {seed}")),
        ordered=_ordered(random.Random(f"ordered {seed}")),
        respond_by=_respond_by(random.Random(f"respond_by {seed}")),
        packing=_packing(random.Random(f"packing {seed}")),
        killers=random.Random(f"killers {seed}").choice((0, 0, 0, 0, 0, 0, 0, 1, 1, 2)),
        happenings=tuple(sorted(happenings, key=lambda happening: happening.at)),
        outages_only=outages_only,
        horizon=max([long_enough, *(happening.at + happening.lasting for happening in happenings)]),
        brakes=BrakeBounds(lead=random.Random(f"lead {seed}").choice((4, 10, 10_000))),
    )


def _rebalances(rng: random.Random) -> list[Happening]:
    count = rng.choice((1, 2, 2, 3, 4))
    return [Happening(rng.uniform(0.05, 3.0), rng.choice(REBALANCES)) for _ in range(count)]


def _faults(rng: random.Random, faults: list[str]) -> list[Happening]:
    lasting = [fault for fault in faults if fault in ("outage", "hang", "sick", "sink_stall", "skew")]
    return [Happening(rng.uniform(0.05, 2.0), fault, lasting=rng.uniform(0.3, 6.0)) for fault in lasting]


def _dead_stall(rng: random.Random) -> list[Happening]:
    stall = Happening(rng.uniform(0.05, 2.0), "dead_stall", lasting=rng.uniform(0.3, 6.0))
    return [stall] if rng.random() < 0.2 else []


def _rates(rng: random.Random, faults: list[str]) -> Rates:
    heavy = rng.random() < 0.3
    rates = {fault: rng.uniform(0.3, 0.9) if heavy else rng.uniform(0.02, 0.2) for fault in faults}
    return Rates(**{name: rates[name] for name in Rates.__struct_fields__ if name in rates})


def _pace(rng: random.Random, *, brisk: bool) -> Pace:
    return Pace(
        fetch=rng.choice((0.001, 0.02, 0.1)),
        wake=rng.choice((0.0, 0.001, 0.05)),
        engine=0.01 if brisk else rng.choice((0.01, 0.1, 0.5)),
        ack=0.002 if brisk else rng.choice((0.002, 0.03, 0.4)),
        auto_commit=rng.choice((0.1, 0.5, 2.0)),
        drain=rng.choice((0.1, 1.0, 5.0)),
        slow_share=rng.choice((0.0, 0.05)),
    )


def _bounds(rng: random.Random, records: int) -> Bounding:
    return Bounding(
        records=records,
        bytes=rng.choice((5_000, 40_000, 1_000_000)),
        asks=rng.choice((1, 4, 32)),
        tokens=rng.choice((100, 1_000, 100_000)),
        context=rng.choice((0, MODEL_LEN)),
    )


def _ordered(rng: random.Random) -> tuple[str, ...]:
    names = [route.name for route in ROUTES]
    return tuple(rng.sample(names, rng.choice((0, 0, 1, 2, len(names)))))


def _respond_by(rng: random.Random) -> tuple[tuple[str, float], ...]:
    times = {name: rng.choice((None, None, 0.3, 1.0, 4.0)) for name in ("messages", "last-turns")}
    return tuple((name, seconds) for name, seconds in times.items() if seconds is not None)


def _packing(rng: random.Random) -> tuple[str, ...]:
    """In a third of the schedules some routes do."""
    names = list(PACKED)
    return tuple(rng.sample(names, rng.choice((0, 0, 0, 0, 0, 0, 1, 2, len(names)))))


def _context(rng: random.Random) -> Context:
    return Context(
        last=rng.choice((1, 2, 3)),
        within_s=rng.choice((1.0, 3_600.0)),
        chars=ROOM_CHARS,
        reread=rng.choice((2, 6, 100)),
        bytes=rng.choice((4_000, 1_000_000)),
    )
