"""The simulator finds bugs: those that the design fears most are planted into the real code, one at a time."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Sequence
from typing import Any, Final, TypeAlias

import pytest
from msgspec.structs import replace

from stream_guard import deciding
from stream_guard.contexts import Contexts
from stream_guard.delivery.admission import Admission, admission
from stream_guard.delivery.hearing import Hearing
from stream_guard.delivery.ledger import Ledger, Ledgers
from stream_guard.delivery.ports import Output, Report
from stream_guard.delivery.turns import Turns
from stream_guard.engines.port import Completion, Failure, FailureKind
from stream_guard.events.content import Judged
from stream_guard.events.splitting import split
from stream_guard.judging.bench import Bench
from stream_guard.judging.combine import Result, strictest
from stream_guard.judging.judgement import Abstention, Judgement
from stream_guard.judging.turn import Settled
from stream_guard.pipeline import Pipeline
from stream_guard.policy.document import Decision, Policy
from stream_guard.records import Lease, Lost, Record, Signal
from stream_guard.routing import Route
from stream_guard.verdicts import fold
from stream_guard.verdicts.model import Entry
from tests.simulation import judging_bugs, packed_bugs
from tests.simulation.coverage import Coverage
from tests.simulation.simulate import Violation, run_schedule

WITHIN: Final = 1_000
"""Schedules in which each bug must be found."""

Plant: TypeAlias = Callable[[pytest.MonkeyPatch], None]


def commit_one_too_far(patch: pytest.MonkeyPatch) -> None:
    """The committable offset names the first open record as settled."""
    committable = Ledger.committable.fget  # type: ignore[attr-defined]

    def further(ledger: Ledger[Any]) -> int | None:
        offset: int | None = committable(ledger)
        return offset if offset is None or not len(ledger) else offset + 1

    patch.setattr(Ledger, "committable", property(further))


def credit_to_a_stale_epoch(patch: pytest.MonkeyPatch) -> None:
    """An acknowledgement under an earlier assignment settles the record under the one that is held now."""
    settle = Ledgers.settle

    def whichever(ledgers: Ledgers[Any], lease: Lease, offset: int, weight: int = 0) -> bool:
        now = next((ledger for ledger in ledgers if ledger.lease[:2] == lease[:2]), None)
        if now is not None and now.lease != lease and offset in now._open:
            return settle(ledgers, now.lease, offset, weight)
        return settle(ledgers, lease, offset, weight)

    patch.setattr(Ledgers, "settle", whichever)


def commit_on_lost(patch: pytest.MonkeyPatch) -> None:
    """What is settled of a partition that was lost is stored at the last moment."""
    on_signal = Pipeline._on_signal

    def parting(pipeline: Pipeline, signal: Signal) -> None:
        if isinstance(signal, Lost):
            pipeline._source.store(pipeline.ledgers.committable(signal.leases))
        on_signal(pipeline, signal)

    patch.setattr(Pipeline, "_on_signal", parting)


def failure_as_allow(patch: pytest.MonkeyPatch) -> None:
    """A case that could not be judged is allowed."""
    decision = deciding._decision

    def lenient(result: Judgement | Abstention, policy: Policy, route: Route) -> Decision:
        return Decision.ALLOW if isinstance(result, Abstention) else decision(result, policy, route)

    patch.setattr(deciding, "_decision", lenient)


def fold_keeps_the_milder(patch: pytest.MonkeyPatch) -> None:
    """Of two equal verdicts the milder wins."""
    precedence = fold._precedence

    def milder(entry: Entry) -> tuple[Any, ...]:
        strictness, *rest = precedence(entry)
        return (-strictness, *rest)

    patch.setattr(fold, "_precedence", milder)


def window_leaks(patch: pytest.MonkeyPatch) -> None:
    """Records whose partition went away keep their place in the window."""
    forget = Pipeline._forget

    def forgetful(pipeline: Pipeline, leases: Sequence[Lease]) -> None:
        held = pipeline.window.records, pipeline.window.bytes
        forget(pipeline, leases)
        pipeline.window.records, pipeline.window.bytes = held

    patch.setattr(Pipeline, "_forget", forgetful)


def failed_write_as_written(patch: pytest.MonkeyPatch) -> None:
    """An output that was not written counts as acknowledged."""
    on_report = Pipeline._on_report

    def hopeful(pipeline: Pipeline, report: Report, *rest: Any) -> None:
        on_report(pipeline, Report(report.output), *rest)

    patch.setattr(Pipeline, "_on_report", hopeful)


def outage_as_abstention(patch: pytest.MonkeyPatch) -> None:
    """An engine that is unavailable fails the cases that are open there."""
    completed = Bench.completed

    def blaming(
        bench: Bench[Hearing], completions: Sequence[Completion], now: float, *, in_doubt: bool
    ) -> Settled[Hearing]:
        return completed(bench, [_blamed(completion) for completion in completions], now, in_doubt=in_doubt)

    patch.setattr(Bench, "completed", blaming)


def _blamed(completion: Completion) -> Completion:
    reply = completion.reply
    if isinstance(reply, Failure) and reply.kind is FailureKind.UNAVAILABLE:
        return Completion(completion.ask_id, Failure(FailureKind.REJECTED, reply.detail))
    return completion


def unjudged_segment_ignored(patch: pytest.MonkeyPatch) -> None:
    """Of a content in segments, those that could not be judged count for nothing."""

    def ignorant(policy: Policy, abstain: Decision, results: Sequence[Result]) -> Result:
        judged = [result for result in results if isinstance(result, Judgement)]
        return strictest(policy, abstain, judged or results)

    patch.setattr("stream_guard.judging.combine.strictest", ignorant)


def segment_lost(patch: pytest.MonkeyPatch) -> None:
    """The end of a content that is too long is not asked about."""

    def cutting(whole: Judged, pieces: int, overlap: int) -> list[Judged]:
        found = split(whole, pieces, overlap)
        return found[:-1] if len(found) > 2 else found

    patch.setattr("stream_guard.judging.fitting.split", cutting)


def past_as_live(patch: pytest.MonkeyPatch) -> None:
    """What is read again for its context is opened in the ledger like any record."""

    def all_live(records: Sequence[Record], admits: Callable[[Lease], bool]) -> Admission:
        live, past, away = admission(records, admits)
        return Admission(sorted([*past, *live], key=lambda record: record.offset), (), away)

    patch.setattr("stream_guard.pipeline.admission", all_live)


def memory_kept_across_leases(patch: pytest.MonkeyPatch) -> None:
    """What was remembered of a partition is still there when it comes back, and is told again."""
    for name in ("witness", "recall", "remember"):
        patch.setattr(Contexts, name, _whatever_the_lease(getattr(Contexts, name)))
    patch.setattr(Contexts, "forget", lambda *_: None)


def _whatever_the_lease(method: Callable[..., Any]) -> Callable[..., Any]:
    def told(contexts: Contexts, *arguments: Any) -> Any:
        return method(contexts, *(_first_lease(a) if isinstance(a, Record) else a for a in arguments))

    return told


def _first_lease(record: Record) -> Record:
    return replace(record, lease=record.lease._replace(epoch=0))


def late_memory_as_whole(patch: pytest.MonkeyPatch) -> None:
    """A memory that began in the middle of a log takes what it has for all there is."""
    patch.setattr(Contexts, "witness", lambda *_: None)


def nothing_waits_its_turn(patch: pytest.MonkeyPatch) -> None:
    """On a route that wants order, outputs go out as they come."""
    patch.setattr(Turns, "due", lambda _turns, _hearing, outputs: outputs)


def turns_without_acknowledgement(patch: pytest.MonkeyPatch) -> None:
    """All that waits is let out with the next in turn, as though nothing could fail to be written."""
    settled = Turns.settled

    def together(turns: Turns, hearing: Hearing) -> Sequence[Output]:
        outputs = list(settled(turns, hearing))
        if hearing.ordered and (queue := turns._queue(hearing)) is not None:
            for held in queue.values():
                outputs += held
                held.clear()
        return outputs

    patch.setattr(Turns, "settled", together)


@pytest.mark.timeout(600)
@pytest.mark.parametrize(
    ("plant", "shows"),
    [
        (commit_one_too_far, r"stored \d+ for .* but .* is not settled under it"),
        (credit_to_a_stale_epoch, r"stored \d+ for .* but .* is not settled under it"),
        (commit_on_lost, r"stored \d+ for .* after it had heard that it is lost"),
        (failure_as_allow, r"decides allow|decision allow"),
        (fold_keeps_the_milder, r"folds to"),
        (window_leaks, r"still holds \d+ records|nothing was committed for"),
        (failed_write_as_written, r"is not settled under it|took or asked for \d+ records"),
        (outage_as_abstention, r"abstains for rejected, of which nothing is known"),
        (unjudged_segment_ignored, r"but \d+ of 30 items were never judged"),
        (past_as_live, r"which is past|was committed back"),
        (memory_kept_across_leases, r"for all that was said before|which are not the last of"),
        (late_memory_as_whole, r"for all that was said before"),
        (nothing_waits_its_turn, r"of the same key, is settled"),
        (turns_without_acknowledgement, r"of the same key, is settled"),
        (judging_bugs.first_in_first_out, r"before one of its flow with an earlier deadline"),
        (judging_bugs.expired_is_asked, r"whose deadline passed"),
        (judging_bugs.most_is_served, r"serves a flow that holds \d+, while one waits that holds"),
        (judging_bugs.served_again_and_again, r"pass a flow that waits and holds nothing"),
        (judging_bugs.no_ask_is_overdue, r"nothing moved in \S+ for"),
        (judging_bugs.suspects_are_never_apart, r"nothing was committed for"),
        (judging_bugs.suspects_are_guilty, r"abstains for engine_killer, of which nothing is known"),
        (packed_bugs.abstention_of_the_first_alone, r"\((A0|D0)\) in (beta\+alpha|gamma\+delta), but the engine gave"),
        (packed_bugs.one_answer_is_enough, r"0\) in (beta\+alpha|gamma\+delta), but the engine gave"),
        (packed_bugs.answers_in_the_order_of_the_reply, r"for unparseable in (beta\+alpha|gamma\+delta), of which"),
        (packed_bugs.outcomes_in_the_order_of_the_route, r"InvariantViolated.* names a category that the policy lacks"),
        (
            packed_bugs.one_conclusive_ends_all,
            r"in (beta\+alpha|gamma\+delta)(, but \d+ of 30 items| of a content of which)",
        ),
        (packed_bugs.heard_by_case, r"not one entry for each policy"),
        (segment_lost, r"but \d+ of 30 items were never judged|of a content of which an item is"),
    ],
)
def test_planted_bug_is_found(
    plant: Plant, shows: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Each is found for what it is within a thousand schedules, and the error names the seed."""
    plant(monkeypatch)
    for seed in range(WITHIN):
        try:
            run_schedule(seed, Coverage())
        except Violation as violation:
            if re.search(shows, violation.wrong):
                with capsys.disabled():
                    sys.stdout.write(f"\n{plant.__name__}: {violation}\n")
                return
    pytest.fail(f"{plant.__name__} was not found in {WITHIN} schedules")
