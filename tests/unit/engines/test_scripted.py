"""The scripted engine and its scripts."""

from __future__ import annotations

import json
import subprocess
import sys
from math import exp

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream_guard.engines.port import Ask, AskId, Failure, FailureKind, LabelRead, Labels, Read, Text, TextRead, Turn
from stream_guard.engines.scripted import ScriptedEngine, scripted_engine
from stream_guard.engines.scripts import FaultyScript, PhraseScript, SeededDelay, ShareScript, answer, draw

LABELS = LabelRead((7, 8))
SCHEMA = json.dumps(
    {
        "type": "object",
        "properties": {
            "violation": {"enum": [0, 1]},
            "policy_category": {"enum": ["SP0", "SP2", "SP4"]},
            "rule_ids": {"type": "array", "items": {"type": "string"}},
            "confidence": {"type": "string", "enum": ["low", "high"]},
            "rationale": {"type": "string"},
        },
    }
)


def make_ask(number: int = 0, read: Read = LABELS, *, ask_id: int = 0) -> Ask:
    """An ask whose content follows from a number."""
    return Ask(AskId(ask_id), [1, 2, 3, number, number * 31], read)


def text_of(reply: object) -> str:
    """The text of a reply."""
    assert isinstance(reply, Text)
    assert reply.text is not None
    return reply.text


@pytest.mark.parametrize("violates", [False, True])
def test_labels_state_the_answer_with_its_certainty(violates: bool) -> None:
    """The second label stands for a violation, and the probabilities sum to one."""
    reply = answer(LABELS, violates=violates, certainty=0.9)
    assert isinstance(reply, Labels)
    assert exp(reply.logprobs[8 if violates else 7]) == pytest.approx(0.9)
    assert sum(exp(logprob) for logprob in reply.logprobs.values()) == pytest.approx(1.0)


def test_a_phrase_is_looked_for_in_what_is_judged() -> None:
    """In bytes as in turns; what the policy says itself is not searched."""
    script, read = PhraseScript("caf\u00e9"), TextRead(8, ())
    for shown, violates in (("a caf\u00e9 here", "1"), ("a cafe here", "0")):
        prompt = [300, 256, *shown.encode(), 257]
        turns = (Turn("system", "about a caf\u00e9"), Turn("user", shown))
        assert text_of(script(Ask(AskId(1), prompt, read))) == violates
        assert text_of(script(Ask(AskId(1), [], read, turns))) == violates


def test_text_without_a_schema_is_a_bare_answer() -> None:
    """The binary form is one character."""
    read = TextRead(8, ())
    assert [text_of(answer(read, violates=v)) for v in (False, True)] == ["0", "1"]


def test_text_with_a_schema_fills_every_field() -> None:
    """Permitted content gets each first choice, a violation each last; other fields get a value of their type."""
    read = TextRead(8, (), json_schema=SCHEMA)
    permitted, violating = (json.loads(text_of(answer(read, violates=v))) for v in (False, True))
    assert (permitted["violation"], permitted["policy_category"]) == (0, "SP0")
    assert (violating["violation"], violating["policy_category"]) == (1, "SP4")
    assert violating["rule_ids"] == []
    assert isinstance(violating["rationale"], str)


def test_a_schema_inside_a_structural_tag_is_found() -> None:
    """A renderer that constrains reasoning too nests its schema."""
    tag = json.dumps(
        {"format": {"elements": [{"type": "any"}, {"type": "json_schema", "json_schema": json.loads(SCHEMA)}]}}
    )
    assert json.loads(text_of(answer(TextRead(8, (), structural_tag=tag), violates=True)))["violation"] == 1


def test_a_choice_of_objects_is_one_of_them() -> None:
    """Schemas that tie a category to its violation are alternatives."""
    schema = json.dumps(
        {
            "anyOf": [
                {"properties": {"violation": {"const": 0}, "policy_category": {"enum": ["SP0"]}}},
                {"properties": {"violation": {"const": 1}, "policy_category": {"enum": ["SP2", "SP4"]}}},
            ]
        }
    )
    read = TextRead(8, (), json_schema=schema)
    assert json.loads(text_of(answer(read, violates=False))) == {"violation": 0, "policy_category": "SP0"}
    assert json.loads(text_of(answer(read, violates=True))) == {"violation": 1, "policy_category": "SP4"}


@given(st.integers(0, 10_000), st.integers(0, 100))
def test_the_same_content_is_always_answered_alike(number: int, seed: int) -> None:
    """The ask's id plays no part."""
    script = ShareScript(violating=0.5, malformed=0.2, failing=0.2, seed=seed)
    assert script(make_ask(number, ask_id=1)) == script(make_ask(number, ask_id=2))


def test_shares_are_kept() -> None:
    """Of many contents about the stated parts violate, are malformed and fail."""
    script = ShareScript(violating=0.25, malformed=0.1, failing=0.1)
    replies = [script(make_ask(n)) for n in range(4000)]
    failed = sum(isinstance(reply, Failure) for reply in replies)
    empty = sum(isinstance(reply, Labels) and not reply.logprobs for reply in replies)
    violating = sum(isinstance(reply, Labels) and reply.logprobs.get(8, -9) > -0.1 for reply in replies)
    assert failed == pytest.approx(400, abs=100)
    assert empty == pytest.approx(400, abs=100)
    assert violating == pytest.approx(800, abs=150)


def test_a_share_of_asks_goes_wrong_whatever_they_ask() -> None:
    """Asked again, with another id, the same content is answered as it would have been at once."""
    calm = ShareScript()
    script = FaultyScript(calm, stumbling=0.1, garbling=0.1, hanging=0.1, seed=3)
    first = [script(make_ask(number, ask_id=number)) for number in range(2_000)]
    wrong = {
        "stumbled": [n for n, reply in enumerate(first) if isinstance(reply, Failure)],
        "garbled": [n for n, reply in enumerate(first) if reply == Labels({})],
        "hung": [n for n, reply in enumerate(first) if reply is None],
    }
    assert all(140 < len(numbers) < 260 for numbers in wrong.values()), {k: len(v) for k, v in wrong.items()}
    for number in (number for numbers in wrong.values() for number in numbers[:20]):
        tries = [script(make_ask(number, ask_id=more)) for more in range(1, 40)]
        assert calm(make_ask(number)) in tries
    assert first == [script(make_ask(number, ask_id=number)) for number in range(2_000)]


@pytest.mark.parametrize("delay", [None, SeededDelay(0.001, 0.002)])
async def test_an_ask_that_hangs_is_open_until_it_is_cancelled(delay: SeededDelay | None) -> None:
    """Others go on, and an outage ends it too."""
    script = FaultyScript(ShareScript(), hanging=0.5)
    asks = [make_ask(number, ask_id=number) for number in range(100)]
    hanging = [ask.id for ask in asks if script(ask) is None]
    async with scripted_engine(script, delay) as engine:
        engine.submit(asks)
        found: list[AskId] = []
        while len(found) < len(asks) - len(hanging):
            found.extend(done.ask_id for done in await engine.completions())
        assert sorted([*found, *hanging]) == [ask.id for ask in asks]
        engine.cancel(hanging[1:])
        assert engine.open == 1
        engine.outage()
        (ended,) = await engine.completions()
        assert ended.ask_id == hanging[0]


def test_a_malformed_text_is_no_json() -> None:
    """The reply breaks off."""
    with pytest.raises(json.JSONDecodeError):
        json.loads(text_of(ShareScript(malformed=1.0)(make_ask(0, TextRead(8, ())))))


def test_a_draw_is_the_same_in_every_process() -> None:
    """Also for turns, although Python salts the hashes of strings."""
    asks = [make_ask(5), Ask(AskId(1), [], LABELS, (Turn("user", "hello"),))]
    code = (
        "from stream_guard.engines.port import *\nfrom stream_guard.engines.scripts import draw\n"
        "print(draw(Ask(AskId(0), [1, 2, 3, 5, 155], LabelRead((7, 8)))))\n"
        "print(draw(Ask(AskId(1), [], LabelRead((7, 8)), (Turn('user', 'hello'),))))\n"
    )
    found = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert [float(line) for line in found.stdout.split()] == [draw(ask) for ask in asks]


def test_delays_stay_in_their_bounds_and_repeat() -> None:
    """A seeded delay follows from the content; the slow share takes longer."""
    delay = SeededDelay(least_s=0.1, most_s=0.2, slow=0.1, slow_s=5.0)
    taken = [delay(make_ask(n)) for n in range(1000)]
    assert taken == [delay(make_ask(n)) for n in range(1000)]
    assert all(seconds == 5.0 or 0.1 <= seconds <= 0.2 for seconds in taken)
    assert sum(seconds == 5.0 for seconds in taken) == pytest.approx(100, abs=50)
    assert SeededDelay(least_s=0.3)(make_ask()) == 0.3


async def test_without_a_delay_an_ask_is_complete_at_once() -> None:
    """The batch is there when submit returns."""
    engine = ScriptedEngine(ShareScript())
    engine.submit([make_ask(n, ask_id=n) for n in range(100)])
    assert [done.ask_id for done in await engine.completions()] == list(range(100))


async def test_completions_come_in_the_order_of_their_delays() -> None:
    """Not in that of their submission; `engine_s` is the delay."""
    async with scripted_engine(delay=lambda ask: 0.03 if ask.id == 1 else 0.01) as engine:
        engine.submit([make_ask(1, ask_id=1), make_ask(2, ask_id=2)])
        (first,) = await engine.completions()
        (second,) = await engine.completions()
    assert (first.ask_id, second.ask_id, second.usage.engine_s) == (2, 1, 0.03)


async def test_an_outage_fails_what_is_open_only_once() -> None:
    """The timer of a failed ask completes nothing later."""
    engine = ScriptedEngine(ShareScript(), delay=lambda _: 0.02)
    engine.submit([make_ask(ask_id=1)])
    engine.outage("down for a test")
    engine.recover()
    engine.submit([make_ask(ask_id=2)])
    found = [*await engine.completions(), *await engine.completions()]
    assert [done.ask_id for done in found] == [1, 2]
    assert found[0].reply == Failure(FailureKind.UNAVAILABLE, "down for a test")
    assert engine.open == 0
    engine.close()


async def test_closing_drops_what_is_open() -> None:
    """No timer outlives the engine."""
    async with scripted_engine(delay=lambda _: 60.0) as engine:
        engine.submit([make_ask(ask_id=1)])
        assert "1 open" in repr(engine)
    assert engine.open == 0
