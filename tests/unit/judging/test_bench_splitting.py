"""How a case that is too long for one ask is judged in segments."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from stream_guard.engines.port import Ask, FailureKind
from stream_guard.events.content import Judged
from stream_guard.events.model import Chat, Turn, View
from stream_guard.events.render import judged
from stream_guard.judging.bench import Bench
from stream_guard.judging.case import Case
from stream_guard.judging.judgement import Abstention, AbstentionReason, Judgement
from stream_guard.judging.terms import Terms, TooLong
from stream_guard.judging.turn import Settled
from stream_guard.policy.document import Decision
from stream_guard.prompting.port import Rendered, Template
from tests.benches import Letters, answer, content_of, failure, make_bench, make_case, make_policy, make_template, reply

GRADED = make_template("graded", make_policy(Decision.FLAG, Decision.BLOCK))
LIMITED = Terms(content_tokens=40, overlap=5)
LONG = "".join(f"word{number:02} " for number in range(12))
"""84 characters: three segments of at most 40."""


def ask_all(bench: Bench[str]) -> list[Ask]:
    """The asks that the bench has for the engine now."""
    return bench.admit(0.0).asks


def open_segments(content: str = LONG, terms: Terms = LIMITED) -> tuple[Bench[str], list[Ask]]:
    """A bench with the segments of one case open."""
    bench = make_bench()
    bench.add([make_case(content, GRADED, terms)], 0.0)
    return bench, ask_all(bench)


def answered(bench: Bench[str], asks: Sequence[Ask], categories: str) -> Settled[str]:
    """The asks are answered, each by the category at its place."""
    return bench.completed([answer(*pair) for pair in zip(asks, categories, strict=True)], 1.0)


def test_a_content_over_the_limit_is_asked_in_segments_that_fit() -> None:
    """All of it, and nothing of it twice but the overlap."""
    _, asks = open_segments()
    assert len(asks) == 3
    assert all(len(content_of(ask)) <= 40 for ask in asks)
    assert [word for word in LONG.split() if not any(word in content_of(ask) for ask in asks)] == []


def test_a_content_over_the_models_context_is_split_too() -> None:
    """Prompt and reply have to fit, whatever the route says."""
    bench = make_bench(context_tokens=33)
    bench.add([make_case(LONG, GRADED, Terms(overlap=0))], 0.0)
    asks = ask_all(bench)
    assert len(asks) > 3
    assert all(len(ask.prompt) + 1 <= 33 for ask in asks)


def test_a_content_that_fits_is_asked_whole() -> None:
    """To the token."""
    bench = make_bench(context_tokens=2 + len(LONG) + 1)
    bench.add([make_case(LONG, GRADED)], 0.0)
    (ask,) = ask_all(bench)
    (outcome,) = answered(bench, [ask], "A").outcomes
    assert outcome.case.judged.signals == ()


def test_one_outcome_comes_of_all_segments_and_the_strictest_counts() -> None:
    """Once the last has its result; what it cost is the sum."""
    bench, asks = open_segments()
    assert answered(bench, asks[:2], "AB").outcomes == []
    (outcome,) = answered(bench, asks[2:], "A").outcomes
    assert isinstance(outcome.result, Judgement)
    assert outcome.result.category == "B"
    case = outcome.case
    assert (case.attempts, case.prompt_tokens, case.completion_tokens, case.engine_s) == (3, 9, 3, 1.5)
    assert case.judged.signals == ("split",)
    assert case.judged.text == LONG
    assert len(bench) == 0


def test_nothing_more_is_asked_once_nothing_can_be_stricter() -> None:
    """What is open is cancelled, what waits is never asked, and what comes late counts for nothing."""
    bench = make_bench(asks=2)
    bench.add([make_case(LONG, GRADED, LIMITED)], 0.0)
    one, two = ask_all(bench)
    bench.add([make_case("other")], 0.0)
    settled = answered(bench, [one], "C")
    assert settled.cancel == [two.id]
    (outcome,) = settled.outcomes
    assert isinstance(outcome.result, Judgement)
    assert outcome.result.category == "C"
    assert [content_of(ask) for ask in ask_all(bench)] == ["other"]
    assert answered(bench, [two], "A") == Settled([], [], [], [], None)
    assert bench.asks == len(bench) == 1


@pytest.mark.parametrize("kind", [FailureKind.REJECTED, FailureKind.TRANSIENT])
def test_a_segment_that_is_not_judged_is_never_an_allow(kind: FailureKind) -> None:
    """Nor a flag, where the route's abstention is stricter."""
    bench, asks = open_segments()
    answered(bench, asks[:2], "AB")
    outcomes = bench.completed([failure(asks[2].id, kind)], 1.0).outcomes
    for now in (20.0, 40.0):
        outcomes += bench.completed([failure(ask.id, kind) for ask in bench.admit(now).asks], now).outcomes
    (outcome,) = outcomes
    assert isinstance(outcome.result, Abstention)


def test_a_judgement_as_strict_as_an_abstention_wins_over_it() -> None:
    """It is known what is wrong with the content."""
    bench, asks = open_segments(terms=Terms(content_tokens=40, overlap=5, abstain=Decision.BLOCK))
    bench.completed([failure(asks[0].id, FailureKind.REJECTED)], 0.0)
    (outcome,) = answered(bench, asks[1:], "AC").outcomes
    assert isinstance(outcome.result, Judgement)
    assert outcome.result.category == "C"


def test_segments_are_asked_again_each_for_itself() -> None:
    """A bad reply of one is no other's second attempt; the outage of the engine costs none of them anything."""
    bench, asks = open_segments()
    settled = bench.completed([reply(asks[0].id, "?"), answer(asks[1], "A")], 0.0)
    assert len(settled.retried) == 1
    assert bench.recall() == [asks[2].id]
    again = ask_all(bench)
    assert [content_of(ask) for ask in again] == [content_of(asks[2]), content_of(asks[0])]
    assert [ask.temperature > 0 for ask in again] == [False, True]
    (outcome,) = answered(bench, again, "AA").outcomes
    assert isinstance(outcome.result, Judgement)
    assert outcome.case.attempts == 5


def test_a_segment_that_was_recalled_is_not_asked_about_a_case_that_ended() -> None:
    """Both in one batch."""
    bench, asks = open_segments()
    settled = bench.completed([failure(asks[0].id, FailureKind.UNAVAILABLE), answer(asks[1], "C")], 0.0)
    assert len(settled.outcomes) == 1
    assert settled.cancel == [asks[2].id]
    assert ask_all(bench) == []
    assert len(bench) == 0


def test_a_segment_that_takes_too_long_abstains_and_the_others_go_on() -> None:
    """The time limit is an ask's."""
    bench = make_bench(asks=1, timeout_s=10.0)
    bench.add([make_case(LONG, GRADED, LIMITED)], 0.0)
    (slow,) = bench.admit(0.0).asks
    overdue = bench.overdue(10.0)
    assert (overdue.cancel, overdue.outcomes) == ([slow.id], [])
    (second,) = bench.admit(10.0).asks
    answered(bench, [second], "A")
    (outcome,) = answered(bench, ask_all(bench), "A").outcomes
    assert isinstance(outcome.result, Abstention)
    assert outcome.result.reason is AbstentionReason.TIMEOUT


def test_an_abstention_that_nothing_can_outdo_ends_the_case() -> None:
    """Where the route's abstention is stricter than all that the policy can say."""
    mild = make_template("mild", make_policy(Decision.FLAG))
    bench = make_bench(timeout_s=10.0)
    bench.add([make_case(LONG, mild, Terms(content_tokens=40, abstain=Decision.BLOCK))], 0.0)
    asks = ask_all(bench)
    overdue = bench.overdue(10.0)
    assert sorted(overdue.cancel) == [ask.id for ask in asks]
    assert len(overdue.outcomes) == 1


def test_a_partition_that_leaves_takes_all_segments_along() -> None:
    """Waiting, pausing or open."""
    bench = make_bench(asks=2)
    case = make_case(LONG, GRADED, LIMITED)
    bench.add([case], 0.0)
    one, two = ask_all(bench)
    bench.completed([failure(one.id, FailureKind.TRANSIENT)], 0.0)
    assert bench.drop([case.owner]) == [two.id]
    assert len(bench) == bench.tokens == 0


def test_the_route_may_rather_have_it_abstain() -> None:
    """Then nothing is asked at all."""
    bench = make_bench()
    bench.add([make_case(LONG, GRADED, Terms(content_tokens=40, too_long=TooLong.ABSTAIN))], 0.0)
    admitted = bench.admit(0.0)
    (outcome,) = admitted.outcomes
    assert admitted.asks == []
    assert outcome.result == Abstention(AbstentionReason.TOO_LONG, "84 tokens of content, more than may be asked")
    assert (outcome.case.attempts, outcome.case.judged.signals) == (0, ())


@pytest.mark.parametrize(
    "terms", [Terms(content_tokens=40, segments=2, overlap=5), Terms(content_tokens=1, segments=32)]
)
def test_what_needs_too_many_segments_abstains_without_asking(terms: Terms) -> None:
    """Nothing of it would be worth its price."""
    bench = make_bench()
    bench.add([make_case(LONG, GRADED, terms)], 0.0)
    admitted = bench.admit(0.0)
    assert admitted.asks == []
    assert [o.result.reason for o in admitted.outcomes if isinstance(o.result, Abstention)] == ["too_long"]


def test_a_policy_that_fills_the_models_context_leaves_no_room() -> None:
    """Every content is too long then, and says so rather than fail at the engine."""
    bench = make_bench(context_tokens=3)
    bench.add([make_case("a")], 0.0)
    (outcome,) = bench.admit(0.0).outcomes
    assert isinstance(outcome.result, Abstention)


class Bytes(Letters):
    """A renderer to which some letters are many tokens."""

    def render(self, template: Template, contents: Sequence[Judged]) -> list[Rendered]:
        """One token a byte."""
        return [Rendered([*template.prefix, *content.text.encode()]) for content in contents]


def test_an_unevenly_dense_content_is_split_until_every_piece_fits() -> None:
    """Half of it has one token a letter, half of it four."""
    bench = make_bench()
    bench._renderer = bench._fitting._renderer = Bytes()
    bench.add([make_case("a" * 100 + "\U0001f600" * 100, GRADED, Terms(content_tokens=60, overlap=0))], 0.0)
    admitted = bench.admit(0.0)
    assert admitted.outcomes == []
    assert all(len(ask.prompt) <= 62 for ask in admitted.asks)
    assert sum(len(ask.prompt) - 2 for ask in admitted.asks) == 500


def test_pieces_that_turn_out_too_many_abstain_and_the_rest_is_still_judged() -> None:
    """A violation in it is not lost."""
    bench = make_bench()
    bench._renderer = bench._fitting._renderer = Bytes()
    terms = Terms(content_tokens=120, overlap=0, segments=5)
    bench.add([make_case("a" * 100 + "\U0001f600" * 100, GRADED, terms)], 0.0)
    admitted = bench.admit(0.0)
    assert admitted.outcomes == []
    (outcome,) = answered(bench, admitted.asks, "A" * len(admitted.asks)).outcomes
    assert isinstance(outcome.result, Abstention)
    assert outcome.result.reason is AbstentionReason.TOO_LONG


def chat_case(turns: int, last: str, terms: Terms) -> Case[str]:
    """A case about the last turn of a chat."""
    template = make_template("chat", GRADED.policy, View.LAST_TURN)
    earlier = tuple(Turn("user", f"turn {number:02}") for number in range(turns))
    content = judged(Chat(turns=(*earlier, Turn("user", last))), View.LAST_TURN)
    return Case("chat", template, content, 0.0, None, terms)


def test_context_gives_way_before_what_is_judged() -> None:
    """As many of the latest turns are shown as fit, the verdict says how many, and nothing is split."""
    bench = make_bench()
    case = chat_case(50, "hello", Terms(content_tokens=200))
    bench.add([case], 0.0)
    (ask,) = ask_all(bench)
    assert len(content_of(ask)) <= 200
    shown = content_of(ask).count("turn ")
    assert shown >= 3
    assert "turn 49" in content_of(ask)
    (outcome,) = answered(bench, [ask], "A").outcomes
    assert outcome.case.judged.signals == ("context_cut",)
    assert outcome.case.judged.coverage.context_turns == shown


def test_context_takes_half_of_the_room_where_the_content_itself_is_split() -> None:
    """Each segment is shown with the same latest turns."""
    bench = make_bench()
    case = chat_case(50, LONG * 4, Terms(content_tokens=400))
    bench.add([case], 0.0)
    asks = ask_all(bench)
    assert len(asks) > 1
    contexts = {content_of(ask).rpartition("{")[0] for ask in asks}
    (context,) = contexts
    assert 150 < len(context) <= 200
    assert context.endswith('"turn 49"}')
    (outcome,) = answered(bench, asks, "A" * len(asks)).outcomes
    assert outcome.case.judged.signals == ("context_cut", "split")


def test_a_turn_of_context_that_fills_the_room_is_left_out() -> None:
    """There is no such thing as half a turn of context."""
    bench = make_bench()
    template = make_template("chat", GRADED.policy, View.LAST_TURN)
    content = judged(Chat(turns=(Turn("user", "x" * 500), Turn("user", "hello"))), View.LAST_TURN)
    bench.add([Case("chat", template, content, 0.0, None, Terms(content_tokens=100))], 0.0)
    (ask,) = ask_all(bench)
    assert content_of(ask) == '{"role":"user","content":"hello"}'


class Wordless(Letters):
    """A renderer for servers that take no token ids."""

    def render(self, template: Template, contents: Sequence[Judged]) -> list[Rendered]:
        """Nothing to count."""
        return [Rendered([]) for _ in contents]


def test_where_tokens_are_unknown_the_engine_tells_and_the_content_is_halved() -> None:
    """Until it takes them, or there would be too many."""
    bench = make_bench(context_tokens=50)
    bench._renderer = bench._fitting._renderer = Wordless()
    template = GRADED
    bench.add([make_case(LONG, template, Terms(segments=4))], 0.0)
    (whole,) = ask_all(bench)
    assert bench.completed([failure(whole.id, FailureKind.TOO_LONG)], 0.0).outcomes == []
    halves = ask_all(bench)
    assert len(halves) == 2
    bench.completed([failure(ask.id, FailureKind.TOO_LONG) for ask in halves], 0.0)
    quarters = ask_all(bench)
    assert len(quarters) == 4
    settled = bench.completed([failure(quarters[0].id, FailureKind.TOO_LONG)], 0.0)
    assert settled.outcomes == []
    (outcome,) = answered(bench, quarters[1:], "AAA").outcomes
    assert isinstance(outcome.result, Abstention)
    assert outcome.result == Abstention(AbstentionReason.TOO_LONG, "why")
    assert outcome.case.attempts == 7


def test_where_tokens_are_unknown_a_longer_context_is_halved_first() -> None:
    """Down to nothing, before what is judged is split."""
    bench = make_bench()
    bench._renderer = bench._fitting._renderer = Wordless()
    case = chat_case(4, "hello", Terms())
    bench.add([case], 0.0)
    turns = []
    for _ in range(4):
        (ask,) = ask_all(bench)
        turns.append(case.judged.coverage.context_turns)
        bench.completed([failure(ask.id, FailureKind.TOO_LONG)], 0.0)
    assert turns == [4, 2, 1, 0]
    assert case.judged.signals == ("context_cut", "split")


def test_what_the_engine_finds_too_long_abstains_where_the_route_says_so() -> None:
    """With what the engine said."""
    bench = make_bench()
    bench.add([make_case(LONG, GRADED, Terms(too_long=TooLong.ABSTAIN))], 0.0)
    (ask,) = ask_all(bench)
    (outcome,) = bench.completed([failure(ask.id, FailureKind.TOO_LONG)], 0.0).outcomes
    assert outcome.result == Abstention(AbstentionReason.TOO_LONG, "why")


@pytest.mark.parametrize(
    "terms", [Terms(content_tokens=40, too_long=TooLong.ABSTAIN), Terms(content_tokens=40, segments=2)]
)
def test_what_is_too_long_does_not_keep_everybody_waiting(terms: Terms) -> None:
    """However many of them wait: each turn renders so many characters and no more, and the next goes on from there."""
    bench = make_bench()
    bench.add([make_case("x" * 40_000, GRADED, terms) for _ in range(30)], 0.0)
    ended = []
    while len(bench):
        ended.append(len(bench.admit(0.0).outcomes))
    assert ended == [13, 13, 4]


def test_a_content_longer_than_a_turn_has_one_of_its_own() -> None:
    """Or it would wait for ever."""
    bench = make_bench()
    bench.add([make_case("x" * 600_000, GRADED, Terms(too_long=TooLong.ABSTAIN)), make_case("short", GRADED)], 0.0)
    assert [len(bench.admit(0.0).asks) for _ in range(2)] == [1, 1]
