"""decide -> publish: what is said of a record, in the order in which its cases end; the ruling comes last."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from stream_guard.accounts import Accounts
from stream_guard.deciding import Decider
from stream_guard.delivery.halts import Halts
from stream_guard.delivery.hearing import Hearing
from stream_guard.delivery.outbox import Outbox
from stream_guard.delivery.ports import Output
from stream_guard.delivery.turns import Turns
from stream_guard.events.outcome import Rejection
from stream_guard.judging.case import Outcome
from stream_guard.publishing import Publisher
from stream_guard.telemetry.port import Telemetry
from stream_guard.verdicts.fold import entry_of


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

    def decide(self, outcomes: Iterable[Outcome[Hearing]], now: float) -> None:
        """Cases ended: their verdicts, and the ruling where all of a record's have."""
        now_ms = int(self._wall() * 1000)
        for outcome in outcomes:
            hearing = outcome.case.owner
            verdict = self._decider.verdict(outcome, now, now_ms)
            hearing.entries.append(entry_of(verdict))
            self._publish(hearing, self._publisher.verdict(hearing, verdict, outcome))
            self._accounts.judged(outcome, verdict, now)
            if hearing.heard:
                self._rule(hearing, now_ms)

    def turn_down(self, hearing: Hearing, rejection: Rejection) -> None:
        """A record can't become cases: its dead letter, and a ruling that abstains."""
        hearing.entries = self._decider.not_judged(hearing)
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
