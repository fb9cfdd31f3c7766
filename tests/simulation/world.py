"""The world of one schedule: its clock, its topics, its members, and all that befalls them."""

from __future__ import annotations

import hashlib
import random
from collections import Counter
from typing import Any, Final

from stream_guard.delivery.ports import Source
from stream_guard.escalation.policies import CarriedPolicies
from stream_guard.identity import slot
from stream_guard.records import TopicPartition
from stream_guard.routing import Route
from tests.simulation.corpus import (
    EPOCH_S,
    LANE,
    NAMESPACE,
    TOPICS,
    Content,
    Fate,
    asked_first,
    make_content,
    routes_with,
)
from tests.simulation.coverage import Coverage
from tests.simulation.group import Group
from tests.simulation.log import Parsed, SimRecord
from tests.simulation.loop import VirtualLoop
from tests.simulation.member import Member
from tests.simulation.oracle import Oracle
from tests.simulation.rig import exceeds, reads_on, stands_still
from tests.simulation.schedule import Rates, Schedule
from tests.simulation.weather import BEFALL

SLOWEST_S: Final = 4.0
"""The longest delay of anything that is merely slow."""

PATIENCE_S: Final = 120.0
"""How long nothing may be committed once no fault is left: one ask at a time, six timeouts of one content alone take half a minute."""

_STOPS_WITHIN_S: Final = 30.0


class World:
    """Holds what is shared, and moves it along. The first thing that is wrong ends the world."""

    def __init__(self, schedule: Schedule, coverage: Coverage) -> None:
        self.schedule = schedule
        self.coverage = coverage
        self.rng = random.Random(f"world {schedule.seed}")
        self.loop = VirtualLoop(self._step)
        self.later = self.loop.later
        self.rates = schedule.rates
        self.logs: dict[TopicPartition, list[SimRecord | None]] = {}
        self.by_number: dict[int, SimRecord] = {}
        self.by_slot: dict[str, SimRecord] = {}
        self.published: list[Parsed] = []
        """Everything that stands in the output topics, in the order in which it landed."""
        self.members: list[Member] = []
        self.oracle = Oracle(self)
        self.group = Group(self)
        self.outcomes: Counter[tuple[str, str]] = Counter()
        """How many records ended in what, and why, as the members tell: repeats after a redelivery count again."""
        self.wrong: str | None = None
        self.cause: BaseException | None = None
        self.over = False
        self._born = 0
        self._killers = schedule.killers
        self._unproduced = 0
        self._traced: list[tuple[Any, ...]] = []
        self._done = -1
        self._moved_at = 0.0

    # -- time and trace -----------------------------------------------------------------------------------------------

    def delay(self, mean: float) -> float:
        """Draws a delay: exponential, and ten times as long for the schedule's slow share, but never for ever."""
        if not mean:
            return 0.0
        slow = 10.0 if self.rng.random() < self.schedule.pace.slow_share else 1.0
        return min(self.rng.expovariate(1.0 / mean) * slow, SLOWEST_S)

    def trace(self, what: str, *facts: object) -> None:
        """Remembers that something happened, so that two runs can be compared and one be read."""
        self._traced.append((self.loop.time(), what, *facts))

    @property
    def story(self) -> str:
        """Everything that happened, one line each."""
        return "\n".join(f"{time:10.4f} {what:<9} {' '.join(map(str, facts))}" for time, what, *facts in self._traced)

    @property
    def fingerprint(self) -> str:
        """A hash of everything that happened."""
        return hashlib.sha256(self.story.encode()).hexdigest()

    def fail(self, wrong: str, cause: BaseException | None = None) -> None:
        """Something is wrong: the first such thing is kept, and time ends."""
        if self.wrong is None and not self.over:
            self.trace("WRONG", wrong)
            self.wrong, self.cause = wrong, cause
            self.loop.stop()

    def _step(self) -> None:
        for member in self.members:
            pipeline = member.pipeline
            if pipeline is None or member.gone:
                continue
            if exceeds(pipeline, self.schedule.bounds):
                self.fail(f"{member.name} exceeds {self.schedule.bounds}")
            if stands_still(pipeline):
                self.fail(f"nothing moved in {member.name} for {pipeline.still_s:.0f} s: it would be restarted")
            if len(pipeline.halts) and (on := reads_on(pipeline, member.source.free)):
                self.fail(f"{member.name} reads on {on}, though halted")

    # -- life ---------------------------------------------------------------------------------------------------------

    def begin(self) -> None:
        """Fills the topics, starts the members and sets the clock for all that will happen."""
        self.loop.set_exception_handler(self._on_exception)
        for topic, count in zip(TOPICS, self.schedule.partitions, strict=True):
            for _ in range(count):
                self.add_partition(topic)
        self._produce_all()
        for _ in range(self.schedule.members):
            self.join()
        for happening in self.schedule.happenings:
            self.later(happening.at, BEFALL[happening.what], self, happening.lasting)
        self.later(self.schedule.horizon, self._on_horizon)

    def _on_exception(self, loop: object, context: dict[str, Any]) -> None:
        self.fail(f"{context['message']}: {context.get('exception')!r}", context.get("exception"))

    def _on_horizon(self) -> None:
        """From here on nothing goes wrong any more."""
        self.trace("horizon")
        self.rates = Rates()
        self._moved_at = self.loop.time()
        if not any(member.in_group and not member.stopping for member in self.members):
            self.join()
        self._rest()

    def _rest(self) -> None:
        """Once everything is committed, everybody is told to stop."""
        if self._unproduced or any(self.group.committed[tp] < _end(log) for tp, log in self.logs.items()):
            self._check_progress()
            self.later(0.25, self._rest)
            return
        self.trace("rest")
        self._moved_at = self.loop.time()
        self._await_end()

    def _await_end(self) -> None:
        for member in self.alive():
            if not member.stopping:
                member.stop()
        if self.alive():
            if self.loop.time() > self._moved_at + _STOPS_WITHIN_S:
                self.fail(f"{', '.join(map(repr, self.alive()))} did not stop within {_STOPS_WITHIN_S} s")
            self.later(0.25, self._await_end)
        else:
            self.loop.stop()

    def _check_progress(self) -> None:
        now, done = self.loop.time(), sum(self.group.committed.values())
        if done != self._done:
            self._done, self._moved_at = done, now
        elif now > self._moved_at + PATIENCE_S:
            behind = [
                f"{tp.topic}[{tp.partition}] {self.group.committed[tp]}/{_end(log)}" for tp, log in self.logs.items()
            ]
            self.fail(f"nothing was committed for {PATIENCE_S} s, no fault being left: {', '.join(behind)}")

    def alive(self) -> list[Member]:
        """The members of which anything is left."""
        return [member for member in self.members if not member.gone]

    # -- topics -------------------------------------------------------------------------------------------------------

    def add_partition(self, topic: str) -> TopicPartition:
        """A topic gets one more partition."""
        tp = TopicPartition(topic, sum(1 for known in self.logs if known.topic == topic))
        self.logs[tp] = []
        self.group.committed[tp] = 0
        return tp

    def _produce_all(self) -> None:
        tps = list(self.logs)
        for number in range(1, self.schedule.records + 1):
            tp = self.rng.choice(tps)
            if self.rng.random() < self.schedule.late_share:
                self._unproduced += 1
                self.later(self.rng.uniform(0.0, 3.0), self._produce_late, tp, number)
            else:
                self.produce(tp, number)

    def _produce_late(self, tp: TopicPartition, number: int) -> None:
        self._unproduced -= 1
        self.produce(tp, number)
        holding = self.group.holdings.get(tp)
        if holding is not None and not holding.member.gone:
            holding.member.source.poll_soon()

    def produce(self, tp: TopicPartition, number: int) -> None:
        """A record is written to a partition; now and then its offset is not the next one."""
        log = self.logs[tp]
        if self.rng.random() < 0.03:
            log.append(None)  # a control record, or one that was compacted away
        number += self.schedule.seed * 1_000
        content = self.content(tp, number)
        self._doom(tp.topic, content)
        key = self.rng.choice((None, b"", b"k1", b"k2"))
        record = SimRecord(content, tp, len(log), key, int((EPOCH_S + self.loop.time() - content.age_s) * 1000))
        log.append(record)
        self.by_number[number] = record
        if record.subject is not None:
            record.asked = asked_first(content.route, content.view, self.schedule.packing)
            for policy_id in record.templates:
                self.by_slot[slot(NAMESPACE, LANE, record.subject, policy_id)] = record

    def content(self, tp: TopicPartition, number: int) -> Content:
        """What the next record of a partition holds."""
        return make_content(tp.topic, number, self.rng.random())

    def _doom(self, topic: str, content: Content) -> None:
        """Some records kill the engine; those whose answer is awaited are of any age."""
        if self._killers and topic == "messages" and content.fate is Fate.JUDGED:
            self._killers -= 1
            content.fate = Fate.KILLER
        content.respond_by_s = dict(self.schedule.respond_by).get(content.route.name)
        if content.respond_by_s is not None:
            content.age_s += random.Random(f"age {content.number}").uniform(-1.0, content.respond_by_s)

    def record(self, topic: str, partition: int, offset: int) -> SimRecord:
        """The record at a position."""
        record = self.logs[TopicPartition(topic, partition)][offset]
        if record is None:
            raise LookupError(f"nothing stands at {topic}[{partition}]@{offset}")
        return record

    # -- members ------------------------------------------------------------------------------------------------------

    def routes(self) -> tuple[Route, ...]:
        """What is judged."""
        schedule = self.schedule
        return routes_with(schedule.context, schedule.ordered, dict(schedule.respond_by), schedule.packing)

    def carried(self) -> CarriedPolicies | None:
        """What makes templates of policies that come with records, None where none may come."""

    def source_of(self, member: Member) -> Source:
        """What the pipeline of a member receives from."""
        return member.source

    def join(self) -> None:
        """A new process starts."""
        self._born += 1
        member = Member(self, f"m{self._born}")
        self.members.append(member)
        self.trace("join", member.name)
        self.later(0.01, self.group.rebalance)

    def some_member(self) -> Member | None:
        """Any member that neither stops nor is taken for dead."""
        members = [m for m in self.alive() if m.in_group and not m.stopping]
        return self.rng.choice(members) if members else None

    def replace(self) -> None:
        """Somebody goes: a new process may start in its place, and does where too few are left."""
        if len(self.alive()) < 2 or self.rng.random() < 0.5:
            self.later(self.rng.uniform(0.1, 1.0), self.join)


def _end(log: list[SimRecord | None]) -> int:
    """The offset after the last record that can be read."""
    return next((offset + 1 for offset in range(len(log) - 1, -1, -1) if log[offset] is not None), 0)
