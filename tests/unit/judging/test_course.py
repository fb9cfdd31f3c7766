import math
from itertools import count

import pytest
from msgspec.structs import replace

from stream_guard.engines.port import Ask, AskId, Completion, FailureKind, LabelRead, Labels, Text, TextRead, Usage
from stream_guard.judging.bench import Bench
from stream_guard.judging.course import Stand, audited, begin, go_on, in_steps, rehearsed
from stream_guard.judging.judgement import Abstention, AbstentionReason, Judgement, Looked
from stream_guard.policy.document import Decision, OutputForm, Policy, QuickLook
from stream_guard.prompting.port import LabelAsk, LabelledAnswer, LabelReading, Look, ReasonedReading, Template
from tests.benches import CONTROL, POLICY, Letters, failure, make_bench, make_case, make_policy, make_template

END, RETURN, OPEN, CLOSE, LEAD = range(CONTROL, CONTROL + 5)
NO, YES = ord("0"), ord("1")
GRADED = make_policy(Decision.FLAG, Decision.BLOCK)
LABEL = LabelAsk((LEAD,), LabelReading(NO, YES, min_mass=0.3))
REST = TextRead(50, (RETURN,), json_schema="{}")


def make_reasoned(policy: Policy = GRADED, *, rest: bool = True, look: Look | None = None) -> Template:
    """A template under which a model reasons for 20 tokens, says its label, and writes the answer to a yes."""
    reading = ReasonedReading((OPEN,), END, (END, CLOSE), LabelledAnswer(LABEL, (None, REST if rest else None)))
    template = replace(make_template("reasoned", policy), read=TextRead(20, (END, RETURN)), reading=reading)
    return replace(template, look=look)


CUE = LabelAsk((CLOSE, LEAD), LABEL.reading)
LOOK = Look(CUE, QuickLook(permits_below=0.1, violates_above=0.9, audit=0.0))
AUDITED = Look(CUE, QuickLook(permits_below=0.1, violates_above=0.9, audit=1.0))


def said(ask: Ask, text: str, *end: int, finished: bool = True) -> Completion:
    """A text with what ended it."""
    return Completion(ask.id, Text((*map(ord, text), *end), None, finished), Usage(3, 2, 1, 0.5, 0.001))


def labelled(ask: Ask, yes: float, mass: float = 1.0) -> Completion:
    """Labels of which yes has this share."""
    shares = {NO: (1 - yes) * mass, YES: yes * mass}
    return Completion(
        ask.id, Labels({label: math.log(share) for label, share in shares.items() if share}), Usage(4, 4, 1)
    )


def begun(template: Template, **bounds: float) -> tuple[Bench[str], Ask]:
    """A bench that was asked about one case, and its first ask."""
    bench = make_bench(**bounds)
    bench.add([make_case("c", template)], 0.0)
    (ask,) = bench.admit(0.0).asks
    return bench, ask


def step(bench: Bench[str], completion: Completion) -> Ask:
    """The ask that a completion leads to."""
    settled = bench.completed([completion], 1.0)
    assert (settled.outcomes, settled.retried) == ([], [])
    (ask,) = settled.asks
    return ask


def ended(bench: Bench[str], completion: Completion) -> Judgement | Abstention:
    """What the case came to by a completion."""
    settled = bench.completed([completion], 1.0)
    assert settled.asks == []
    assert bench.tokens == bench.asks == len(bench) == 0
    return settled.outcomes[0].result


def test_a_model_reasons_then_its_label_is_read() -> None:
    """Each prompt goes on with what was said; a no says all, and no more is asked."""
    bench, reason = begun(make_reasoned())
    assert (reason.prompt, reason.read) == ([1, 2, ord("c"), OPEN], TextRead(20, (END, RETURN)))
    label = step(bench, said(reason, "Hm.", END))
    assert label.prompt == [*reason.prompt, *map(ord, "Hm."), END, CLOSE, LEAD]
    assert label.read == LabelRead((NO, YES))
    result = ended(bench, labelled(label, 0.2))
    assert isinstance(result, Judgement)
    assert (result.category, result.reasoning, result.signals, result.by_look) == ("A", "Hm.", (), False)
    assert result.confidence is not None
    assert (result.confidence.basis, round(result.confidence.value or 0, 3)) == ("label_probability", 0.8)


def test_the_rest_of_an_answer_is_asked_for_where_the_label_leaves_it_open() -> None:
    """It goes on from where the answer begins, and is read strictly."""
    bench, reason = begun(make_reasoned())
    label = step(bench, said(reason, "Hm.", END))
    answer = step(bench, labelled(label, 0.9))
    assert (answer.prompt, answer.read) == (label.prompt[:-1], REST)
    result = ended(bench, said(answer, '{"violation": 1, "policy_category": "C"}', RETURN))
    assert isinstance(result, Judgement)
    assert (result.category, round(result.confidence.value or 0, 3) if result.confidence else None) == ("C", 0.9)


def test_a_stated_confidence_stands_beside_the_measured_one() -> None:
    """The number is the label's, the level what the model says."""
    policy = replace(GRADED, output=OutputForm.RATIONALE)
    bench, reason = begun(make_reasoned(policy))
    answer = step(bench, labelled(step(bench, said(reason, "", END)), 0.9))
    whole = '{"violation": 1, "policy_category": "B", "rule_ids": ["B"], "confidence": "low", "rationale": "B."}'
    result = ended(bench, said(answer, whole, RETURN))
    assert isinstance(result, Judgement)
    assert result.confidence is not None
    assert (result.confidence.basis, result.confidence.level, result.rationale) == ("label_probability", "low", "B.")
    assert result.reasoning is None


def test_what_it_cost_is_added_up_and_counts_as_one_attempt() -> None:
    """The steps of one asking are no retries."""
    bench, reason = begun(make_reasoned())
    label = step(bench, said(reason, "Hm.", END))
    (outcome,) = bench.completed([labelled(label, 0.2)], 1.0).outcomes
    assert (outcome.case.attempts, outcome.case.prompt_tokens, outcome.case.completion_tokens) == (1, 7, 2)


def test_reasoning_that_reaches_its_budget_still_ends_in_a_label() -> None:
    """And the verdict says so."""
    bench, reason = begun(make_reasoned())
    label = step(bench, said(reason, "On and on", finished=False))
    assert label.prompt == [*reason.prompt, *map(ord, "On and on"), END, CLOSE, LEAD]
    result = ended(bench, labelled(label, 0.2))
    assert isinstance(result, Judgement)
    assert (result.signals, result.reasoning) == (("reasoning_cut",), "On and on")


@pytest.mark.parametrize("finished", [True, False])
def test_an_end_that_the_engine_left_out_is_no_matter(finished: bool) -> None:
    """Some servers give a reply without the token that ended it."""
    template = make_reasoned()
    stand = begin(template, [1])
    result = go_on(template, stand, Text(tuple(map(ord, "Hm.")), None, finished), Letters().text)
    assert isinstance(result, Stand)
    assert result.cut is not finished


MALFORMED_REASONING = {
    "ended like an answer": Text((*map(ord, "Hm."), RETURN), None, finished=True),
    "nothing but the end of an answer": Text((RETURN,), None, finished=True),
    "a control token within": Text((ord("H"), CLOSE, ord("m"), END), None, finished=True),
    "the end twice": Text((ord("H"), END, END), None, finished=True),
    "an answer within": Text((ord("H"), END, CLOSE, LEAD, NO, RETURN), None, finished=True),
    "cut at a control token": Text((ord("H"), CLOSE), None, finished=False),
    "a text without its tokens": Text((), "Hm.", finished=True),
    "labels": Labels({NO: 0.0}),
}
MALFORMED_ANSWERS = {
    "cut": Text(tuple(map(ord, '{"violation": 1, "policy_category": "B"}')), None, finished=False),
    "empty": Text((), None, finished=True),
    "only a stop id": Text((RETURN,), None, finished=True),
    "no JSON": Text(tuple(map(ord, "yes")), None, finished=True),
    "it denies its label": Text(tuple(map(ord, '{"violation": 0, "policy_category": "A"}')), None, finished=True),
    "an unknown category": Text(tuple(map(ord, '{"violation": 1, "policy_category": "Z"}')), None, finished=True),
    "text after it": Text((*map(ord, '{"violation": 1, "policy_category": "B"} x'), RETURN), None, finished=True),
    "a control token within": Text((*map(ord, '{"violation": 1, "policy_category": "B"'), CLOSE, ord("}")), None, finished=True),
    "labels": Labels({NO: 0.0}),
}  # fmt: skip
BAD_LABELS = {
    "no mass": Labels({}),
    "little mass": Labels({NO: math.log(0.1), YES: math.log(0.1)}),
    "no probabilities": Labels({NO: 3.0, YES: math.nan}),
    "a text": Text((NO,), None, finished=True),
}


@pytest.mark.parametrize("reply", MALFORMED_REASONING.values(), ids=MALFORMED_REASONING)
def test_malformed_reasoning_is_asked_for_again_then_abstained_from(reply: Text | Labels) -> None:
    """It never leads to a label, let alone to an allow."""
    bench, ask = begun(make_reasoned())
    again = retried(bench, Completion(ask.id, reply))
    assert again.prompt == ask.prompt
    assert again.temperature > ask.temperature
    assert abstained(bench, Completion(again.id, reply)) is AbstentionReason.UNPARSEABLE


@pytest.mark.parametrize("reply", MALFORMED_ANSWERS.values(), ids=MALFORMED_ANSWERS)
def test_a_malformed_answer_begins_the_asking_anew_then_is_abstained_from(reply: Text | Labels) -> None:
    """Other reasoning may lead to another answer."""
    bench, reason = begun(make_reasoned())
    answer = step(bench, labelled(step(bench, said(reason, "Hm.", END)), 0.9))
    again = retried(bench, Completion(answer.id, reply))
    assert again.prompt == reason.prompt
    answer = step(bench, labelled(step(bench, said(again, "Hm.", END)), 0.9))
    assert abstained(bench, Completion(answer.id, reply)) is AbstentionReason.UNPARSEABLE


@pytest.mark.parametrize("reply", BAD_LABELS.values(), ids=BAD_LABELS)
def test_a_label_that_says_nothing_begins_the_asking_anew_then_is_abstained_from(reply: Text | Labels) -> None:
    """Mass outside of both labels is never an allow."""
    bench, reason = begun(make_reasoned())
    again = retried(bench, Completion(step(bench, said(reason, "Hm.", END)).id, reply))
    abstained(bench, Completion(step(bench, said(again, "Hm.", END)).id, reply))


def retried(bench: Bench[str], completion: Completion) -> Ask:
    """The ask by which a case is asked anew."""
    settled = bench.completed([completion], 1.0)
    assert (settled.asks, settled.outcomes) == ([], [])
    assert len(settled.retried) == 1
    (ask,) = bench.admit(1.0).asks
    return ask


def abstained(bench: Bench[str], completion: Completion) -> AbstentionReason:
    """Why a case has no judgement in the end."""
    result = ended(bench, completion)
    assert isinstance(result, Abstention)
    return result.reason


def test_a_step_needs_no_room_at_the_engine_but_what_its_part_had() -> None:
    """With one place only, a second case is asked once the first has all its steps behind it."""
    bench = make_bench(asks=1)
    bench.add([make_case(owner, make_reasoned()) for owner in "cd"], 0.0)
    (reason,) = bench.admit(0.0).asks
    label = step(bench, said(reason, "Hm.", END))
    assert (bench.admit(1.0).asks, bench.asks) == ([], 1)
    bench.completed([labelled(label, 0.1)], 1.0)
    (other,) = bench.admit(1.0).asks
    assert other.prompt[2] == ord("d")


@pytest.mark.parametrize("kind", [FailureKind.UNAVAILABLE, FailureKind.TRANSIENT, FailureKind.DIED])
def test_an_asking_that_was_interrupted_goes_on_at_its_step(kind: FailureKind) -> None:
    """The prompt holds all that was said."""
    bench, reason = begun(make_reasoned())
    label = step(bench, said(reason, "Hm.", END))
    bench.completed([failure(label.id, kind)], 1.0)
    (again,) = bench.admit(20.0).asks
    assert (again.prompt, again.read) == (label.prompt, label.read)
    result = ended(bench, labelled(again, 0.1))
    assert isinstance(result, Judgement)
    assert result.reasoning == "Hm."


def test_what_the_engine_failed_at_one_step_does_not_count_at_the_next() -> None:
    """Else the more steps a case has, the sooner it would be given up for an engine that stumbles."""
    bench, ask = begun(make_reasoned())
    for _ in range(2):
        bench.completed([failure(ask.id, FailureKind.TRANSIENT)], 1.0)
        (ask,) = bench.admit(9.0).asks
    label = step(bench, said(ask, "Hm.", END))
    bench.completed([failure(label.id, FailureKind.TRANSIENT)], 11.5)
    (again,) = bench.admit(20.0).asks
    assert again.prompt == label.prompt


def test_a_recalled_step_is_asked_again() -> None:
    """Its completion, when it comes all the same, counts for nothing."""
    bench, reason = begun(make_reasoned())
    label = step(bench, said(reason, "Hm.", END))
    assert bench.recall() == [label.id]
    assert bench.completed([labelled(label, 0.1)], 1.0).outcomes == []
    (again,) = bench.admit(1.0).asks
    assert (again.prompt, again.id) == (label.prompt, AskId(label.id + 1))


def test_each_step_has_its_own_time() -> None:
    """An ask is overdue by its own submission, not by that of the step before it."""
    bench, reason = begun(make_reasoned(), timeout_s=10.0)
    bench.completed([said(reason, "Hm.", END)], 9.0)
    assert bench.overdue(15.0).cancel == []
    assert len(bench.overdue(19.0).cancel) == 1


def test_a_look_settles_what_is_clear() -> None:
    """One token is read, and nothing is reasoned about."""
    bench, look = begun(make_reasoned(look=LOOK))
    assert (look.prompt, look.read) == ([1, 2, ord("c"), CLOSE, LEAD], LabelRead((NO, YES)))
    result = ended(bench, labelled(look, 0.05))
    assert isinstance(result, Judgement)
    assert (result.category, result.by_look, result.reasoning, result.signals) == ("A", True, None, ("quick_look",))
    assert result.looked is not None
    assert (round(result.looked.share, 3), result.looked.violates) == (0.05, False)


def test_a_look_settles_violations_only_where_it_may() -> None:
    """Under a policy that says from which share on."""
    bench, look = begun(make_reasoned(POLICY, look=LOOK))
    result = ended(bench, labelled(look, 0.95))
    assert isinstance(result, Judgement)
    assert (result.category, result.by_look) == ("SP2", True)
    bench, look = begun(make_reasoned(POLICY, look=Look(CUE, QuickLook(0.1, audit=0.0))))
    assert step(bench, labelled(look, 0.99)).prompt[-1] == OPEN


@pytest.mark.parametrize(
    "reply", [Labels({}), Labels({NO: math.log(0.1), YES: math.log(0.05)}), Labels({NO: math.nan})]
)
def test_a_look_that_sees_nothing_settles_nothing(reply: Labels) -> None:
    """Then the model reasons, as if nobody had looked."""
    bench, look = begun(make_reasoned(look=LOOK))
    reason = step(bench, Completion(look.id, reply))
    result = ended(bench, labelled(step(bench, said(reason, "", END)), 0.1))
    assert isinstance(result, Judgement)
    assert (result.looked, result.by_look) == (None, False)


def test_an_engine_that_reads_no_labels_is_asked_without_a_look() -> None:
    """It refuses such an ask for ever: no case may suffer for it."""
    bench, look = begun(replace(make_template("plain", GRADED), look=LOOK))
    settled = bench.completed([failure(look.id, FailureKind.REJECTED)], 1.0)
    assert (settled.outcomes, settled.retried) == ([], [])
    (whole,) = settled.asks
    result = ended(bench, said(whole, '{"violation": 1, "policy_category": "C"}'))
    assert isinstance(result, Judgement)
    assert (result.category, result.looked) == ("C", None)


def test_a_refused_label_ends_the_case() -> None:
    """After reasoning there is no other way to go."""
    bench, reason = begun(make_reasoned())
    label = step(bench, said(reason, "Hm.", END))
    result = ended(bench, failure(label.id, FailureKind.REJECTED))
    assert isinstance(result, Abstention)
    assert result.reason is AbstentionReason.REJECTED


@pytest.mark.parametrize(("look", "share", "saw"), [(LOOK, 0.5, None), (AUDITED, 0.05, False), (AUDITED, 0.95, True)])
def test_what_is_not_clear_or_audited_is_reasoned_about(look: Look, share: float, saw: bool | None) -> None:
    """The judgement is the reasoning's; what the look saw stands beside it."""
    bench, ask = begun(make_reasoned(POLICY, rest=False, look=look))
    reason = step(bench, labelled(ask, share))
    assert reason.prompt == [1, 2, ord("c"), OPEN]
    result = ended(bench, labelled(step(bench, said(reason, "", END)), 0.99))
    assert isinstance(result, Judgement)
    assert (result.category, result.by_look) == ("SP2", False)
    assert isinstance(result.looked, Looked)
    assert (round(result.looked.share, 3), result.looked.violates) == (share, saw)


def test_a_model_that_answers_at_once_can_be_looked_at_too() -> None:
    """Without reasoning, what is not clear is asked for its whole answer."""
    template = replace(make_template("plain", GRADED), look=LOOK)
    bench, look = begun(template)
    answer = step(bench, labelled(look, 0.5))
    assert (answer.prompt, answer.read) == ([1, 2, ord("c")], template.read)
    result = ended(bench, said(answer, '{"violation": 1, "policy_category": "C"}'))
    assert isinstance(result, Judgement)
    assert result.looked is not None
    assert (round(result.looked.share, 3), result.looked.violates) == (0.5, None)


def test_who_is_audited_follows_from_the_prompt() -> None:
    """The same content is audited again; of many, about the share that was asked for."""
    prompts = [[number, number + 1] for number in range(2000)]
    chosen = [audited(prompt, 0.1) for prompt in prompts]
    assert chosen == [audited(prompt, 0.1) for prompt in prompts]
    assert 140 < sum(chosen) < 260
    assert all(audited(prompt, 1.0) for prompt in prompts)


def test_a_rehearsal_leaves_out_no_kind_of_ask() -> None:
    """Look, reasoning, label and the rest of an answer, each for one token."""
    template = make_reasoned(look=LOOK)
    asks = rehearsed(template, [1])
    assert [prompt for prompt, _ in asks] == [
        [1, CLOSE, LEAD], [1, OPEN], [1, OPEN, END, CLOSE, LEAD], [1, OPEN, END, CLOSE],
    ]  # fmt: skip
    assert [read.max_tokens for _, read in asks if isinstance(read, TextRead)] == [1, 1]
    assert len(rehearsed(make_template(), [1])) == 1
    assert (in_steps(template), in_steps(make_template())) == (True, False)


def test_the_room_for_a_reply_is_that_of_all_steps() -> None:
    """Reasoning, what opens and closes it, and the longest way to answer."""
    assert make_template().reply_tokens == 1
    assert make_reasoned().reply_tokens == 20 + 1 + 2 + 50
    assert make_reasoned(rest=False).reply_tokens == 20 + 1 + 2 + 2


def test_many_parts_in_steps_are_kept_apart() -> None:
    """Whatever order their replies come in, each goes on with its own."""
    bench = make_bench()
    owners = "abcdefgh"
    bench.add([make_case(owner, make_reasoned()) for owner in owners], 0.0)
    asks = bench.admit(0.0).asks
    numbers = count()
    labels = [step(bench, said(ask, f"{next(numbers)}.", END)) for ask in reversed(asks)]
    outcomes = bench.completed([labelled(ask, 0.1) for ask in labels[::2] + labels[1::2]], 1.0).outcomes
    reasonings = {o.case.owner: o.result.reasoning for o in outcomes if isinstance(o.result, Judgement)}
    assert reasonings == {owner: f"{number}." for number, owner in enumerate(reversed(owners))}
