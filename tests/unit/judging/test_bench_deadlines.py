"""A case whose answer is of no use any more abstains without the engine."""

from __future__ import annotations

import random
from math import inf

import pytest

from stream_guard.engines.port import FailureKind
from stream_guard.judging.bench import Bench, BenchBounds
from stream_guard.judging.case import Case
from stream_guard.judging.judgement import Abstention, AbstentionReason
from stream_guard.judging.retry import Retry, RetryPolicy
from stream_guard.judging.terms import Terms
from stream_guard.policy.document import Decision
from tests.benches import Letters, answer, content_of, failure, make_bench, make_case, make_policy, make_template, reply

TERMS = Terms(respond_by_s=5.0)
TOO_LATE = Abstention(AbstentionReason.EXPIRED, "respond_by: 5 s had passed since its timestamp")


def make_timed(owner: str, deadline: float = 5.0) -> Case[str]:
    """A case with a deadline."""
    return make_case(owner, terms=TERMS, deadline=deadline)


def make_patient_bench() -> Bench[str]:
    """A bench whose pauses are long."""
    policy = RetryPolicy(attempts=3, stumbling_for_s=100.0, wait_s=1000.0, max_wait_s=1000.0)
    return Bench(Letters(), Retry(policy, random.Random(0)), BenchBounds(asks=2))


def test_what_is_too_late_when_it_would_be_asked_is_not_asked() -> None:
    """At its deadline, no one waits any more."""
    bench = make_bench()
    bench.add([make_timed("a", 5.0), make_timed("b", 6.0), make_case("c")], 0.0)
    admitted = bench.admit(5.0)
    assert [content_of(ask) for ask in admitted.asks] == ["b", "c"]
    assert [(o.case.owner, o.result, o.case.attempts) for o in admitted.outcomes] == [("a", TOO_LATE, 0)]


def test_what_waits_ends_when_its_time_is_up() -> None:
    """It does not hold its place until the engine has room, nor while the engine is out."""
    bench = make_bench(asks=1)
    bench.add([make_case("open")], 0.0)
    bench.admit(0.0)
    bench.add([make_timed("a"), make_timed("b", 9.0)], 0.0)
    assert bench.overdue(4.9).outcomes == []
    overdue = bench.overdue(5.0)
    assert ([o.case.owner for o in overdue.outcomes], overdue.cancel) == (["a"], [])
    bench.recall()
    assert [o.case.owner for o in bench.overdue(9.0).outcomes] == ["b"]
    assert len(bench) == 1


def test_an_ask_that_is_open_at_its_deadline_may_end() -> None:
    """Its verdict comes late, and is a verdict."""
    bench = make_bench()
    bench.add([make_timed("a")], 0.0)
    (ask,) = bench.admit(4.9).asks
    assert bench.overdue(6.0).outcomes == []
    (outcome,) = bench.completed([reply(ask.id, "1")], 7.0).outcomes
    assert not isinstance(outcome.result, Abstention)


@pytest.mark.parametrize(("late", "deadline"), [(True, 5.0), (False, 2_000.0), (False, inf)])
def test_a_retry_that_could_only_come_too_late_is_not_made(late: bool, deadline: float) -> None:
    """Neither after a bad reply, nor in the pause after a stumble."""
    bench = make_patient_bench()
    bench.add([make_timed("a", deadline), make_timed("b", deadline)], 0.0)
    one, two = bench.admit(0.0).asks
    settled = bench.completed([reply(one.id, "?"), failure(two.id, FailureKind.TRANSIENT)], 5.0)
    assert [o.result for o in settled.outcomes] == ([TOO_LATE] * 2 if late else [])
    assert len(settled.retried) == (0 if late else 2)


def test_one_that_is_recalled_too_late_ends() -> None:
    """After the outage there is nobody left to answer."""
    bench = make_bench()
    bench.add([make_timed("a")], 0.0)
    (ask,) = bench.admit(0.0).asks
    bench.completed([failure(ask.id, FailureKind.UNAVAILABLE)], 1.0)
    assert [o.result for o in bench.admit(60.0).outcomes] == [TOO_LATE]
    assert len(bench) == 0


@pytest.mark.parametrize("strict", [True, False])
def test_a_case_in_segments_ends_with_what_is_known_by_then(strict: bool) -> None:
    """Segments that wait expire, those that are open may end; unless nothing could be stricter than the abstention."""
    abstain = Decision.BLOCK if strict else Decision.REVIEW
    template = make_template("graded", make_policy(Decision.FLAG, Decision.REVIEW if strict else Decision.BLOCK))
    bench = make_bench(asks=1)
    terms = Terms(content_tokens=40, overlap=5, respond_by_s=5.0, abstain=abstain)
    bench.add([make_case("word " * 16, template, terms, deadline=5.0)], 0.0)
    (ask,) = bench.admit(0.0).asks
    overdue = bench.overdue(5.0)
    assert overdue.cancel == ([ask.id] if strict else [])
    outcomes = overdue.outcomes + bench.completed([answer(ask, "C")], 6.0).outcomes
    (outcome,) = outcomes
    assert isinstance(outcome.result, Abstention) == strict
    assert len(bench) == 0
