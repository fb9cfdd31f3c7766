"""Twice as much as can be judged, with mixed deadlines: how many verdicts come in time, by who is asked next.

    python -m loadtest.deadlines [--seconds 300] [--overload 2.0] [--json]

The pipeline and the scripted engine as they are, on a virtual clock, between a source that offers records and a sink that looks at
the time: minutes of it take seconds. One policy; records come on four partitions, of which one is hot, on three routes
whose answers are of use for 2, 8 and 30 seconds. Cases that are too late are dropped in all arms, which differ in nothing but the
queue. "in time" is a judgement that was published before its deadline: an abstention is none, and a late one is none.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import sys
from collections import Counter, deque
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import Generic, TypeVar

from msgspec import Struct
from msgspec import json as typed_json

from loadtest.queues import EarliestAlone, FirstInFirstOut
from stream_guard.delivery.hearing import Hearing
from stream_guard.delivery.outbox import Receipt
from stream_guard.delivery.pace import Pace
from stream_guard.delivery.ports import Output, Report
from stream_guard.delivery.window import Bounds, Window
from stream_guard.docket import Docket
from stream_guard.engines.scripted import ScriptedEngine
from stream_guard.engines.scripts import SeededDelay, ShareScript
from stream_guard.judging.bench import Bench, BenchBounds
from stream_guard.judging.queue import Queue
from stream_guard.judging.retry import Retry, RetryPolicy
from stream_guard.judging.terms import Terms
from stream_guard.pipeline import Pipeline
from stream_guard.records import Assigned, Intake, Lease, Record, Signal
from stream_guard.routing import HeaderCondition, Routes
from stream_guard.telemetry.null import NullTelemetry
from stream_guard.verdicts.decoding import decode_verdict
from tests.cases import NOW_MS, OUTPUTS, RENDERER, make_decider, make_publisher, make_route
from tests.simulation.loop import VirtualLoop

_ASKS = 16
_TOKENS = 1_000_000
_DELAY_S = (0.3, 0.7)
_LEASES = tuple(Lease("chat", partition, 1) for partition in range(4))
_WEIGHTS = (55, 15, 15, 15)
"""Of a hundred records, how many come on each partition."""
_RESPOND_BY_S = (2.0, 8.0, 30.0)

T = TypeVar("T")


class _Inbox(Generic[T]):
    """Things that are waited for, and taken all at once."""

    def __init__(self) -> None:
        self._things: list[T] = []
        self._some = asyncio.Event()

    def put(self, things: Sequence[T]) -> None:
        if things:
            self._things.extend(things)
            self._some.set()

    async def take(self) -> Sequence[T]:
        await self._some.wait()
        self._some.clear()
        taken, self._things = self._things, []
        return taken


class Offer:
    """A source: records that came wait in their partitions, which take turns as far as credit goes."""

    def __init__(self) -> None:
        self._inbox: _Inbox[Signal] = _Inbox()
        self._inbox.put([Assigned(_LEASES)])
        self._waiting: dict[Lease, deque[Record]] = {lease: deque() for lease in _LEASES}
        self._paused: set[Lease] = set()
        self._credit = 0

    def write(self, records: Sequence[Record]) -> None:
        """Records come."""
        for record in records:
            self._waiting[record.lease].append(record)
        self._hand_over()

    def _hand_over(self) -> None:
        records: list[Record] = []
        while len(records) < self._credit:
            turn = [self._waiting[lease].popleft() for lease in _LEASES if self._ready(lease)]
            if not turn:
                break
            records += turn
        kept = records[: self._credit]
        for record in reversed(records[self._credit :]):
            self._waiting[record.lease].appendleft(record)
        self._credit -= len(kept)
        self._inbox.put([Intake(kept)] if kept else [])

    def _ready(self, lease: Lease) -> bool:
        return bool(self._waiting[lease]) and lease not in self._paused

    async def receive(self) -> Sequence[Signal]:
        """See the port."""
        return await self._inbox.take()

    def grant(self, records: int) -> None:
        """See the port."""
        self._credit += records
        self._hand_over()

    def store(self, offsets: Mapping[Lease, int]) -> None:
        """See the port."""

    def released(self, leases: Sequence[Lease], offsets: Mapping[Lease, int]) -> None:
        """See the port."""

    def pause(self, leases: Collection[Lease]) -> None:
        """See the port."""
        self._paused.update(leases)

    def resume(self, leases: Collection[Lease]) -> None:
        """See the port."""
        self._paused.difference_update(leases)
        self._hand_over()

    async def close(self) -> None:
        """See the port."""


class Arm(Struct, frozen=True):
    """What became of the records of one arm. By partition, and by seconds for which an answer is of use."""

    name: str
    offered: int
    in_time: int
    late: int
    expired: int
    partitions: dict[int, int]
    offered_by_partition: dict[int, int]
    deadlines: dict[float, int]


class Watch:
    """A sink that acknowledges at once, and notes how each verdict stands to its deadline."""

    def __init__(self, now_ms: Callable[[], float]) -> None:
        self._inbox: _Inbox[Report] = _Inbox()
        self._now_ms = now_ms
        self.counts: Counter[str] = Counter()
        self.partitions: Counter[int] = Counter()
        self.deadlines: Counter[float] = Counter()

    def send(self, outputs: Sequence[Output]) -> None:
        """See the port."""
        for output in outputs:
            if output.topic == OUTPUTS.verdicts and isinstance(output.receipt, Receipt):
                self._note(output.receipt.hearing, decode_verdict(output.value or b"").abstention is None)
        self._inbox.put(list(map(Report, outputs)))

    def _note(self, hearing: Hearing, judged: bool) -> None:
        respond_by_s = (hearing.route.terms.respond_by_s if hearing.route else None) or 0.0
        record = hearing.record
        in_time = self._now_ms() <= (record.timestamp_ms or 0) + respond_by_s * 1000
        self.counts["expired" if not judged else "in time" if in_time else "late"] += 1
        if judged and in_time:
            self.partitions[record.partition] += 1
            self.deadlines[respond_by_s] += 1

    async def reports(self) -> Sequence[Report]:
        """See the port."""
        return await self._inbox.take()

    async def close(self) -> None:
        """See the port."""


def _routes() -> Routes:
    return Routes(
        [
            make_route(
                f"within-{seconds:g}s",
                headers=(HeaderCondition("within", any_of=(f"{seconds:g}",)),),
                terms=Terms(respond_by_s=seconds),
            )
            for seconds in _RESPOND_BY_S
        ]
    )


def _records(seconds: float, per_s: float) -> Iterator[Record]:
    """What comes, at random, the same in every run."""
    rng, offsets, at = random.Random(0), Counter[Lease](), 0.0
    while (at := at + rng.expovariate(per_s)) < seconds:
        (lease,) = rng.choices(_LEASES, _WEIGHTS)
        value = typed_json.encode({"kind": "message", "content": f"hello number {rng.random()}"})
        within = f"{rng.choice(_RESPOND_BY_S):g}".encode()
        yield Record(lease, offsets[lease], value, headers=(("within", within),), timestamp_ms=NOW_MS + int(at * 1000))
        offsets[lease] += 1


def measure(name: str, queue: Queue[Hearing], seconds: float, overload: float) -> Arm:
    """Runs one arm for so many virtual seconds, and until all that came has ended."""
    loop = VirtualLoop(lambda: None)
    records = list(_records(seconds, overload * _ASKS / (sum(_DELAY_S) / 2)))
    source, watch = Offer(), Watch(lambda: NOW_MS + loop.time() * 1000)
    for record in records:
        loop.later(((record.timestamp_ms or 0) - NOW_MS) / 1000, source.write, [record])
    try:
        loop.run_until_complete(_run(loop, source, watch, queue, seconds))
    finally:
        loop.abandon()
    if (ended := sum(watch.counts.values())) != len(records):
        raise RuntimeError(f"{name}: {ended} verdicts on {len(records)} records")
    return Arm(
        name=name,
        offered=len(records),
        in_time=watch.counts["in time"],
        late=watch.counts["late"],
        expired=watch.counts["expired"],
        partitions=dict(watch.partitions),
        offered_by_partition=dict(sorted(Counter(record.partition for record in records).items())),
        deadlines=dict(watch.deadlines),
    )


async def _run(loop: VirtualLoop, source: Offer, watch: Watch, queue: Queue[Hearing], seconds: float) -> None:
    engine = ScriptedEngine(ShareScript(), SeededDelay(*_DELAY_S))
    bounds = BenchBounds(_ASKS, _TOKENS)
    pipeline = Pipeline(
        source=source,
        sink=watch,
        engine=engine,
        docket=Docket(_routes(), cluster="cluster"),
        bench=Bench(RENDERER, Retry(RetryPolicy(), random.Random(0)), bounds, queue),
        decider=make_decider(),
        publisher=make_publisher(),
        window=Window(Bounds(record_bytes=65_536)),
        telemetry=NullTelemetry(),
        wall=lambda: NOW_MS / 1000 + loop.time(),
        pace=Pace(),
    )
    running = asyncio.ensure_future(pipeline.run())
    await asyncio.sleep(seconds + 2 * max(_RESPOND_BY_S))
    pipeline.stop()
    await running
    engine.close()


_ARMS: Mapping[str, Callable[[], Queue[Hearing]]] = {
    "first in, first out": FirstInFirstOut,
    "earliest deadline alone": lambda: EarliestAlone(_TOKENS // _ASKS),
    "as it is": lambda: Queue(_TOKENS // _ASKS),
}


def table(arms: Sequence[Arm]) -> str:
    """The findings in Markdown."""
    base, own = arms[0], arms[-1]
    head = ["", *(f"answer within {seconds:g} s" for seconds in _RESPOND_BY_S)]
    lines = ["| arm | offered | in time | late | expired |", "|---|---:|---:|---:|---:|"]
    lines += [f"| {a.name} | {a.offered:,} | {a.in_time:,} | {a.late:,} | {a.expired:,} |" for a in arms]
    head += [f"partition {lease.partition}" for lease in _LEASES]
    lines += ["", "In time:", "", f"| {' | '.join(head)} |", f"|---|{'---:|' * (len(head) - 1)}"]
    for arm in arms:
        cells = [f"{arm.deadlines.get(seconds, 0):,}" for seconds in _RESPOND_BY_S]
        cells += [f"{arm.partitions.get(p, 0):,} of {arm.offered_by_partition[p]:,}" for p in arm.offered_by_partition]
        lines.append(f"| {arm.name} | {' | '.join(cells)} |")
    return "\n".join(
        [*lines, "", f"Verdicts in time against first in, first out: {own.in_time / base.in_time:.2f} times"]
    )


def main(arguments: Sequence[str] | None = None) -> None:
    """Measures, and prints the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=300.0, metavar="S", help="virtual seconds (%(default)s)")
    parser.add_argument(
        "--overload", type=float, default=2.0, metavar="X", help="times the engine's pace (%(default)s)"
    )
    parser.add_argument("--json", action="store_true", help="print the numbers as JSON")
    chosen = parser.parse_args(arguments)
    arms = [measure(name, make(), chosen.seconds, chosen.overload) for name, make in _ARMS.items()]
    told = json.dumps(typed_json.decode(typed_json.encode(arms))) if chosen.json else table(arms)
    sys.stdout.write(told + "\n")


if __name__ == "__main__":
    main()
