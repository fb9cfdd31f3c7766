"""Harmony replies through the bench: a malformed one is asked again, then abstained from, and never allows."""

from __future__ import annotations

import random
from collections.abc import Sequence

import pytest

from stream_guard.delivery.hearing import Hearing
from stream_guard.engines.port import Completion, Text, TextRead
from stream_guard.events.model import View
from stream_guard.identity import PromptVersion
from stream_guard.judging.bench import Bench, BenchBounds
from stream_guard.judging.case import Case, Outcome
from stream_guard.judging.judgement import Abstention, AbstentionReason, Judgement
from stream_guard.judging.retry import Retry, RetryPolicy
from stream_guard.policy.document import Decision, OutputForm, Policy
from stream_guard.prompting.harmony_tokens import SPELLINGS, STOP_IDS
from stream_guard.prompting.harmony_vocabulary import harmony_vocabulary
from stream_guard.prompting.port import HarmonyReading, Template
from tests.benches import Letters
from tests.cases import NOW_MS, make_decider, open_hearing
from tests.prompts import make_judged, make_policy
from tests.unit.judging.transcripts import ENDINGS, GOOD, answer, ids_of, malformed

POLICIES = {form: make_policy(form) for form in OutputForm}
CASES = [(form, name) for form in OutputForm for name in malformed(POLICIES[form])]
ENDS = {SPELLINGS[spelled] for spelled in ENDINGS}


class Spoken(Letters):
    """A renderer whose replies are harmony."""

    def text(self, token_ids: Sequence[int]) -> str:
        """The text of a reply."""
        return harmony_vocabulary().decode(token_ids)


def make_bench() -> Bench[Hearing]:
    """A bench of two attempts."""
    return Bench(Spoken(), Retry(RetryPolicy(attempts=2), random.Random(0)), BenchBounds())


def make_case(policy: Policy) -> Case[Hearing]:
    """A case of a record under a policy."""
    read = TextRead(100, STOP_IDS)
    template = Template(policy, View.MESSAGE, PromptVersion("p"), read, HarmonyReading(), (1, 2), ())
    return Case(open_hearing(), template, make_judged(), 0.0, None)


def outcomes_of(policy: Policy, ids: Sequence[int], *, finished: bool = True) -> list[list[Outcome[Hearing]]]:
    """What a case comes to after each ask, with the same reply every time; the bench is empty in the end."""
    bench = make_bench()
    bench.add([make_case(policy)], 0.0)
    outcomes: list[list[Outcome[Hearing]]] = []
    while len(bench):
        (ask,) = bench.admit(0.0).asks
        outcomes.append(bench.completed([Completion(ask.id, Text(tuple(ids), None, finished))], 0.0).outcomes)
    return outcomes


def decision_of(outcome: Outcome[Hearing]) -> Decision:
    """The decision that is published."""
    return make_decider().verdict(outcome, 1.0, NOW_MS).decision


def assert_abstains(policy: Policy, ids: Sequence[int], *, finished: bool) -> None:
    """A retry, then an abstention, and no allow."""
    first, (outcome,) = outcomes_of(policy, ids, finished=finished)
    assert first == []
    assert isinstance(outcome.result, Abstention)
    assert outcome.result.reason is AbstentionReason.UNPARSEABLE
    assert outcome.case.attempts == 2
    assert decision_of(outcome) is Decision.REVIEW


@pytest.mark.parametrize("finished", [True, False], ids=["finished", "cut"])
@pytest.mark.parametrize(("form", "name"), CASES)
def test_a_malformed_transcript_is_retried_then_abstained_from(form: OutputForm, name: str, finished: bool) -> None:
    """Whatever the engine says of how it ended, and also where an allow stands in it."""
    policy = POLICIES[form]
    assert_abstains(policy, ids_of(malformed(policy)[name], answer(policy, "SP0")), finished=finished)


@pytest.mark.parametrize("form", OutputForm)
@pytest.mark.parametrize("name", GOOD)
def test_no_beginning_of_a_transcript_allows(name: str, form: OutputForm) -> None:
    """Cut at every token: as a reply that was cut it never allows, as a finished one only where its answer stands whole."""
    policy = POLICIES[form]
    ids = ids_of(GOOD[name].pieces, answer(policy, "SP0"))
    for length in range(len(ids) + 1):
        assert_abstains(policy, ids[:length], finished=False)
        lacks = set(ids[length:])
        if lacks <= ENDS or (lacks <= ENDS | set(ids_of(("\n",), "")) and name == "white space around the answer"):
            ((outcome,),) = outcomes_of(policy, ids[:length])
            assert isinstance(outcome.result, Judgement)
            assert decision_of(outcome) is Decision.ALLOW
        else:
            assert_abstains(policy, ids[:length], finished=True)


@pytest.mark.parametrize("form", OutputForm)
def test_a_good_reply_after_a_malformed_one_counts(form: OutputForm) -> None:
    """The retry is a chance: what it says is the judgement."""
    policy, bench = POLICIES[form], make_bench()
    bench.add([make_case(policy)], 0.0)
    good = ids_of(GOOD["reasoning, then final"].pieces, answer(policy, "SP2"))
    outcomes: list[Outcome[Hearing]] = []
    for ids in (good[:-2], good):
        (ask,) = bench.admit(0.0).asks
        outcomes += bench.completed([Completion(ask.id, Text(ids, None, finished=True))], 0.0).outcomes
    (outcome,) = outcomes
    assert decision_of(outcome) is Decision.FLAG
