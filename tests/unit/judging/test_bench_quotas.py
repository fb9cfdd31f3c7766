"""How a key that has used up its quota ends, and all others do not."""

from __future__ import annotations

from stream_guard.engines.port import FailureKind
from stream_guard.judging.case import Case, Dues
from stream_guard.judging.judgement import Abstention, AbstentionReason
from stream_guard.judging.terms import Quota, Terms
from tests.benches import P2, content_of, failure, make_bench, make_case, reply

TERMS = Terms(quota=Quota(10, 100.0))
"""A tenth of a token a second."""
LIMITED = Abstention(AbstentionReason.RATE_LIMITED, "its key used up 10 tokens per 100 s")


def make_limited(content: str, key: str = "k", terms: Terms = TERMS) -> Case[str]:
    """A case of a key."""
    return make_case(content, terms=terms, dues=Dues(key))


def test_a_content_may_cost_more_than_is_left_and_the_next_waits_until_that_is_paid() -> None:
    """So that a content longer than the quota is not impossible for ever."""
    bench = make_bench()
    bench.add([make_limited("x" * 15)], 0.0)
    assert len(bench.admit(0.0).asks) == 1
    assert [o.result for o in bench.add([make_limited("y")], 49.0)] == [LIMITED]
    assert bench.add([make_limited("z")], 51.0) == []
    assert len(bench.admit(51.0).asks) == 1


def test_a_flood_ends_at_once_and_does_not_wait_behind_an_engine_that_is_full() -> None:
    """Whatever waits of a key ends as soon as the key has nothing left; others keep their places."""
    bench = make_bench(asks=1)
    bench.add([make_limited("a" * 12), make_limited("b" * 12), make_limited("c", "other"), make_limited("d")], 0.0)
    admitted = bench.admit(0.0)
    assert [content_of(ask)[0] for ask in admitted.asks] == ["a"]
    assert [(o.case.owner[0], o.result) for o in admitted.outcomes] == [("b", LIMITED), ("d", LIMITED)]
    assert [o.case.owner for o in bench.add([make_limited("e"), make_limited("f", "other")], 0.0)] == ["e"]
    bench.completed([reply(admitted.asks[0].id, "0")], 0.0)
    assert [content_of(ask) for ask in bench.admit(0.0).asks] == ["c"]
    assert len(bench) == 2


def test_those_of_one_key_that_are_looked_at_together_pay_one_after_the_other() -> None:
    """The first may use up what the second would have needed."""
    bench = make_bench()
    bench.add([make_limited("a" * 12), make_limited("b"), make_limited("c", "other")], 0.0)
    admitted = bench.admit(0.0)
    assert [content_of(ask)[0] for ask in admitted.asks] == ["a", "c"]
    assert [(o.case.owner, o.result) for o in admitted.outcomes] == [("b", LIMITED)]


def test_a_case_pays_once_and_is_not_turned_away_later() -> None:
    """Neither when it is asked again, nor after an outage."""
    bench = make_bench()
    bench.add([make_limited("x" * 20)], 0.0)
    (ask,) = bench.admit(0.0).asks
    bench.completed([failure(ask.id, FailureKind.UNAVAILABLE)], 0.0)
    (ask,) = bench.admit(0.0).asks
    bench.completed([reply(ask.id, "?")], 0.0)
    (ask,) = bench.admit(0.0).asks
    assert len(bench.completed([reply(ask.id, "1")], 0.0).outcomes) == 1
    assert bench.add([make_limited("y")], 99.0) != []
    assert bench.add([make_limited("y")], 101.0) == []


def test_a_content_that_is_split_pays_for_the_whole() -> None:
    """Once, before it is split; and one that is too long pays too, or it could be sent for ever."""
    terms = Terms(content_tokens=8, overlap=0, quota=Quota(10, 100.0))
    bench = make_bench()
    bench.add([make_limited("x" * 20, terms=terms)], 0.0)
    assert len(bench.admit(0.0).asks) > 1
    assert bench.add([make_limited("y", terms=terms)], 99.0) != []
    bench.add([make_limited("z" * 1_000, "long", terms)], 0.0)
    assert [o.result.reason for o in bench.admit(0.0).outcomes if isinstance(o.result, Abstention)] == ["too_long"]
    assert bench.add([make_limited("y", "long", terms)], 99.0) != []


def test_a_key_without_a_quota_is_never_limited() -> None:
    """The key alone says nothing."""
    bench = make_bench()
    bench.add([make_limited("x" * 99, terms=Terms()) for _ in range(3)], 0.0)
    assert len(bench.admit(0.0).asks) == 3


def test_an_event_is_judged_under_all_of_its_policies_or_under_none() -> None:
    """Also one that is longer than all of the quota, whose first policy uses it up; each policy is paid for."""
    bench, dues = make_bench(), Dues("k")
    bench.add([make_case("x" * 15, terms=TERMS, dues=dues), make_case("x" * 15, P2, TERMS, dues)], 0.0)
    bench.add([make_limited("y")], 0.0)
    admitted = bench.admit(0.0)
    assert [content_of(ask)[0] for ask in admitted.asks] == ["x", "x"]
    assert [(o.case.owner, o.result) for o in admitted.outcomes] == [("y", LIMITED)]
    assert bench.add([make_limited("y")], 199.0) != []
    assert bench.add([make_limited("y")], 201.0) == []
