"""Plays a scenario on real brokers and real processes, and hands what happened to the oracle.

One thread does all that is done to processes, in small turns: what is due, and may be done now, is done.
"""

from __future__ import annotations

import random
import signal
import time
from collections import deque
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from confluent_kafka import KafkaException

from tests.faults.brokers import Brokers
from tests.faults.firehose import Firehose
from tests.faults.history import CommitWatch, History, read_history
from tests.faults.members import Members, starter
from tests.faults.oracle import Findings, Promise, judge
from tests.faults.scenario import BrokerAction, Freeze, Kill, KillBroker, MemberAction, Scale, Scenario, Step
from tests.fixtures_kafka import Kafka
from tests.service import Flow, Services

_REST_S = 150.0
"""How long after the last record all may take to be committed."""
_TURN_S = 0.1
_TELL_S = 15.0
_MOST_RESIDENT = 400 * 1024 * 1024
"""Bytes; a member with a window of 500 small records needs a third of it."""


class Outcome(NamedTuple):
    """What a run came to."""

    scenario: Scenario
    findings: Findings
    done: Sequence[str]
    """Each action, in order."""
    took_s: float
    resident: Sequence[tuple[float, int]]
    """Memory of the largest member, in bytes, by time."""
    exit_codes: Sequence[int]
    """Of members that were asked to end."""
    fell: Sequence[str]
    """What members said that ended by themselves (where the brokers are away, one that starts does)."""
    troubles: Sequence[str]
    """Why the run itself is no good."""

    @property
    def most_resident(self) -> int:
        """Bytes."""
        return max((held for _, held in self.resident), default=0)

    @property
    def broken(self) -> list[str]:
        """The promises that did not hold."""
        bad = [code for code in self.exit_codes if code]
        told = {
            f"members that were asked to end did so with {bad}": bad,
            f"a member held {self.most_resident:,} bytes": self.most_resident > _MOST_RESIDENT,
        }
        return [*self.troubles, *self.findings.broken, *(sentence for sentence, broken in told.items() if broken)]


class Stage:
    """Where one scenario is played. `brokers` where they are part of it."""

    def __init__(
        self, scenario: Scenario, kafka: Kafka, services: Services, folder: Path, *,
        brokers: Brokers | None = None, tell: Callable[[str], None] = lambda _: None,
    ) -> None:  # fmt: skip
        """Makes the topics and the configuration."""
        self._scenario, self._brokers, self._tell = scenario, brokers, tell
        self._random = random.Random(scenario.seed)
        self.flow = make_topics(kafka, folder, scenario.partitions)
        self.members = Members(starter(services, self.flow.configuration(**settings_of(scenario))))
        self._firehose = Firehose(self.flow, scenario)
        steps = sorted(scenario.steps, key=lambda step: step.at_s)
        self._member_steps = deque(step for step in steps if isinstance(step.action, MemberAction))
        self._broker_steps = deque(step for step in steps if isinstance(step.action, BrokerAction))
        self._later: list[tuple[float, Callable[[], None]]] = []
        self._done: list[str] = []
        self._troubles: list[str] = []
        self._told_at = 0.0
        self._began = time.monotonic()

    def play(self) -> Outcome:
        """Plays to the end, which may be that it does not come to rest."""
        self.members.scale(1)  # the first one attaches the group
        self.members.until_ready()
        self.members.scale(self._scenario.members)
        self.members.until_ready()
        with CommitWatch(self.flow, self._scenario.partitions) as watch:
            self._began = time.monotonic()
            self._firehose.start()
            deadline = self._began + self._scenario.seconds + _REST_S
            while not self._at_rest(watch):
                if time.monotonic() > deadline:
                    self._troubles.append(f"not at rest: committed {watch.latest}, {self._waits()}")
                    break
                self._turn(watch)
                time.sleep(_TURN_S)
            took_s = time.monotonic() - self._began
            for _, do in self._later:
                do()
            self.members.end()
        return self._outcome(read_history(self.flow, watch.seen), took_s)

    def _outcome(self, history: History, took_s: float) -> Outcome:
        members, scenario = self.members, self._scenario
        self._troubles += self._firehose.failed[:3]
        promise = Promise(
            scenario.window, len(self._done) + len(members.fell), ordered=scenario.ordered,
            uncommitted=int(scenario.uncommitted_s * scenario.records / scenario.seconds),
        )  # fmt: skip
        return Outcome(
            scenario, judge(history, promise), self._done, took_s, members.resident, members.exit_codes, members.fell,
            self._troubles,
        )  # fmt: skip

    # -- turns --------------------------------------------------------------------------------------------------------

    def _turn(self, watch: CommitWatch) -> None:
        now = time.monotonic()
        due, self._later = [do for at, do in self._later if at <= now], [each for each in self._later if each[0] > now]
        for do in due:
            do()
        self._do_to_member()
        self._do_to_broker()
        self.members.tend()
        if now > self._told_at + _TELL_S:
            self._told_at = now
            self._tell(f"{self._firehose.sent:,} sent, {sum(watch.latest.values()):,} committed, {self._waits()}")

    def _at_rest(self, watch: CommitWatch) -> bool:
        busy = self._member_steps or self._broker_steps or self._later or self._firehose.running
        return not busy and watch.latest == self.flow_ends

    @property
    def flow_ends(self) -> dict[int, int]:
        """Where the source's partitions end; empty where nobody can tell just now."""
        try:
            return self.flow.ends()
        except KafkaException:
            return {}

    def _waits(self) -> str:
        return f"{len(self._member_steps)} + {len(self._broker_steps)} actions to come"

    def _is_due(self, steps: deque[Step]) -> bool:
        return bool(steps) and time.monotonic() >= self._began + steps[0].at_s

    def _note(self, what: str) -> None:
        self._done.append(what)
        self._tell(f"{len(self._done)}: {what}")

    def _after(self, seconds: float, do: Callable[[], None]) -> None:
        self._later.append((time.monotonic() + seconds, do))

    # -- actions ------------------------------------------------------------------------------------------------------

    def _do_to_member(self) -> None:
        if not self._is_due(self._member_steps):
            return
        action = self._member_steps[0].action
        ready = self.members.ready()
        if not ready or (isinstance(action, Scale) and self.members.starting):
            return
        self._member_steps.popleft()
        self._note(str(action))
        member = self._random.choice(ready)
        match action:
            case Kill(signal.SIGKILL):
                self.members.kill(member)
            case Kill():
                self.members.terminate(member)
            case Freeze(seconds):
                self._after(seconds, self.members.freeze(member))
            case Scale(count):
                self.members.scale(count)

    def _do_to_broker(self) -> None:
        """One at a time, and none before all replicas are in sync again: two must always be left."""
        brokers, flow = self._brokers, self.flow
        if brokers is None or not self._is_due(self._broker_steps):
            return
        if not brokers.healed((flow.source, flow.verdicts, flow.rulings, flow.dead_letters)):
            return
        action = self._broker_steps[0].action
        try:
            node = brokers.node(action.role, flow)  # type: ignore[union-attr]  # only brokers' actions stand there
        except KafkaException:
            return
        self._broker_steps.popleft()
        self._note(f"{action}, {node}")
        if isinstance(action, KillBroker):
            (brokers.cluster.kill if action.hard else brokers.cluster.end)(node)
            self._after(action.away_s, lambda: brokers.cluster.spawn(node))
        else:
            brokers.cluster.signal(node, signal.SIGSTOP)
            self._after(action.seconds, lambda: brokers.cluster.signal(node, signal.SIGCONT))  # type: ignore[union-attr]


def make_topics(kafka: Kafka, folder: Path, partitions: int) -> Flow:
    """The topics of a run. The broker says when it appended a record: no clock of a client counts."""
    group, appended = kafka.name("guard"), {"message_timestamp_type": "LogAppendTime"}
    source = kafka.topic(partitions, name=f"{group}.in", max_message_bytes="200000", **appended)
    verdicts, rulings = (kafka.topic(3, name=f"{group}.{name}", **appended) for name in ("verdicts", "rulings"))
    letters = kafka.topic(1, name=f"{group}.letters", **appended)
    return Flow(kafka, folder, group, source, verdicts, rulings, letters)


def settings_of(scenario: Scenario) -> dict[str, Any]:
    """Random order, 5 % of all asks fail for a moment, clients that come back soon after a broker does."""
    engine = {
        "kind": "scripted", "violation_share": 0.3, "delay": 0.005, "delay_spread": 0.3, "stumble_share": 0.05,
        "seed": scenario.seed,
    }  # fmt: skip
    own = {
        "engine": engine,
        "window": {"records": scenario.window},
        "kafka": {"client": {"reconnect.backoff.max.ms": 1_000}},
    }
    return own | dict(scenario.settings)
