"""How cases wait, are asked, and are asked again until they have an outcome."""

from __future__ import annotations

from msgspec.structs import replace

from stream_guard.engines.port import FailureKind
from stream_guard.judging.judgement import Abstention, AbstentionReason, Judgement
from stream_guard.prompting.port import Sampling
from tests.benches import P1, P2, failure, make_bench, make_case, reply


def test_a_reply_becomes_an_outcome() -> None:
    """The ordinary way, with what it cost."""
    bench = make_bench()
    bench.add([make_case("a")], 0.0)
    (ask,) = bench.admit(1.0).asks
    assert ask.prompt == [1, 2, ord("a")]
    (outcome,) = bench.completed([reply(ask.id, "1")], 2.0).outcomes
    assert outcome.case.owner == "a"
    assert isinstance(outcome.result, Judgement)
    assert outcome.result.category == "SP2"
    assert (outcome.case.prompt_tokens, outcome.case.cached_tokens, outcome.case.attempts) == (3, 2, 1)
    assert (len(bench), bench.asks, bench.tokens) == (0, 0, 0)


def test_asks_of_one_prompt_version_come_next_to_each_other() -> None:
    """So that a policy's prefix is shared, whatever order the intake came in."""
    bench = make_bench()
    bench.add([make_case("a", P1), make_case("b", P2), make_case("c", P1), make_case("d", P2)], 0.0)
    assert [chr(ask.prompt[-1]) for ask in bench.admit(0.0).asks] == ["a", "c", "b", "d"]


def test_no_more_asks_are_open_than_the_bound() -> None:
    """The rest waits its turn."""
    bench = make_bench(asks=2)
    bench.add([make_case(name) for name in "abc"], 0.0)
    first = bench.admit(0.0).asks
    assert len(first) == 2
    assert bench.admit(0.0).asks == []
    bench.completed([reply(first[0].id, "0")], 0.0)
    assert [chr(ask.prompt[-1]) for ask in bench.admit(0.0).asks] == ["c"]


def test_no_more_prompt_tokens_are_open_than_the_bound() -> None:
    """But one ask always goes."""
    bench = make_bench(tokens=3)
    bench.add([make_case("a"), make_case("b", P2)], 0.0)
    assert len(bench.admit(0.0).asks) == 1


def test_the_family_says_how_replies_are_drawn() -> None:
    """The first as its profile has it, and the one that follows a bad reply too."""
    bench, template = make_bench(asks=4), replace(P1, sampling=Sampling(0.2, 0.9))
    bench.add([make_case("a", template)], 0.0)
    [first] = bench.admit(0.0).asks
    bench.completed([reply(first.id, "neither")], 0.0)
    [second] = bench.admit(0.0).asks
    assert (first.temperature, second.temperature) == (0.2, 0.9)


def test_a_bad_reply_is_asked_again_less_greedily_and_then_abstains() -> None:
    """A malformed reply is never an allow."""
    bench = make_bench()
    bench.add([make_case("a")], 0.0)
    (first,) = bench.admit(0.0).asks
    settled = bench.completed([reply(first.id, "maybe")], 0.0)
    assert [why for _, why in settled.retried] == [AbstentionReason.UNPARSEABLE]
    (second,) = bench.admit(0.0).asks
    assert second.id != first.id
    assert first.temperature == 0.0 < second.temperature
    (outcome,) = bench.completed([reply(second.id, "")], 0.0).outcomes
    assert isinstance(outcome.result, Abstention)
    assert outcome.result.reason is AbstentionReason.UNPARSEABLE
    assert outcome.case.attempts == 2


def test_a_stumble_pauses_and_is_asked_again() -> None:
    """And abstains only once the engine kept stumbling for the whole time."""
    bench = make_bench()
    bench.add([make_case("a")], 0.0)
    (ask,) = bench.admit(0.0).asks
    bench.completed([failure(ask.id, FailureKind.TRANSIENT)], 0.0)
    assert bench.admit(0.0).asks == []
    (again,) = bench.admit(5.0).asks
    (outcome,) = bench.completed([failure(again.id, FailureKind.TRANSIENT)], 11.0).outcomes
    assert isinstance(outcome.result, Abstention)
    assert outcome.result.reason is AbstentionReason.FAILED


def test_what_the_engine_will_never_take_abstains_at_once() -> None:
    """Asking again would change nothing."""
    bench = make_bench()
    bench.add([make_case("a"), make_case("b")], 0.0)
    one, two = bench.admit(0.0).asks
    completions = [failure(one.id, FailureKind.REJECTED), failure(two.id, FailureKind.TOO_LONG)]
    results = [outcome.result for outcome in bench.completed(completions, 0.0).outcomes]
    assert [r.reason for r in results if isinstance(r, Abstention)] == ["rejected", "too_long"]


def test_an_outage_costs_a_case_nothing() -> None:
    """It waits in its old place, however often that happens."""
    bench = make_bench()
    bench.add([make_case(name) for name in "abc"], 0.0)
    for _ in range(5):
        asks = bench.admit(0.0).asks
        assert [chr(ask.prompt[-1]) for ask in asks] == ["a", "b", "c"]
        settled = bench.completed([failure(ask.id, FailureKind.UNAVAILABLE) for ask in asks], 0.0)
        assert settled.unavailable == "why"
        assert settled.outcomes == []


def test_the_time_of_an_outage_is_no_time_that_the_engine_stumbled() -> None:
    """Neither for a case that was open when the engine went, nor for one that paused: the minute begins anew."""
    bench = make_bench()
    bench.add([make_case("a"), make_case("b")], 0.0)
    bench.completed([failure(ask.id, FailureKind.TRANSIENT) for ask in bench.admit(0.0).asks], 0.0)
    bench.recall()  # both pause
    again = bench.admit(600.0).asks
    assert bench.completed([failure(ask.id, FailureKind.TRANSIENT) for ask in again], 600.0).outcomes == []
    again = bench.admit(605.0).asks
    bench.recall()  # both are open
    again = bench.admit(1_200.0).asks
    assert bench.completed([failure(ask.id, FailureKind.TRANSIENT) for ask in again], 1_200.0).outcomes == []
    assert len(bench) == 2


def test_recalled_asks_wait_and_their_late_completions_count_for_nothing() -> None:
    """Each asking has an id of its own."""
    bench = make_bench()
    bench.add([make_case("a")], 0.0)
    (ask,) = bench.admit(0.0).asks
    assert bench.recall() == [ask.id]
    assert bench.completed([reply(ask.id, "0")], 0.0).outcomes == []
    (again,) = bench.admit(0.0).asks
    assert again.id != ask.id


def test_an_ask_open_for_too_long_abstains_and_is_cancelled() -> None:
    """The slow one alone."""
    bench = make_bench(timeout_s=10.0)
    bench.add([make_case("a")], 0.0)
    (slow,) = bench.admit(0.0).asks
    bench.add([make_case("b")], 0.0)
    bench.admit(5.0)
    assert bench.overdue(9.9).cancel == []
    overdue = bench.overdue(10.0)
    assert overdue.cancel == [slow.id]
    (outcome,) = overdue.outcomes
    assert isinstance(outcome.result, Abstention)
    assert outcome.result.reason is AbstentionReason.TIMEOUT
    assert bench.asks == 1


def test_dropped_owners_leave_nothing_behind() -> None:
    """Waiting, pausing or open: a partition that left takes its cases along."""
    bench = make_bench(asks=2)
    cases = [make_case(name) for name in "abcd"]
    bench.add(cases[:2], 0.0)
    one, two = bench.admit(0.0).asks
    bench.completed([failure(one.id, FailureKind.TRANSIENT)], 0.0)
    bench.add(cases[2:], 0.0)
    assert bench.drop(case.owner for case in cases[:3]) == [two.id]
    assert len(bench) == 1
