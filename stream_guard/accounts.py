"""What the pipeline tells of itself: which telemetry follows from a verdict, an acknowledgement, a settled record."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable

from stream_guard.delivery.backlog import Backlogs
from stream_guard.delivery.hearing import Hearing
from stream_guard.delivery.ledger import Ledger
from stream_guard.delivery.outbox import Receipt
from stream_guard.delivery.window import Window
from stream_guard.events.outcome import Ignored
from stream_guard.judging.bench import Bench
from stream_guard.judging.case import Case, Outcome
from stream_guard.judging.judgement import Abstention, Judgement, Looked
from stream_guard.policy.document import Decision
from stream_guard.records import Record
from stream_guard.telemetry.port import Telemetry
from stream_guard.verdicts.model import Verdict

_IGNORED = "ignored"


class Accounts:
    """Keeps the telemetry. `now` is the loop's time in seconds, `wall` gives Unix time in seconds."""

    def __init__(self, telemetry: Telemetry, wall: Callable[[], float], model: str) -> None:
        self._telemetry = telemetry
        self._wall = wall
        self._model = model

    def reread(self, records: Iterable[Record]) -> None:
        """Records were read again for their context alone."""
        for topic, count in Counter(record.lease.topic for record in records).items():
            self._telemetry.reread(topic, count)

    def retried(self, retried: Iterable[tuple[Case[Hearing], str]]) -> None:
        """Cases are asked again, each for a reason in one word."""
        for case, reason in retried:
            for policy in case.template.policies:
                self._telemetry.retry(policy.id, reason)

    def judged(self, outcome: Outcome[Hearing], verdict: Verdict, now: float) -> None:
        """A case has a verdict. What its ask took is told once, of a case under several policies with the first; what it cost, by shares."""
        case, result = outcome.case, outcome.result
        abstention = result.reason if isinstance(result, Abstention) else ""
        self._telemetry.verdict(verdict.route, verdict.policy.id, verdict.decision, abstention)
        self._telemetry.latency("judge", now - case.opened_at, case.owner.trace)
        if not case.attempts:
            return
        cost = verdict.tokens
        self._telemetry.usage(
            verdict.policy.id, cost.prompt, cost.cached, cost.completion, case.front_end_s / len(case.template.policies)
        )
        if isinstance(result, Judgement) and result.looked is not None:
            violates = verdict.decision is not Decision.ALLOW
            self._telemetry.look(verdict.policy.id, _came_of(result, result.looked, violates=violates))
        if outcome.first:
            self._asked(case, abstention)

    def _asked(self, case: Case[Hearing], abstention: str) -> None:
        trace = case.owner.trace
        self._telemetry.latency("queue", case.asked_at - case.opened_at, trace)
        self._telemetry.latency("engine", case.engine_s, trace)
        if trace is not None:
            trace.inference(
                policy=case.template.asked.id,
                model=self._model,
                seconds=case.engine_s,
                tokens=(case.prompt_tokens, case.cached_tokens, case.completion_tokens),
                failure=abstention or None,
            )

    def acknowledged(self, receipt: Receipt, topic: str, now: float) -> None:
        """An output was written."""
        hearing, seconds = receipt.hearing, now - receipt.sent_at
        self._telemetry.latency("publish", seconds, hearing.trace)
        if hearing.trace is not None:
            hearing.trace.sent(topic, seconds)
        if receipt.dead_letter is not None and hearing.route is not None:
            self._telemetry.dead_letter(hearing.route.name, *receipt.dead_letter)

    def settled(self, hearing: Hearing, now: float) -> None:
        """A record ended."""
        outcome, reason = _ended(hearing)
        self._telemetry.outcome(hearing.route.name if hearing.route else "", outcome, reason)
        self._telemetry.latency("settle", now - hearing.opened_at, hearing.trace)
        since_ms = hearing.record.awaited_since_ms
        if (
            since_ms is not None and outcome != _IGNORED
        ):  # else what nobody waits for would be in time for those who wait
            self._telemetry.latency("total", max(self._wall() - since_ms / 1000, 0.0), hearing.trace)
        if hearing.trace is not None:
            hearing.trace.end(outcome)

    def gauges(
        self, window: Window, bench: Bench[Hearing], ledgers: Iterable[Ledger[Hearing]], backlogs: Backlogs
    ) -> None:
        """What is in flight, what waits in each partition, and how old the oldest of it is."""
        self._telemetry.in_flight(records=window.records, bytes=window.bytes, tokens=bench.tokens, asks=bench.asks)
        wall = self._wall()
        for ledger in ledgers:
            oldest = ledger.oldest
            stands = backlogs.standing(ledger, oldest.record.awaited_since_ms if oldest else None, wall)
            if stands is not None:
                self._telemetry.lag(ledger.lease.topic, ledger.lease.partition, stands.lag_s)
                self._telemetry.backlog(ledger.lease.topic, ledger.lease.partition, stands.records)


def _came_of(result: Judgement, looked: Looked, *, violates: bool) -> str:
    """What came of a quick look. What it could have settled is audited: the model reasoned, and agreed or differed."""
    if result.by_look:
        return "settled"
    if looked.violates is None:
        return "uncertain"
    return "agreed" if looked.violates is violates else "differed"


def _ended(hearing: Hearing) -> tuple[str, str]:
    outcome = hearing.outcome
    if outcome is None:
        return "judged", ""
    return (_IGNORED if isinstance(outcome, Ignored) else "dead_lettered"), outcome.reason
