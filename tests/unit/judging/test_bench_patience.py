"""How patient the bench is with an engine that fails, and with whom it is when it is in doubt who is to blame."""

from __future__ import annotations

import random

from stream_guard.engines.port import AskId, FailureKind
from stream_guard.judging.bench import Bench, BenchBounds
from stream_guard.judging.judgement import Abstention, AbstentionReason
from stream_guard.judging.retry import Retry, RetryPolicy
from tests.benches import Letters, failure, make_case, reply

POLICY = RetryPolicy(stumbling_for_s=60.0, stumbles=4, timeouts=3, wait_s=1.0, max_wait_s=5.0)


def make_bench() -> Bench[str]:
    """A bench that gives a failing engine some time, with one case on it."""
    bench: Bench[str] = Bench(Letters(), Retry(POLICY, random.Random(0)), BenchBounds(timeout_s=10.0))
    bench.add([make_case("a")], 0.0)
    return bench


def asked(bench: Bench[str], now: float) -> AskId:
    """The one ask that is made now."""
    (ask,) = bench.admit(now).asks
    return ask.id


def test_an_ask_without_an_answer_is_cancelled_and_asked_again() -> None:
    """One that hangs is no reason to give a case up; several are."""
    bench, now = make_bench(), 0.0
    for _ in range(POLICY.timeouts - 1):
        ask_id, now = asked(bench, now), now + 10.0
        overdue = bench.overdue(now)
        assert (overdue.cancel, overdue.outcomes) == ([ask_id], [])
        assert [reason for _, reason in overdue.retried] == [AbstentionReason.TIMEOUT]
    asked(bench, now)
    (outcome,) = bench.overdue(now + 10.0).outcomes
    assert isinstance(outcome.result, Abstention)
    assert (outcome.result.reason, outcome.result.detail) == (
        AbstentionReason.TIMEOUT,
        "no reply within 10 s, 3 times",
    )
    assert len(bench) == 0


def test_in_doubt_no_case_is_given_up_for_an_answer_that_does_not_come() -> None:
    """The engine may answer nobody; once it is known to answer, the case's own patience counts again."""
    bench, now = make_bench(), 0.0
    for _ in range(20):
        asked(bench, now)
        now += 10.0
        assert bench.overdue(now, in_doubt=True).outcomes == []
    asked(bench, now)
    assert len(bench.overdue(now + 10.0).outcomes) == 1


def test_in_doubt_no_case_is_given_up_for_what_failed() -> None:
    """However long, and however often; the pause stays within its bound."""
    bench, now = make_bench(), 0.0
    for _ in range(50):
        settled = bench.completed([failure(asked(bench, now), FailureKind.TRANSIENT)], now, in_doubt=True)
        assert settled.outcomes == []
        now += 5.0
    (outcome,) = bench.completed([failure(asked(bench, now), FailureKind.TRANSIENT)], now).outcomes
    assert isinstance(outcome.result, Abstention)
    assert outcome.result.reason is AbstentionReason.FAILED


def test_a_recall_forgives() -> None:
    """After an outage each case has all of its patience again, whether it had failed, waited or hung."""
    bench, now = make_bench(), 0.0
    for _ in range(3):
        bench.completed([failure(asked(bench, now), FailureKind.TRANSIENT)], now)
        now += 20.0
    asked(bench, now)
    now += 10.0
    assert len(bench.overdue(now).retried) == 1
    bench.recall()
    for _ in range(3):
        assert bench.completed([failure(asked(bench, now), FailureKind.TRANSIENT)], now).outcomes == []
        now += 20.0
    assert len(bench.completed([reply(asked(bench, now), "1")], now).outcomes) == 1


def test_in_doubt_a_bad_reply_is_still_a_bad_reply() -> None:
    """The engine answered: asked often enough, it ends the case."""
    bench = make_bench()
    for _ in range(2):
        assert bench.completed([reply(asked(bench, 0.0), "maybe")], 0.0, in_doubt=True).outcomes == []
    assert len(bench.completed([reply(asked(bench, 0.0), "maybe")], 0.0, in_doubt=True).outcomes) == 1
