"""Where the simulated ports meet the real pipeline: the only place that knows how it is put together."""

from __future__ import annotations

import random
from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING

from stream_guard.deciding import Decider
from stream_guard.delivery.halts import HaltReason
from stream_guard.delivery.hearing import Hearing
from stream_guard.delivery.outbox import Receipt
from stream_guard.delivery.pace import Pace
from stream_guard.delivery.ports import Output
from stream_guard.delivery.window import Bounds, Window
from stream_guard.docket import Docket
from stream_guard.engines.port import Ask, AskId, TextRead
from stream_guard.judging.bench import Bench, BenchBounds
from stream_guard.judging.retry import Retry, RetryPolicy
from stream_guard.pipeline import Pipeline
from stream_guard.publishing import Provenance, Publisher
from stream_guard.records import Lease, Record
from stream_guard.routing import Routes
from stream_guard.telemetry.null import NullTelemetry
from stream_guard.telemetry.port import Trace
from tests.simulation.corpus import CLUSTER, IDENTITY, LANE, NAMESPACE, RENDERER
from tests.simulation.fairness import WatchedQueue
from tests.simulation.schedule import Bounding

if TYPE_CHECKING:
    from tests.simulation.member import Member
    from tests.simulation.world import World

LARGEST_RECORD = 2_500
"""Bytes; no record of the corpus is larger."""

LARGEST_GROUP = 16 * 700
"""Tokens of the prompts that are rendered in one call: by so many the bound on tokens may be exceeded."""

RETRY = RetryPolicy(attempts=3, stumbling_for_s=1.0, timeouts=2, wait_s=0.05, max_wait_s=0.5)
PACE = Pace(drain_s=4.0, tick_s=0.5, probe_s=1.0, trial_s=2.5, resend_s=0.1, max_resend_s=1.0)
ASK_TIMEOUT_S = 5.0
_TIMES = 10
"""How much more patience liveness has than an ask: as `health.patience_s`."""
TRIAL = Ask(AskId(0), [0, 0], TextRead(1, ()))


def make_pipeline(member: Member) -> Pipeline:
    """The pipeline of a member, as the composition root would build it, among simulated ports."""
    schedule = member.world.schedule
    bounds, rng = schedule.bounds, random.Random(f"pipeline {schedule.seed} {member.name}")
    return Pipeline(
        source=member.world.source_of(member),
        sink=member.sink,
        engine=member.engine,
        docket=Docket(Routes(member.world.routes()), cluster=CLUSTER, policies=member.world.carried()),
        bench=Bench[Hearing](
            RENDERER,
            Retry(RETRY, rng),
            BenchBounds(bounds.asks, bounds.tokens, ASK_TIMEOUT_S, bounds.context),
            WatchedQueue(member.world, member, bounds.tokens // bounds.asks, min(bounds.asks, 16)),
        ),
        decider=Decider(namespace=NAMESPACE, lane=LANE, engine=IDENTITY, content_hash_key=b"k"),
        publisher=Publisher(Provenance(NAMESPACE, LANE, CLUSTER, "sim-group", "0", IDENTITY.model)),
        window=Window(Bounds(bounds.records, bounds.bytes, LARGEST_RECORD)),
        telemetry=member.probe,
        wall=member.wall,
        pace=PACE,
        trial=TRIAL,
        brakes=schedule.brakes,
        guard=schedule.guard,
    )


def read_as(output: Output) -> Record:
    """The record that an output is about, as it was delivered."""
    if not isinstance(output.receipt, Receipt):
        raise TypeError("an output without a receipt")
    return output.receipt.hearing.record


class _SimTrace:
    """A trace that is sampled and goes nowhere."""

    traceparent = f"00-{'a' * 32}-{'b' * 16}-01"

    def inference(
        self, *, policy: str, model: str, seconds: float, tokens: tuple[int, int, int], failure: str | None
    ) -> None:
        """Forgets."""

    def sent(self, topic: str, seconds: float) -> None:
        """Forgets."""

    def end(self, outcome: str) -> None:
        """Forgets."""


_TRACE = _SimTrace()


class Probe(NullTelemetry):
    """The telemetry of a member: what the pipeline says of itself is checked, or counted."""

    def __init__(self, world: World, member: Member) -> None:
        self._world = world
        self._member = member
        self.drained = True
        """Whether all work could be settled before the pipeline stopped."""

    def polled(self, records: Sequence[Record], seconds: float) -> list[Trace | None]:
        """Samples every fourth record."""
        for record in records:
            if record.past:
                self._world.fail(f"{self._member.name} counts {record!r}, which is past")
        return [_TRACE if record.offset % 4 == 0 else None for record in records]

    def reread(self, topic: str, count: int) -> None:
        """Counts."""
        self._world.coverage.met("record", "read again")

    def outcome(self, route: str, outcome: str, reason: str, count: int = 1) -> None:
        """Counts."""
        self._world.coverage.met("record", outcome.replace("_", "-"))
        self._world.outcomes[outcome, reason] += count

    def latency(self, stage: str, seconds: float, trace: Trace | None = None) -> None:
        """Time does not go backwards."""
        if seconds < 0:
            self._world.fail(f"{self._member.name}: {stage} took {seconds} s")

    def look(self, policy: str, came_of: str) -> None:
        """Counts."""
        self._world.coverage.met("look", came_of)

    def retry(self, policy: str, reason: str) -> None:
        """Counts."""
        self._world.coverage.met("retry", reason)

    def resent(self, topic: str) -> None:
        """Counts."""
        self._world.coverage.met("resent", topic)

    def in_flight(self, *, records: int, bytes: int, tokens: int, asks: int) -> None:
        """What is said to be in flight is more than nothing; that it is within bounds is checked after every step."""
        if min(records, bytes, tokens, asks) < 0:
            self._world.fail(f"{self._member.name} holds less than nothing")

    def engine_up(self, up: bool, reason: str = "") -> None:
        """Counts."""
        self._world.coverage.met("engine", "back" if up else "given up")

    def halted(self, topic: str, partition: int, reason: str, detail: str = "") -> None:
        """Counts; from now on nothing more of a partition may be opened that the guard stopped."""
        self._world.coverage.met("halt", reason)
        self._world.trace("halted", self._member.name, topic, partition, reason)
        if reason == HaltReason.TOO_MANY_DEAD_LETTERS and self._member.pipeline is not None:
            ledgers = {ledger.lease[:2]: ledger for ledger in self._member.pipeline.ledgers}
            self._world.oracle.stopped(self._member, ledgers[topic, partition])

    def unhalted(self, topic: str, partition: int, reason: str) -> None:
        """Counts."""
        self._world.coverage.met("halt is over", reason)
        self._world.trace("goes on", self._member.name, topic, partition, reason)

    def assignment(self, event: str, partitions: int, drained: bool = True) -> None:
        """Counts."""
        self.drained = drained or event != "stopped"
        self._world.coverage.met("drained" if drained else "not drained", event)


def exceeds(pipeline: Pipeline, bounds: Bounding) -> bool:
    """Whether a pipeline holds more than it is configured to. One record that is larger than the window is let in alone."""
    window = pipeline.window
    return (
        window.records > bounds.records
        or window.bytes > max(bounds.bytes, LARGEST_RECORD)
        or pipeline.asks > bounds.asks
        or pipeline._bench.tokens > bounds.tokens + LARGEST_GROUP
    )


def stands_still(pipeline: Pipeline) -> bool:
    """Whether liveness would give a pipeline up: whatever fails or pauses around it, it must not."""
    return pipeline.still_s > _TIMES * ASK_TIMEOUT_S


def reads_on(pipeline: Pipeline, read: Collection[Lease]) -> list[Lease]:
    """Those of the leases that the source may read which are halted."""
    return [lease for lease in pipeline.halts._why if lease in read]


def leaks(pipeline: Pipeline) -> list[str]:
    """What a pipeline still holds though nothing is left to be done."""
    window = pipeline.window
    holds = {
        "records": window.records,
        "bytes": window.bytes,
        "asks": pipeline.asks,
        "tokens": pipeline._bench.tokens,
        "open": sum(len(ledger) for ledger in pipeline.ledgers),
        "waiting for their turn": len(pipeline._turns),
    }
    return [f"{count} {what}" for what, count in holds.items() if count]
