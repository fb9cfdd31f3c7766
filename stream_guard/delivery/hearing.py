"""A record while it is in flight, from the moment it was read until everything derived from it was acknowledged."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from stream_guard.events.content import Judged
from stream_guard.events.outcome import Ignored, Rejection
from stream_guard.identity import Subject, VerdictId
from stream_guard.judging.case import Case, Outcome
from stream_guard.judging.judgement import Abstention
from stream_guard.policy.document import Policy, PolicyId
from stream_guard.records import Headers, Record
from stream_guard.routing import Route
from stream_guard.telemetry.port import Trace
from stream_guard.verdicts.model import Entry, Position, Verdict


class Follows(NamedTuple):
    """The provisional verdict that the next one under its policy follows from, and the highest sequence so far."""

    verdict_id: VerdictId
    sequence: int


_NOBODY: Mapping[PolicyId, Follows] = {}


class Hearing:
    """What is known of one record so far, and what is still awaited for it. `opened_at` is the loop's time in seconds."""

    __slots__ = (
        "_due", "awaited_acks", "carried", "cases", "entries", "escalated", "event_id", "follows", "judged", "kind", "mendable",
        "opened_at", "opened_at_ms", "ordered", "outcome", "position", "record", "route", "ruled", "screened", "size", "subject",
        "trace", "trace_headers", "weight",
    )  # fmt: skip

    def __init__(self, record: Record, size: int, trace: Trace | None, opened_at: float, opened_at_ms: int) -> None:
        self.record = record
        self.size = size
        self.weight = size + record.beside(size)
        """What the record counts for in the window: `Record.weight`, worked out once."""
        self.trace = trace
        self.trace_headers: Headers = ()
        self.opened_at = opened_at
        self.opened_at_ms = opened_at_ms
        self.outcome: Ignored | Rejection | None = None
        """Why the record is not judged; None where it is."""
        self.route: Route | None = None
        self.position: Position | None = None
        self.subject: Subject | None = None
        self.kind: str | None = None
        self.event_id: str | None = None
        self.judged: Judged | None = None
        self.cases: list[Case[Hearing]] = []
        """The cases that go to the engine: see `open`."""
        self._due = 0
        self.screened: list[Outcome[Hearing]] = []
        """The cases that ended before the engine."""
        self.entries: list[Entry] = []
        self.carried: tuple[Entry, ...] = ()
        """Entries that the ruling repeats, where a case was redriven or escalated: of policies that are not asked again, and what
        stands for now."""
        self.follows: Mapping[PolicyId, Follows] = _NOBODY
        """The provisional verdicts that are followed up here, by policy."""
        self.mendable: list[tuple[Verdict, Abstention]] = []
        """What a dead letter is due for, once every verdict is in: so that it names them all."""
        self.escalated: list[tuple[Verdict, Policy]] = []
        """What an escalation record is due for: then too."""
        self.ruled = False
        self.ordered = False
        """Whether its outputs wait for their turn."""
        self.awaited_acks = 0

    def open(self, case: Case[Hearing]) -> None:
        """A case goes to the engine: a verdict under each of its policies is due."""
        self.cases.append(case)
        self._due += len(case.template.policies)

    def close(self) -> None:
        """Every verdict is in, and the ruling is given. Lets go of the cases: they hold their hearing in turn.

        Such a ring is freed by the garbage collector alone, at several times the price.
        """
        self.ruled = True
        self.cases, self.screened, self.mendable, self.escalated = [], [], [], []

    def follow(self, policy: PolicyId, verdict: VerdictId, sequence: int) -> None:
        """The next verdict under this policy follows from a provisional one."""
        self.follows = {**self.follows, policy: Follows(verdict, sequence)}

    @property
    def heard(self) -> bool:
        """Whether every case has its verdicts."""
        return len(self.entries) == self._due + len(self.screened)

    @property
    def settled(self) -> bool:
        """Whether everything derived from the record was acknowledged."""
        return self.ruled and not self.awaited_acks

    def __repr__(self) -> str:
        state = "settled" if self.settled else f"{len(self.entries)} verdicts, {self.awaited_acks} acks awaited"
        return f"Hearing({self.record!r}, {state})"
