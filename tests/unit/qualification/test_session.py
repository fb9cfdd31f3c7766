"""A run of `policy test` over the scripted engine."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from msgspec.structs import replace

from stream_guard.config import JudgeSettings, load_judge
from stream_guard.engines.port import Ask
from stream_guard.engines.scripted import ScriptedEngine, scripted_engine
from stream_guard.engines.scripts import Reply, answer
from stream_guard.errors import EngineUnavailable, PolicyError
from stream_guard.judging.bench import Bench, BenchBounds
from stream_guard.judging.judgement import Abstention, AbstentionReason
from stream_guard.judging.retry import Retry, RetryPolicy
from stream_guard.policy.document import Example
from stream_guard.policy.labelled import Labelled, LabelledSet
from stream_guard.policy.load import load_policies
from stream_guard.prompting.plain import PlainRenderer
from stream_guard.qualification.asking import ask
from stream_guard.qualification.questions import Question, questions
from stream_guard.qualification.scores import scored
from stream_guard.qualification.session import Answered, Asking, News, Result, Stage, qualify
from tests.cases import make_policy

RENDERER = PlainRenderer()
POLICY = replace(
    make_policy(), examples=(Example("fine", "OK", shown=True), Example("bad", "BAD", shown=True), Example("ok", "OK"))
)
QUESTIONS = questions(POLICY, RENDERER, ())


def make_bench(timeout_s: float = 60.0) -> Bench[Question]:
    """A bench with room for one ask at a time."""
    return Bench(RENDERER, Retry(RetryPolicy(), random.Random(1)), BenchBounds(asks=1, timeout_s=timeout_s))


def knows_all(ask: Ask) -> Reply:
    """Says of every example what is right."""
    return answer(ask.read, violates=ask.prompt[-4:-1] == [*b"bad"])


async def test_a_model_that_knows_all_is_right_everywhere() -> None:
    """Each question is asked once, and answered for its own example."""
    async with scripted_engine(knows_all, delay=lambda _: 0.001) as engine:
        outcomes = [outcome async for outcome in ask(QUESTIONS, engine, make_bench())]
    (score,) = scored([POLICY], outcomes)
    assert (score.right, score.wrong) == (3, ())


async def test_an_engine_that_is_lost_is_no_wrong_answer() -> None:
    """The run ends with the engine's error."""
    engine = ScriptedEngine(knows_all)
    engine.outage("it is gone")
    with pytest.raises(EngineUnavailable, match="it is gone"):
        _ = [outcome async for outcome in ask(QUESTIONS, engine, make_bench())]


async def test_an_ask_that_takes_too_long_is_an_abstention() -> None:
    """The run goes on to its end."""
    async with scripted_engine(knows_all, delay=lambda _: 60.0) as engine:
        outcomes = [outcome async for outcome in ask(QUESTIONS, engine, make_bench(timeout_s=0.01))]
        assert engine.open == 0
    assert [o.result.reason for o in outcomes if isinstance(o.result, Abstention)] == [AbstentionReason.TIMEOUT] * 3


@pytest.fixture
def settings(tmp_path: Path) -> JudgeSettings:
    """The scripted engine, and the policies that ship."""
    shipped = Path(__file__).parents[3] / "policies"
    path = tmp_path / "guard.yaml"
    path.write_text(f"""\
kafka: {{bootstrap_servers: "localhost:9092", start: latest}}
engine: {{kind: scripted}}
policies: [{shipped}]
routes:
  - name: chat
    topic: chat.messages
    judge: [chat]
    policies: [spam]
    outputs: {{verdicts: v, rulings: r, dead_letters: d}}
""")
    return load_judge(path, {})


async def test_a_run_tells_how_far_it_is_and_what_came_of_it(settings: JudgeSettings) -> None:
    """Stages, the number of questions, one line an answer, the result."""
    policies = list(load_policies(settings.policies).values())
    told: list[News] = []
    await qualify(settings, policies, told.append)
    assert [type(news) for news in told[:3]] == [Stage, Stage, Asking]
    asked = sum(len(policy.examples) for policy in policies)
    assert told[2] == Asking("scripted", asked)
    assert sum(isinstance(news, Answered) for news in told) == asked
    result = told[-1]
    assert isinstance(result, Result)
    assert [score.policy.id for score in result.scores] == [policy.id for policy in policies]
    spam = next(score for score in result.scores if score.policy.id == "spam")
    assert {answer.question.judged.view for answer in spam.answers} == {"chat"}


async def test_a_labelled_set_is_asked_of_its_policy_alone(settings: JudgeSettings) -> None:
    """The others are not asked; contents without a label are counted."""
    policies = list(load_policies(settings.policies).values())
    told: list[News] = []
    labelled = {"spam": LabelledSet("l.csv", (Labelled(2, "hello", "SP0"), Labelled(4, "win now", "SP4")), 3)}
    await qualify(settings, policies, told.append, labelled)
    result = told[-1]
    assert isinstance(result, Result)
    assert [(score.policy.id, len(score.answers)) for score in result.scores] == [("spam", 2)]
    assert result.unlabelled == 3


async def test_an_unknown_label_ends_the_run_before_it_begins(settings: JudgeSettings) -> None:
    """Nothing is loaded."""
    policies = list(load_policies(settings.policies).values())
    told: list[News] = []
    with pytest.raises(PolicyError, match="the label X is no category of spam"):
        await qualify(settings, policies, told.append, {"spam": LabelledSet("l.csv", (Labelled(2, "hello", "X"),), 0)})
    assert told == []
