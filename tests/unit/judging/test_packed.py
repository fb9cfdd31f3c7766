"""Cases under several policies: one ask, an outcome for each policy."""

from __future__ import annotations

import json
from typing import Any

import pytest
from msgspec.structs import replace

from stream_guard.engines.port import FailureKind, Text, TextRead, Usage
from stream_guard.events.model import View
from stream_guard.identity import PromptVersion
from stream_guard.judging.answers import Malformed, read_answer
from stream_guard.judging.bench import Bench
from stream_guard.judging.case import Case, Dues, Outcome
from stream_guard.judging.course import begin, go_on
from stream_guard.judging.harmony_reply import read_harmony
from stream_guard.judging.judgement import REASONING_CUT, Abstention, AbstentionReason, BadReply, Judgement, Judgements
from stream_guard.judging.terms import Quota, Terms
from stream_guard.policy.document import Decision, OutputForm
from stream_guard.policy.packed import packed
from stream_guard.prompting.harmony_tokens import CHANNEL, END, MESSAGE, RETURN, START
from stream_guard.prompting.harmony_vocabulary import harmony_vocabulary
from stream_guard.prompting.port import ReasonedReading, Template, TextReading
from tests.benches import CONTROL, POLICY, Letters, content_of, failure, make_bench, make_case, make_policy, reply
from tests.prompts import make_policy as make_spam

GRADED = make_policy(Decision.FLAG, Decision.BLOCK)
STRICT = replace(make_policy(Decision.BLOCK), id="strict")
CITING = replace(make_spam(OutputForm.RATIONALE), id="citing")
PACK = packed([POLICY, GRADED])
READ = TextRead(max_tokens=1, stop_ids=())
TEMPLATE = Template(PACK, View.MESSAGE, PromptVersion("packed"), READ, TextReading(), (1, 2), ())


def make_answer(spam: Any = 0, graded: Any = "A") -> str:
    """An answer for both; a letter stands for an answer that names it."""
    if isinstance(graded, str):
        graded = {"violation": int(graded != "A"), "policy_category": graded}
    return json.dumps({"spam": spam, "graded": graded})


def results(outcomes: list[Outcome[str]]) -> dict[str, str]:
    """What each policy came to: a category, or why there is none."""
    return {
        outcome.policy.id: outcome.result.category if isinstance(outcome.result, Judgement) else outcome.result.reason
        for outcome in outcomes
    }


def test_an_answer_for_each_is_read_in_the_form_of_each() -> None:
    """In their order, whatever the order of the fields."""
    pack = packed([POLICY, GRADED, CITING])
    cited = {"violation": 1, "policy_category": "SP4", "rule_ids": ["SP4"], "confidence": "low", "rationale": "Why."}
    text = json.dumps({"citing": cited, **json.loads(make_answer(1, "C"))})
    said = read_answer(pack, text)
    assert isinstance(said, Judgements)
    assert [each.category for each in said.each] == ["SP2", "C", "SP4"]
    assert (said.each[2].rationale, said.each[2].rule_ids) == ("Why.", ("SP4",))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "0",
        "[]",
        '{"spam":0}',
        json.dumps({**json.loads(make_answer()), "other": 0}),
        make_answer(2),
        make_answer("0"),
        make_answer().replace("0", "-0", 1),
        make_answer(0, "A").replace('"violation": 0', '"violation": -0'),
        make_answer(True),
        make_answer(1.0),
        make_answer(None),
        make_answer([0]),
        make_answer(0, {"violation": 0, "policy_category": "B"}),
        make_answer(0, {"violation": 0}),
        make_answer(0, [0]),
        make_answer(0, "D"),
        '{"spam":1,' + make_answer()[1:],
        make_answer() + make_answer(),
    ],
)
def test_whatever_else_comes_is_an_answer_for_none(text: str) -> None:
    """One policy's flaw spoils all: nobody can say what else of such a reply is to be trusted."""
    with pytest.raises(Malformed):
        read_answer(PACK, text)


def test_one_ask_comes_to_an_outcome_for_each() -> None:
    """In the policies' order, and each with its share of what it cost."""
    bench = make_bench()
    bench.add([make_case("a", TEMPLATE)], 0.0)
    (ask,) = bench.admit(0.0).asks
    assert content_of(ask) == "a"
    completion = reply(ask.id, make_answer(1, "C"))
    settled = bench.completed([replace(completion, usage=Usage(11, 4, 1, 0.5, 0.001))], 0.0)
    assert results(settled.outcomes) == {"spam": "SP2", "graded": "C"}
    assert [outcome.first for outcome in settled.outcomes] == [True, False]
    case = settled.outcomes[0].case
    assert [o.shares(11, 4, 1) for o in settled.outcomes] == [(6, 2, 1), (5, 2, 0)]
    assert (case.prompt_tokens, case.cached_tokens, case.completion_tokens) == (11, 4, 1)
    assert not len(bench)


def test_what_it_is_not_judged_for_it_abstains_under_all() -> None:
    """Asked again first, as ever."""
    bench = make_bench()
    bench.add([make_case("a", TEMPLATE)], 0.0)
    (first,) = bench.admit(0.0).asks
    assert bench.completed([reply(first.id, make_answer(1, "Z"))], 0.0).outcomes == []
    (second,) = bench.admit(100.0).asks
    settled = bench.completed([reply(second.id, make_answer(1, "Z"))], 100.0)
    assert results(settled.outcomes) == dict.fromkeys(("spam", "graded"), AbstentionReason.UNPARSEABLE)


def test_a_refusal_is_one_for_all() -> None:
    """The engine never takes the ask."""
    bench = make_bench()
    bench.add([make_case("a", TEMPLATE)], 0.0)
    (ask,) = bench.admit(0.0).asks
    settled = bench.completed([failure(ask.id, FailureKind.REJECTED)], 0.0)
    assert results(settled.outcomes) == dict.fromkeys(("spam", "graded"), AbstentionReason.REJECTED)


def test_a_quota_is_paid_once_and_refuses_all() -> None:
    """The content is asked about once."""
    terms = Terms(quota=Quota(tokens=3, per_s=10.0))
    bench = make_bench()

    def make_limited(owner: str) -> Case[str]:
        return make_case(owner, TEMPLATE, terms, Dues("key"))

    assert bench.add([make_limited("aaa")], 0.0) == []
    (ask,) = bench.admit(0.0).asks
    assert results(bench.add([make_limited("b")], 0.0)) == dict.fromkeys(
        ("spam", "graded"), AbstentionReason.RATE_LIMITED
    )
    assert len(bench.completed([reply(ask.id, make_answer())], 0.0).outcomes) == 2


def judged_in_two(bench: Bench[str], first: str, second: str | FailureKind) -> dict[str, str]:
    """What a content that is too long for one ask comes to, whose segments are answered so."""
    bench.add([make_case("abcdefghij" * 4, TEMPLATE, Terms(content_tokens=30, overlap=2))], 0.0)
    asks = bench.admit(0.0).asks
    assert len(asks) == 2
    settled = bench.completed([reply(asks[0].id, first)], 0.0)
    if not settled.outcomes:
        last = failure(asks[1].id, second) if isinstance(second, FailureKind) else reply(asks[1].id, second)
        settled = bench.completed([last], 0.0)
    return results(settled.outcomes)


@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [
        (make_answer(0, "C"), make_answer(1, "A"), {"spam": "SP2", "graded": "C"}),
        (make_answer(1, "B"), make_answer(0, "C"), {"spam": "SP2", "graded": "C"}),
        (make_answer(0, "A"), make_answer(0, "A"), {"spam": "SP0", "graded": "A"}),
    ],
)
def test_of_segments_the_strictest_counts_policy_by_policy(first: str, second: str, expected: dict[str, str]) -> None:
    """What one policy finds in one segment, another may find in the other."""
    assert judged_in_two(make_bench(), first, second) == expected


def test_a_segment_that_is_not_judged_is_none_for_each_policy() -> None:
    """Under the policy that blocks the first segment that stands; the milder one abstains."""
    found = judged_in_two(make_bench(), make_answer(0, "C"), FailureKind.REJECTED)
    assert found == {"spam": AbstentionReason.REJECTED, "graded": "C"}


def test_it_ends_early_only_where_no_policy_has_more_to_say() -> None:
    """The gravest of each: the other segment is of no use any more."""
    template = replace(TEMPLATE, asked=packed([GRADED, STRICT]))
    for strict, early in (("B", True), ("A", False)):
        bench = make_bench()
        bench.add([make_case("abcdefghij" * 4, template, Terms(content_tokens=30, overlap=2))], 0.0)
        asks = bench.admit(0.0).asks
        answer = {"graded": {"violation": 1, "policy_category": "C"}}
        answer["strict"] = {"violation": int(strict == "B"), "policy_category": strict}
        settled = bench.completed([reply(asks[0].id, json.dumps(answer))], 0.0)
        assert bool(settled.outcomes) == early
        assert settled.cancel == ([asks[1].id] if early else [])


# -- in steps ---------------------------------------------------------------------------------------------------------

OPEN, CLOSE, OVER = CONTROL, CONTROL + 1, CONTROL + 2
STEPS = replace(
    TEMPLATE,
    read=TextRead(max_tokens=9, stop_ids=(OVER,)),
    reading=ReasonedReading((OPEN,), OVER, (OVER, CLOSE), TextRead(max_tokens=50, stop_ids=(OVER,))),
)


def in_two_steps(reasoning: Text, answer: Text) -> Any:
    """What two replies come to."""
    stand = begin(STEPS, [1])
    assert stand.prompt == [1, OPEN]
    stand = go_on(STEPS, stand, reasoning, Letters().text)  # type: ignore[assignment]  # it goes on
    assert stand.prompt == [1, OPEN, *map(ord, "Hm."), OVER, CLOSE]
    return go_on(STEPS, stand, answer, Letters().text)


@pytest.mark.parametrize("finished", [True, False])
def test_reasoning_goes_straight_to_the_answer(finished: bool) -> None:
    """It is the reasoning of each; cut, that is signalled for each. No label is measured."""
    said = (*map(ord, "Hm."), OVER) if finished else tuple(map(ord, "Hm."))
    answer = Text((*map(ord, make_answer(1, "B")), OVER), None, finished=True)
    found = in_two_steps(Text(said, None, finished), answer)
    signals = () if finished else (REASONING_CUT,)
    assert found == Judgements(
        (Judgement("SP2", reasoning="Hm.", signals=signals), Judgement("B", reasoning="Hm.", signals=signals))
    )


@pytest.mark.parametrize("answer", ["", make_answer(1)[:-1], make_answer(7), "0"])
def test_an_answer_that_is_none_is_a_bad_reply(answer: str) -> None:
    """Finished or cut."""
    reasoning = Text((*map(ord, "Hm."), OVER), None, finished=True)
    for finished in (True, False):
        found = in_two_steps(reasoning, Text((*map(ord, answer), OVER), None, finished))
        assert isinstance(found, BadReply)


def test_a_whole_harmony_reply_is_read_for_each() -> None:
    """Reasoning, then one final message for all."""
    say = harmony_vocabulary().encode
    ids = [CHANNEL, *say("analysis"), MESSAGE, *say("Hm."), END, START, *say("assistant")]
    ids += [CHANNEL, *say("final"), MESSAGE, *say(make_answer(0, "B")), RETURN]
    said = read_harmony(PACK, ids, harmony_vocabulary().decode)
    assert said == Judgements((Judgement("SP0", reasoning="Hm."), Judgement("B", reasoning="Hm.")))


def test_an_abstention_says_the_same_of_each() -> None:
    """As there is nothing to tell them apart by."""
    bench = make_bench(timeout_s=1.0)
    bench.add([make_case("a", TEMPLATE)], 0.0)
    now, outcomes = 0.0, list[Outcome[str]]()
    while not outcomes and now < 1000.0:
        bench.admit(now)
        now += 50.0
        outcomes = bench.overdue(now).outcomes
    assert len({(o.result.reason, o.result.detail) for o in outcomes if isinstance(o.result, Abstention)}) == 1
    assert len(outcomes) == 2
