"""decide -> publish: what is said of a record, in the order in which its cases end; the ruling comes last."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from stream_guard.accounts import Accounts
from stream_guard.deciding import Decider, escalates
from stream_guard.delivery.halts import Halts
from stream_guard.delivery.hearing import Hearing
from stream_guard.delivery.outbox import Outbox
from stream_guard.delivery.ports import Output
from stream_guard.delivery.turns import Turns
from stream_guard.events.outcome import Rejection
from stream_guard.judging.case import Case, Outcome
from stream_guard.judging.escalation import EscalationReason
from stream_guard.publishing import Publisher
from stream_guard.telemetry.port import Telemetry
from stream_guard.verdicts.fold import entry_of
from stream_guard.verdicts.model import Verdict


class Pronouncing:
    """Fills the outbox. `wall` gives Unix time in seconds, `now` is the loop's time in seconds."""

    def __init__(
        self,
        decider: Decider,
        publisher: Publisher,
        outbox: Outbox,
        turns: Turns,
        halts: Halts,
        accounts: Accounts,
        telemetry: Telemetry,
        wall: Callable[[], float],
    ) -> None:
        self._decider, self._publisher = decider, publisher
        self._outbox, self._turns, self._halts = outbox, turns, halts
        self._accounts, self._telemetry, self._wall = accounts, telemetry, wall

    def decide(self, outcomes: Iterable[Outcome[Hearing]], now: float) -> list[Case[Hearing]]:
        """Cases ended: their verdicts, and the ruling where all of a record's have. Returns the cases that are to be asked again."""
        now_ms = int(self._wall() * 1000)
        again: list[Case[Hearing]] = []
        for outcome in outcomes:
            hearing = outcome.case.owner
            why = escalates(outcome)
            verdict = self._decider.verdict(outcome, now, now_ms, provisional=why is not None)
            hearing.entries.append(entry_of(verdict))
            if why is not None and (higher := self._escalate(outcome, verdict, why, now)) is not None:
                again.append(higher)
            self._publish(hearing, self._publisher.verdict(hearing, verdict, outcome))
            self._accounts.judged(outcome, verdict, now)
            if hearing.heard:
                self._rule(hearing, now_ms)
        return again

    def _escalate(
        self, outcome: Outcome[Hearing], verdict: Verdict, why: EscalationReason, now: float
    ) -> Case[Hearing] | None:
        """A case goes on: on this engine as a case of its own, which the ruling waits for, or as a record that is due."""
        case, policy = outcome.case, outcome.policy
        hearing = case.owner
        self._telemetry.escalated(policy.id, why)
        escalation = None if hearing.route is None else hearing.route.escalation
        higher = None if escalation is None else escalation.again(case.template.view, policy.id)
        if higher is None or hearing.judged is None:
            hearing.escalated.append((verdict, policy))
            return None
        hearing.follow(policy.id, verdict.id, verdict.sequence)
        # It owes no quota: the event has paid for this policy, and is judged under all or none.
        again = Case(hearing, higher, hearing.judged, now, case.traceparent, case.terms, None, case.flow, case.deadline)
        hearing.open(again)
        return again

    def turn_down(self, hearing: Hearing, rejection: Rejection) -> None:
        """A record can't become cases: its dead letter, and a ruling that abstains."""
        hearing.entries = self._decider.not_judged(hearing)
        origin = hearing.record.origin
        if origin is not None and origin.escalated is not None:
            self._telemetry.escalation_refused(origin.escalated.policy_id, rejection.reason, rejection.detail)
        now_ms = int(self._wall() * 1000)
        self._publish(hearing, self._publisher.rejected(hearing, rejection, now_ms))
        self._rule(hearing, now_ms)

    def _rule(self, hearing: Hearing, now_ms: int) -> None:
        ruling = self._decider.ruling(hearing, now_ms)
        self._halts.decided(hearing)
        hearing.close()
        self._publish(hearing, [self._publisher.ruling(hearing, ruling)])
        self._telemetry.ruling(ruling.route, ruling.decision)

    def _publish(self, hearing: Hearing, outputs: Sequence[Output]) -> None:
        hearing.awaited_acks += len(outputs)
        self._outbox.add(self._turns.due(hearing, outputs))
