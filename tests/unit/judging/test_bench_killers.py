"""A part that ends the engine's process is found, and nobody else is blamed."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pytest

from stream_guard.engines.port import Ask, Completion, FailureKind
from stream_guard.judging.bench import Bench
from stream_guard.judging.judgement import MENDABLE, Abstention, AbstentionReason
from tests.benches import P1, P2, content_of, failure, make_bench, make_case, reply


class Engine:
    """An engine that dies of some contents, and answers everything else."""

    def __init__(self, bench: Bench[str], *killers: str) -> None:
        """Of `killers`."""
        self.bench, self.killers = bench, killers
        self.deaths, self.most_apart = 0, 0
        self.judged: list[str] = []
        self.blamed: list[tuple[str, str]] = []
        self.rounds: list[list[str]] = []

    def turn(self, reply_to: Callable[[Ask], Completion] | None = None) -> None:
        """Asks what the bench has for it, and dies or answers."""
        asks = self.bench.admit(0.0).asks
        self.rounds.append([content_of(ask) for ask in asks])
        dies = any(content_of(ask) in self.killers for ask in asks)
        self.deaths += dies
        answered = reply_to or (lambda ask: reply(ask.id, "0"))
        settled = self.bench.completed(
            [failure(ask.id, FailureKind.DIED) if dies else answered(ask) for ask in asks], 0.0
        )
        assert (settled.unavailable is not None) == dies
        for outcome in settled.outcomes:
            if isinstance(outcome.result, Abstention):
                self.blamed.append((outcome.case.owner, outcome.result.reason))
            else:
                self.judged.append(outcome.case.owner)

    def run(self) -> None:
        """Until nothing is left."""
        while len(self.bench):
            self.turn()


def names(count: int) -> list[str]:
    """So many contents."""
    return [f"content {number}" for number in range(count)]


@pytest.mark.parametrize(("cases", "deaths"), [(1, 3), (12, 3), (40, 4), (200, 4)])
def test_the_guilty_one_ends_and_all_others_are_judged(cases: int, deaths: int) -> None:
    """Within four deaths, however many were open; its reason can be mended."""
    bench = make_bench()
    everything = names(cases)
    bench.add([make_case(name, P1) for name in everything], 0.0)
    killer = everything[cases // 2]
    engine = Engine(bench, killer)
    engine.run()
    assert engine.blamed == [(killer, AbstentionReason.ENGINE_KILLER)]
    assert sorted(engine.judged) == sorted(set(everything) - {killer})
    assert engine.deaths == deaths
    assert AbstentionReason.ENGINE_KILLER in MENDABLE


def test_suspects_have_the_engine_to_themselves() -> None:
    """Nothing else is open while they are; others wait until they are done, and are asked together then."""
    bench = make_bench()
    bench.add([make_case(name) for name in "abc"], 0.0)
    engine = Engine(bench, "c")
    engine.turn()
    engine.turn()
    bench.add([make_case(name) for name in "xy"], 0.0)
    engine.run()
    assert engine.rounds == [["a", "b", "c"], ["a", "b", "c"], ["a"], ["b"], ["c"], ["x", "y"]]


def test_once_one_is_found_guilty_the_others_are_suspects_no_more() -> None:
    """One more death and they are again: the second killer is found too."""
    bench = make_bench()
    bench.add([make_case(name) for name in "abcd"], 0.0)
    engine = Engine(bench, "a", "c")
    engine.run()
    assert engine.rounds == [["a", "b", "c", "d"]] * 2 + [["a"], ["b", "c", "d"], ["b"], ["c"], ["d"]]
    assert engine.blamed == [("a", "engine_killer"), ("c", "engine_killer")]


def test_suspects_wait_for_what_is_open() -> None:
    """Or it would not be known who it was."""
    bench = make_bench(timeout_s=60.0)
    bench.add([make_case(name) for name in "ab"], 0.0)
    for _ in range(2):
        one, two = bench.admit(0.0).asks
        bench.completed([failure(one.id, FailureKind.DIED), failure(two.id, FailureKind.UNAVAILABLE)], 0.0)
    (ask,) = bench.admit(0.0).asks
    assert content_of(ask) == "a"
    assert bench.admit(59.0).asks == []
    overdue = bench.overdue(60.0)
    assert overdue.cancel == [ask.id]
    assert [content_of(ask) for ask in bench.admit(60.0).asks] == ["b"]


def test_an_outage_counts_for_nothing() -> None:
    """Nor does one death that happened while it was asked alone by chance."""
    bench = make_bench()
    bench.add([make_case("a")], 0.0)
    for kind in (FailureKind.UNAVAILABLE, FailureKind.UNAVAILABLE, FailureKind.DIED):
        (ask,) = bench.admit(0.0).asks
        assert bench.completed([failure(ask.id, kind)], 0.0).outcomes == []
    bench.add([make_case("b")], 0.0)
    assert len(bench.admit(0.0).asks) == 2


def test_who_is_answered_is_suspected_no_more() -> None:
    """Though the answer was bad: the next death does not end it, even alone."""
    bench = make_bench()
    bench.add([make_case("a")], 0.0)
    engine = Engine(bench, "a")
    engine.turn()
    engine.turn()
    engine.killers = ()
    engine.turn(lambda ask: reply(ask.id, "?"))
    engine.killers = ("a",)
    engine.turn()
    assert engine.blamed == []
    engine.run()
    assert engine.blamed == [("a", "engine_killer")]


def test_suspects_that_leave_or_are_too_late_are_forgotten() -> None:
    """The engine is open to all again."""
    bench = make_bench()
    leaving, timed = make_case("a"), make_case("b", deadline=5.0)
    bench.add([leaving, timed, make_case("c", P2)], 0.0)
    for _ in range(2):
        asks: Sequence[Ask] = bench.admit(0.0).asks
        bench.completed([failure(ask.id, FailureKind.DIED) for ask in asks if content_of(ask) != "c"], 0.0)
        bench.recall()
    bench.drop([leaving.owner])
    (late,) = bench.overdue(5.0).outcomes
    assert late.case is timed
    assert [content_of(ask) for ask in bench.admit(5.0).asks] == ["c"]
