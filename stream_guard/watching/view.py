"""What is seen at one look, over all services: `stream-guard top --json` writes it as it stands here.

Rates are per second over `measured_s`; they are null until a service was looked at twice. Totals count since the services'
processes began. A part that no service tells (an older one tells less) is null or empty.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

from msgspec import Struct


class Tally(Struct, frozen=True):
    """How often something happens, and happened."""

    per_s: float | None = None
    total: float = 0.0

    def __add__(self, other: Tally) -> Tally:
        """Both together."""
        rates = [rate for rate in (self.per_s, other.per_s) if rate is not None]
        return Tally(sum(rates) if rates else None, self.total + other.total)


NEVER = Tally()
Tallies = Mapping[str, Tally]


def together(tallies: Tallies) -> Tally:
    """All of them."""
    return sum(tallies.values(), NEVER)


class State(StrEnum):
    """How a service is."""

    READY = "ready"
    NOT_READY = "not_ready"
    UNKNOWN = "unknown"
    """It answers, and does not say whether it is ready."""
    SILENT = "silent"


class Service(Struct, frozen=True, kw_only=True):
    """One service. What it counts is null while it is silent."""

    url: str
    state: State
    why: str | None = None
    """Why it is not ready, or what came instead of an answer."""
    silent_s: float | None = None
    note: str | None = None
    up_s: float | None = None
    """How long its process runs, by this machine's clock."""
    records_per_s: float | None = None
    in_flight_records: float | None = None
    partitions: float | None = None
    lag_s: float | None = None
    engine_up: bool | None = None


class Running(Struct, frozen=True):
    """What runs: more than one of a kind while a rollout is under way."""

    versions: tuple[str, ...] = ()
    models: tuple[str, ...] = ()
    engines: tuple[str, ...] = ()
    editions: tuple[str, ...] = ()


class Records(Struct, frozen=True):
    """Records that ended. `step_per_s` is since the look before alone."""

    by_outcome: Tallies
    step_per_s: float | None = None


class InFlight(Struct, frozen=True):
    """What is read and not settled."""

    records: float
    bytes: float
    asks: float
    tokens: float


class Partition(Struct, frozen=True):
    """How far behind a partition is. `backlog` counts records that are not settled."""

    topic: str
    partition: str
    lag_s: float
    backlog: float | None = None


class Lag(Struct, frozen=True):
    """How far behind all is: the greatest lag, the sum of what waits, and the partitions, furthest behind first."""

    seconds: float | None
    backlog: float | None
    partitions: tuple[Partition, ...]


class Latency(Struct, frozen=True):
    """Seconds below which so many per cent of a stage's durations were within the window; infinite beyond the last bucket."""

    stage: str
    p50: float
    p95: float
    p99: float


class Policy(Struct, frozen=True, kw_only=True):
    """What comes of one policy. `abstained` tells by reason which of the decisions were no judgement."""

    policy: str
    decisions: Tallies
    abstained: Tallies
    input_tokens: Tally
    cached_tokens: Tally
    output_tokens: Tally
    retries: Tallies
    looks: Tallies
    escalated: Tallies
    versions: tuple[str, ...] = ()


class DeadLetter(Struct, frozen=True):
    """Dead letters of one scope and reason."""

    scope: str
    reason: str
    letters: Tally


class DeadLetters(Struct, frozen=True):
    """What was dead-lettered, most first; and how old the oldest is that the topics still hold."""

    reasons: tuple[DeadLetter, ...]
    oldest_s: float | None = None

    @property
    def all(self) -> Tally:
        """Whatever the reason."""
        return sum((each.letters for each in self.reasons), NEVER)


class Engines(Struct, frozen=True):
    """Of so many services that tell it, how many have an engine that takes asks; and how often engines were loaded again."""

    up: int
    of: int
    restarts: Tallies


class Halt(Struct, frozen=True):
    """A partition that is not read on until somebody fixes the reason."""

    topic: str
    partition: str
    reason: str


class Trouble(Struct, frozen=True):
    """What somebody should know. Grave: records wait, or nobody knows."""

    what: str
    grave: bool


class View(Struct, frozen=True, kw_only=True):
    """Everything."""

    at: str
    """UTC, by this machine's clock."""
    measured_s: float | None
    services: tuple[Service, ...]
    troubles: tuple[Trouble, ...]
    running: Running
    records: Records
    rulings: Tallies
    policies: tuple[Policy, ...]
    in_flight: InFlight
    lag: Lag
    latency: tuple[Latency, ...]
    dead_letters: DeadLetters
    resends: Tally
    engines: Engines
    halted: tuple[Halt, ...]
