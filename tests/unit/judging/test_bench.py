"""How cases wait, are asked, and are asked again until they have an outcome."""

from __future__ import annotations

import random
from collections.abc import Sequence

from stream_guard.engines.port import AskId, Completion, Failure, FailureKind, Text, TextRead, Usage
from stream_guard.events.content import Coverage, Judged
from stream_guard.events.model import View
from stream_guard.identity import PolicyVersion, PromptVersion
from stream_guard.judging.bench import Bench, BenchBounds
from stream_guard.judging.case import Case
from stream_guard.judging.judgement import Abstention, AbstentionReason, Judgement
from stream_guard.judging.retry import Retry, RetryPolicy
from stream_guard.policy.document import Category, Decision, Effort, OutputForm, Policy
from stream_guard.prompting.port import Rendered, Template, TextReading

POLICY = Policy(
    id="spam",
    version=PolicyVersion("v1"),
    revision=1,
    owner="team",
    title="Spam",
    output=OutputForm.BINARY,
    effort=Effort.LOW,
    categories=(Category("SP0", "Fine", 0, Decision.ALLOW), Category("SP2", "Spam", 2, Decision.FLAG)),
    yes_means="SP2",
    examples=(),
    instruction="",
    definitions="",
    criteria="",
)


class Letters:
    """A renderer whose tokens are characters."""

    def template(self, policy: Policy, view: View) -> Template:
        """One template."""
        return make_template(policy.id)

    def render(self, template: Template, contents: Sequence[Judged]) -> list[Rendered]:
        """Prefix and text."""
        return [Rendered([*template.prefix, *map(ord, content.text)]) for content in contents]

    def text(self, token_ids: Sequence[int]) -> str:
        """The characters."""
        return "".join(map(chr, token_ids))


def make_template(prompt: str = "p1") -> Template:
    """A template of a prompt version."""
    read = TextRead(max_tokens=1, stop_ids=())
    return Template(POLICY, View.MESSAGE, PromptVersion(prompt), read, TextReading(), (1, 2), ())


P1, P2 = make_template("p1"), make_template("p2")


def make_bench(**bounds: float) -> Bench[str]:
    """A bench of two attempts."""
    retry = Retry(RetryPolicy(attempts=2, stumbling_for_s=10.0), random.Random(0))
    return Bench(Letters(), retry, BenchBounds(**bounds))  # type: ignore[arg-type]  # ints and floats by keyword


def make_case(owner: str, template: Template = P1) -> Case[str]:
    """A case whose content is its owner."""
    judged = Judged(View.MESSAGE, "", owner, Coverage(1, (), 0, complete=True))
    return Case(owner, template, judged, 0.0, None)


def reply(ask_id: AskId, text: str) -> Completion:
    """A completion that says `text`."""
    return Completion(ask_id, Text(tuple(map(ord, text)), None, finished=True), Usage(3, 2, 1, 0.5, 0.001))


def failure(ask_id: AskId, kind: FailureKind) -> Completion:
    """A completion that failed."""
    return Completion(ask_id, Failure(kind, "why"))


def test_a_reply_becomes_an_outcome() -> None:
    """The ordinary way, with what it cost."""
    bench = make_bench()
    bench.add([make_case("a")])
    (ask,) = bench.admit(1.0)
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
    bench.add([make_case("a", P1), make_case("b", P2), make_case("c", P1), make_case("d", P2)])
    assert [chr(ask.prompt[-1]) for ask in bench.admit(0.0)] == ["a", "c", "b", "d"]


def test_no_more_asks_are_open_than_the_bound() -> None:
    """The rest waits its turn."""
    bench = make_bench(asks=2)
    bench.add([make_case(name) for name in "abc"])
    first = bench.admit(0.0)
    assert len(first) == 2
    assert bench.admit(0.0) == []
    bench.completed([reply(first[0].id, "0")], 0.0)
    assert [chr(ask.prompt[-1]) for ask in bench.admit(0.0)] == ["c"]


def test_no_more_prompt_tokens_are_open_than_the_bound() -> None:
    """But one ask always goes."""
    bench = make_bench(tokens=3)
    bench.add([make_case("a"), make_case("b", P2)])
    assert len(bench.admit(0.0)) == 1


def test_a_bad_reply_is_asked_again_less_greedily_and_then_abstains() -> None:
    """A malformed reply is never an allow."""
    bench = make_bench()
    bench.add([make_case("a")])
    (first,) = bench.admit(0.0)
    settled = bench.completed([reply(first.id, "maybe")], 0.0)
    assert [why for _, why in settled.retried] == [AbstentionReason.UNPARSEABLE]
    (second,) = bench.admit(0.0)
    assert second.id != first.id
    assert first.temperature == 0.0 < second.temperature
    (outcome,) = bench.completed([reply(second.id, "")], 0.0).outcomes
    assert isinstance(outcome.result, Abstention)
    assert outcome.result.reason is AbstentionReason.UNPARSEABLE
    assert outcome.case.attempts == 2


def test_a_stumble_pauses_and_is_asked_again() -> None:
    """And abstains only once the engine kept stumbling for the whole time."""
    bench = make_bench()
    bench.add([make_case("a")])
    (ask,) = bench.admit(0.0)
    bench.completed([failure(ask.id, FailureKind.TRANSIENT)], 0.0)
    assert bench.admit(0.0) == []
    (again,) = bench.admit(5.0)
    (outcome,) = bench.completed([failure(again.id, FailureKind.TRANSIENT)], 11.0).outcomes
    assert isinstance(outcome.result, Abstention)
    assert outcome.result.reason is AbstentionReason.FAILED


def test_what_the_engine_will_never_take_abstains_at_once() -> None:
    """Asking again would change nothing."""
    bench = make_bench()
    bench.add([make_case("a"), make_case("b")])
    one, two = bench.admit(0.0)
    completions = [failure(one.id, FailureKind.REJECTED), failure(two.id, FailureKind.TOO_LONG)]
    results = [outcome.result for outcome in bench.completed(completions, 0.0).outcomes]
    assert [r.reason for r in results if isinstance(r, Abstention)] == ["rejected", "too_long"]


def test_an_outage_costs_a_case_nothing() -> None:
    """It waits in its old place, however often that happens."""
    bench = make_bench()
    bench.add([make_case(name) for name in "abc"])
    for _ in range(5):
        asks = bench.admit(0.0)
        assert [chr(ask.prompt[-1]) for ask in asks] == ["a", "b", "c"]
        settled = bench.completed([failure(ask.id, FailureKind.UNAVAILABLE) for ask in asks], 0.0)
        assert settled.unavailable == "why"
        assert settled.outcomes == []


def test_the_time_of_an_outage_is_no_time_that_the_engine_stumbled() -> None:
    """Neither for a case that was open when the engine went, nor for one that paused: the minute begins anew."""
    bench = make_bench()
    bench.add([make_case("a"), make_case("b")])
    bench.completed([failure(ask.id, FailureKind.TRANSIENT) for ask in bench.admit(0.0)], 0.0)
    bench.recall()  # both pause
    again = bench.admit(600.0)
    assert bench.completed([failure(ask.id, FailureKind.TRANSIENT) for ask in again], 600.0).outcomes == []
    again = bench.admit(605.0)
    bench.recall()  # both are open
    again = bench.admit(1_200.0)
    assert bench.completed([failure(ask.id, FailureKind.TRANSIENT) for ask in again], 1_200.0).outcomes == []
    assert len(bench) == 2


def test_recalled_asks_wait_and_their_late_completions_count_for_nothing() -> None:
    """Each asking has an id of its own."""
    bench = make_bench()
    bench.add([make_case("a")])
    (ask,) = bench.admit(0.0)
    assert bench.recall() == [ask.id]
    assert bench.completed([reply(ask.id, "0")], 0.0).outcomes == []
    (again,) = bench.admit(0.0)
    assert again.id != ask.id


def test_an_ask_open_for_too_long_abstains_and_is_cancelled() -> None:
    """The slow one alone."""
    bench = make_bench(timeout_s=10.0)
    bench.add([make_case("a")])
    (slow,) = bench.admit(0.0)
    bench.add([make_case("b")])
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
    bench.add(cases[:2])
    one, two = bench.admit(0.0)
    bench.completed([failure(one.id, FailureKind.TRANSIENT)], 0.0)
    bench.add(cases[2:])
    assert bench.drop(case.owner for case in cases[:3]) == [two.id]
    assert len(bench) == 1
