"""The ways of asking for a verdict in harmony, on a scripted engine; and the tables of what they cost."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from loadtest.desk import open_desk
from loadtest.harmony import Questions, in_form, window
from loadtest.harmony_arms import ARMS, Question, Verdict, structural_tag
from loadtest.harmony_report import First, Row, tables
from stream_guard.engines.port import Ask, Failure, FailureKind, LabelRead, Labels, Text, TextRead, Usage
from stream_guard.engines.scripted import ScriptedEngine
from stream_guard.judging.course import Ended, Stand, begin, go_on
from stream_guard.judging.judgement import Judgement
from stream_guard.policy.document import Effort, OutputForm
from stream_guard.prompting.answer import answer_schema, answer_text
from stream_guard.prompting.harmony_tokens import END, RETURN
from stream_guard.prompting.harmony_vocabulary import harmony_vocabulary
from tests.prompts import make_policy
from tests.unit.judging.transcripts import ANSWER, HALF_A_LETTER, ids_of

BUDGET = 8
REASONING = ids_of(("It looks like an advertisement.",), "")
WHOLE = ("<|channel|>", "analysis", "<|message|>", "So.", "<|end|>", "<|start|>", "assistant",
         "<|channel|>", "final", "<|message|>", ANSWER, "<|return|>")  # fmt: skip
NO, YES = ids_of(("0",), "")[0], ids_of(("1",), "")[0]


def make_question(form: OutputForm) -> Question:
    """A question under a policy of a form."""
    return Questions(in_form(make_policy(), form), BUDGET, 1).take(1)[0]


def speaks(form: OutputForm, reasoning: tuple[int, ...] = (*REASONING, END)) -> Callable[[Ask], Labels | Text]:
    """A model that answers each step as it is meant, and finds that the content violates."""
    whole = answer_text(in_form(make_policy(), form), "SP2")

    def say(ask: Ask) -> Labels | Text:
        if isinstance(ask.read, LabelRead):
            return Labels({NO: -3.0, YES: -1.0})
        if END in ask.read.stop_ids:
            return Text(reasoning, None, finished=reasoning[-1] == END)
        if ask.read.structural_tag is not None and '"sequence"' not in ask.read.structural_tag:
            return Text((*ids_of((whole,), ""), RETURN), None, finished=True)
        return Text(ids_of(WHOLE, whole), None, finished=True)

    return say


async def verdict_of(arm: str, form: OutputForm, say: Callable[[Ask], Labels | Text | Failure]) -> Verdict:
    """What a way of asking comes to."""
    async with open_desk(ScriptedEngine(say)) as desk:
        return await ARMS[arm](desk, make_question(form))


@pytest.mark.parametrize("form", [OutputForm.BINARY, OutputForm.CATEGORY])
@pytest.mark.parametrize("arm", ARMS)
async def test_every_way_comes_to_a_verdict(arm: str, form: OutputForm) -> None:
    """A label in all; JSON that parses wherever it is asked for; a probability only where labels are read."""
    verdict = await verdict_of(arm, form, speaks(form))
    assert verdict.decides
    assert verdict.parses == (not arm.endswith("A + B") or form is OutputForm.BINARY)
    assert (verdict.mass is not None) == (arm not in ("free", "grammar"))
    asks = {"free": 1, "grammar": 1, "look": 1, "look + A + B": 3, "A + B": 2, "A + B + C": 3}
    assert len(verdict.asks) == asks[arm]


@pytest.mark.parametrize(
    "reasoning", [REASONING, (*REASONING, HALF_A_LETTER), (END,)], ids=["cut", "in a letter", "none"]
)
async def test_reasoning_that_is_cut_is_closed(reasoning: tuple[int, ...]) -> None:
    """The steps after it see a whole message, and the transcript parses."""
    verdict = await verdict_of("A + B + C", OutputForm.CATEGORY, speaks(OutputForm.CATEGORY, reasoning))
    assert (verdict.parses, verdict.decides) == (True, True)


@pytest.mark.parametrize(("form", "own"), [(OutputForm.CATEGORY, 3), (OutputForm.BINARY, 2)])
async def test_the_steps_are_the_services_own(form: OutputForm, own: int) -> None:
    """As it asks them, to its judgement; an answer that the label says already is written out by the load test alone."""
    asked: list[Ask] = []
    say = speaks(form)

    def noted(ask: Ask) -> Labels | Text:
        asked.append(ask)
        return say(ask)

    await verdict_of("A + B + C", form, noted)
    template, prompt = make_question(form).template, list(make_question(form).prompt)
    stand: Stand | Ended = begin(template, prompt)
    for ask in asked[:own]:
        assert isinstance(stand, Stand)
        assert (ask.prompt, ask.read) == (stand.prompt, stand.read)
        stand = go_on(template, stand, say(ask), harmony_vocabulary().decode)
    assert isinstance(stand, Judgement)
    assert len(asked) == 3


async def test_labels_that_are_not_reported_decide_nothing() -> None:
    """One of them alone is no verdict either."""
    say = speaks(OutputForm.CATEGORY)
    verdict = await verdict_of(
        "A + B + C",
        OutputForm.CATEGORY,
        lambda ask: Labels({YES: -1.0}) if isinstance(ask.read, LabelRead) else say(ask),
    )
    assert (verdict.parses, verdict.decides, verdict.mass) == (False, False, None)


async def test_a_failing_ask_ends_the_measurement() -> None:
    """It would make the others look faster than they are."""
    with pytest.raises(RuntimeError, match="rejected, no"):
        await verdict_of("free", OutputForm.BINARY, lambda _: Failure(FailureKind.REJECTED, "no"))


def test_an_answer_is_bound_to_its_label() -> None:
    """Categories that agree with it, and no others; in the tag either all of the one kind or all of the other."""
    policy = make_policy(OutputForm.CATEGORY)
    assert answer_schema(policy, violates=True)["properties"]["policy_category"] == {"enum": ["SP2", "SP4"]}
    assert answer_schema(policy, violates=False)["properties"]["violation"] == {"enum": [0]}
    assert answer_schema(make_policy(OutputForm.BINARY), violates=True) == {"enum": [1]}
    *_, answer = json.loads(structural_tag(policy, BUDGET))["format"]["elements"]
    assert [each["max_whitespace_cnt"] for each in answer["elements"]] == [1, 1]


async def test_a_window_asks_all_it_was_given() -> None:
    """No question is asked twice, and no more at once than may be."""
    questions = Questions(make_policy(OutputForm.CATEGORY), BUDGET, 3).take(5)
    assert len({question.prompt for question in questions}) == 5
    asked: list[Ask] = []
    say = speaks(OutputForm.CATEGORY)

    def noted(ask: Ask) -> Labels | Text:
        asked.append(ask)
        return say(ask)

    async with open_desk(ScriptedEngine(noted)) as desk:
        _, verdicts = await window(desk, "free", questions, 2)
    assert len(verdicts) == len(asked) == 5
    assert all(isinstance(ask.read, TextRead) and ask.read.max_tokens > BUDGET for ask in asked)


def test_the_tables_hold_what_was_measured() -> None:
    """Numbers for each verdict, ratios window by window, the share of each step that the cache had."""
    asks = (Usage(100, 64, 8, 1.0, 0.002), Usage(120, 96, 1, 0.5, 0.001))
    rows = [
        Row.of(
            number,
            retention,
            Effort.LOW,
            arm,
            seconds,
            seconds / 2,
            [Verdict(asks[: 2 if arm == "A + B" else 1], True, True)],
        )
        for number in range(2)
        for retention in ("0", "None")
        for arm, seconds in (("free", 4.0), ("A + B", 2.0))
    ]
    shown = tables(rows, {name: [First("grammar", 0.5, 0.1)] for name in ("0", "None")}, {Effort.LOW: 8}, 4)
    assert "| free, low | 8 | 100% | 100% | not seen | 0.25 (0.25-0.25) | 0.50 (0.50-0.50) |" in shown
    assert "| 3.0 (3.0-3.0) | 220 | 160 | 9 |" in shown
    assert "| 0 | A + B, low | 64 of 100 | 96 of 120 |  |" in shown
    assert "| grammar | None | 0.50 | 0.10 | 0.40 |" in shown
