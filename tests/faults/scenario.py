"""What is done to members and brokers, and when: a scenario is a value, so that it can be printed, drawn and repeated."""

from __future__ import annotations

import random
import signal
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, TypeAlias

from tests.faults.brokers import Role


class Kill(NamedTuple):
    """Ends a member with a signal; another one starts in its place."""

    number: signal.Signals = signal.SIGKILL

    def __str__(self) -> str:
        return f"consumer {self.number.name}"


class Freeze(NamedTuple):
    """Stops a member (SIGSTOP) and lets it go on after so many seconds."""

    seconds: float

    def __str__(self) -> str:
        return f"consumer SIGSTOP for {self.seconds:.1f} s"


class Scale(NamedTuple):
    """Starts members, or asks some to end, until there are so many."""

    members: int

    def __str__(self) -> str:
        return f"scale to {self.members}"


class KillBroker(NamedTuple):
    """Ends the broker that plays a part, with SIGKILL or SIGTERM, and starts it again after so many seconds."""

    role: Role
    hard: bool = True
    away_s: float = 3.0

    def __str__(self) -> str:
        return f"broker {'SIGKILL' if self.hard else 'SIGTERM'}, the {self.role}"


class FreezeBroker(NamedTuple):
    """Stops the broker that plays a part (SIGSTOP) and lets it go on after so many seconds."""

    role: Role
    seconds: float

    def __str__(self) -> str:
        return f"broker SIGSTOP for {self.seconds:.1f} s, the {self.role}"


MemberAction: TypeAlias = Kill | Freeze | Scale
BrokerAction: TypeAlias = KillBroker | FreezeBroker
Action: TypeAlias = MemberAction | BrokerAction


class Step(NamedTuple):
    """An action, and the second at which it is due. A member must be ready then, a broker's replicas in sync: waited for."""

    at_s: float
    action: Action


class Scenario(NamedTuple):
    """`records` flow over `seconds`, while the steps are done."""

    steps: Sequence[Step] = ()
    records: int = 2_000
    seconds: float = 20.0
    members: int = 2
    partitions: int = 4
    window: int = 100
    seed: int = 1
    ordered: bool = False
    """Whether the rulings of one key must be published in the order of its records."""
    uncommitted_s: float = 1.0
    """For how long nothing may be committed around a failure: between two commits, or for a session where the coordinator is away."""
    settings: Mapping[str, Any] = {}
    """Laid over the configuration."""


def reference(
    records: int, consumer_kills: int, broker_kills: int, seconds: float, seed: int, members: int
) -> Scenario:
    """Kills spread over the run: hard and clean in turn, each broker in another part."""
    rng = random.Random(seed)
    roles = (Role.CONTROLLER, Role.COORDINATOR, Role.LEADER)
    consumers = [
        Step(at_s, Kill((signal.SIGKILL, signal.SIGTERM)[number % 2]))
        for number, at_s in enumerate(_spread(rng, consumer_kills, seconds))
    ]
    brokers = [
        Step(at_s, KillBroker(roles[number % 3], hard=number % 2 == 0, away_s=rng.uniform(1.0, 6.0)))
        for number, at_s in enumerate(_spread(rng, broker_kills, seconds))
    ]
    steps = sorted([*consumers, *brokers], key=lambda step: step.at_s)
    return Scenario(steps, records, seconds, members, partitions=9, window=500, seed=seed, uncommitted_s=0.0)


def _spread(rng: random.Random, count: int, seconds: float) -> Sequence[float]:
    """So many times, evenly over the run but for some jitter."""
    pause_s = seconds / (count + 1)
    return [pause_s * (number + 1 + rng.uniform(-0.3, 0.3)) for number in range(count)]
