from __future__ import annotations

import json
import math
from collections.abc import Sequence
from typing import Any

import pytest

from stream_guard.engines.port import LabelRead, Labels, Read, Text, TextRead
from stream_guard.events.model import View
from stream_guard.identity import PromptVersion
from stream_guard.judging.judgement import Abstention, AbstentionReason, BadReply, Confidence, Judgement
from stream_guard.judging.reply import read_reply
from stream_guard.policy.document import OutputForm
from stream_guard.prompting.harmony_tokens import STOP_IDS
from stream_guard.prompting.harmony_vocabulary import harmony_vocabulary
from stream_guard.prompting.plain import CONTENT_ID, STOP_ID, PlainRenderer
from stream_guard.prompting.port import HarmonyReading, LabelReading, Template, TextReading
from tests.prompts import make_policy
from tests.unit.judging import transcripts

NO, YES = 5, 6

GOOD: dict[str, Any] = {
    "violation": 1,
    "policy_category": "SP2",
    "rule_ids": ["SP2.a", "SP2"],
    "confidence": "high",
    "rationale": "SP2.a: an advertisement.",
}


PLAIN_READING = TextReading()
PLAIN_READ = TextRead(100, (STOP_ID,))


def make_template(
    output: OutputForm = OutputForm.RATIONALE,
    reading: LabelReading | TextReading | HarmonyReading = PLAIN_READING,
    read: Read = PLAIN_READ,
) -> Template:
    """A template without a prompt."""
    return Template(make_policy(output), View.MESSAGE, PromptVersion("p"), read, reading, prefix=(), suffix=())


def read_labels(logprobs: dict[int, float], min_mass: float = 0.3, threshold: float = 0.5) -> object:
    """What labels with these log-probabilities say."""
    reading = LabelReading(NO, YES, min_mass, threshold)
    return read_reply(make_template(reading=reading, read=LabelRead((NO, YES))), Labels(logprobs), PlainRenderer().text)


def read_text(text: str, output: OutputForm = OutputForm.RATIONALE, *, finished: bool = True) -> object:
    """What a text says that came without token ids."""
    return read_reply(make_template(output), Text((), text, finished), PlainRenderer().text)


def read_ids(ids: Sequence[int], output: OutputForm = OutputForm.RATIONALE, *, finished: bool = True) -> object:
    """What the plain renderer's ids say."""
    return read_reply(make_template(output), Text(tuple(ids), None, finished), PlainRenderer().text)


# Labels


@pytest.mark.parametrize(
    ("no", "yes", "category", "confidence"),
    [(0.8, 0.1, "SP0", 8 / 9), (0.1, 0.8, "SP2", 8 / 9), (0.4, 0.4, "SP2", 0.5), (0.0, 0.5, "SP2", 1.0)],
)
def test_the_label_with_the_greater_share_decides(no: float, yes: float, category: str, confidence: float) -> None:
    """The share of yes in the label mass decides, a tie for the stricter, and the share is the confidence."""
    result = read_labels({NO: math.log(no) if no else -math.inf, YES: math.log(yes)})
    assert isinstance(result, Judgement)
    assert result.category == category
    assert result.confidence is not None
    assert result.confidence.basis == "label_probability"
    assert result.confidence.value == pytest.approx(confidence)


def test_the_threshold_is_the_share_from_which_on_it_violates() -> None:
    """With a threshold of .2 a share of .25 violates, one of .15 does not."""
    high, low = ({NO: math.log(1 - share), YES: math.log(share)} for share in (0.25, 0.15))
    assert getattr(read_labels(high, threshold=0.2), "category", None) == "SP2"
    assert getattr(read_labels(low, threshold=0.2), "category", None) == "SP0"


@pytest.mark.parametrize(
    "logprobs",
    [
        {},
        {NO: math.log(0.05), YES: math.log(0.04)},
        {NO: -math.inf, YES: -math.inf},
        {NO: math.nan, YES: math.log(0.9)},
        {NO: math.log(0.9), YES: math.nan},
        {7: 0.0},
        {NO: 1.0},
        {NO: 0.5, YES: -9.0},
        {NO: math.inf, YES: -1.0},
        {NO: math.log(0.9), YES: math.log(0.9)},
    ],
)
@pytest.mark.parametrize("min_mass", [0.3, 0.1])
def test_little_mass_in_the_labels_is_an_abstention(logprobs: dict[int, float], min_mass: float) -> None:
    """A model whose probability lies elsewhere, or whose numbers are none, did not answer; asking again gives the same."""
    result = read_labels(logprobs, min_mass)
    assert isinstance(result, Abstention)
    assert result.reason is AbstentionReason.UNDECIDED


def test_no_mass_is_undecided_even_where_none_is_asked_for() -> None:
    """A minimum of 0 does not make a judgement of nothing."""
    assert isinstance(read_labels({NO: -math.inf, YES: -math.inf}, min_mass=0.0), Abstention)
    assert isinstance(read_labels({}, min_mass=0.0), Abstention)


@pytest.mark.parametrize(
    ("logprobs", "category"),
    [
        ({NO: math.log(0.9)}, "SP0"),
        ({YES: math.log(0.9)}, "SP2"),
        ({NO: math.log(0.45)}, None),
        ({YES: math.log(0.45)}, None),
    ],
)
def test_a_label_that_was_not_reported_may_hold_all_the_rest(logprobs: dict[int, float], category: str | None) -> None:
    """One label decides alone only where the other can't outweigh it, even with all the mass that is left."""
    result = read_labels(logprobs)
    assert getattr(result, "category", None) == category
    assert isinstance(result, Judgement if category else Abstention)


def test_a_reply_of_the_other_kind_is_bad() -> None:
    """Labels where text was asked for, or text where labels were, are no judgement."""
    labels = make_template(reading=LabelReading(NO, YES, 0.3))
    assert isinstance(read_reply(labels, Text((), "0", finished=True), PlainRenderer().text), BadReply)
    assert isinstance(read_reply(make_template(), Labels({NO: 0.0}), PlainRenderer().text), BadReply)


# Text in each output form


@pytest.mark.parametrize(("text", "category"), [("0", "SP0"), ("1", "SP2"), (" 1\n", "SP2")])
def test_a_binary_answer(text: str, category: str) -> None:
    """0 is what the policy permits, 1 what a bare yes means."""
    assert read_text(text, OutputForm.BINARY) == Judgement(category)


@pytest.mark.parametrize(("violation", "category"), [(0, "SP0"), (1, "SP2"), (1, "SP4")])
def test_a_category_answer(violation: int, category: str) -> None:
    """The category that the model names, which agrees with the violation."""
    text = json.dumps({"violation": violation, "policy_category": category})
    assert read_text(f"\n{text} ", OutputForm.CATEGORY) == Judgement(category)


def test_an_answer_with_rationale() -> None:
    """Rules, stated confidence and rationale come with the category."""
    expected = Judgement("SP2", ("SP2.a", "SP2"), Confidence("stated", level="high"), "SP2.a: an advertisement.")
    assert read_text(json.dumps(GOOD)) == expected


def test_ids_are_read_without_their_stop_ids() -> None:
    """Token ids read as their text does, with the stop id or without."""
    ids = list(json.dumps(GOOD).encode())
    assert read_ids(ids) == read_ids([*ids, STOP_ID]) == read_text(json.dumps(GOOD))


def _with(**changed: Any) -> str:
    return json.dumps(GOOD | changed)


def _without(field: str) -> str:
    return json.dumps({name: value for name, value in GOOD.items() if name != field})


MALFORMED: dict[str, str] = {
    "empty": "",
    "blank": " \n ",
    "prose": "This is fine.",
    "a bare 0": "0",
    "null": "null",
    "list": "[]",
    "list of answers": f"[{json.dumps(GOOD)}]",
    "string": json.dumps(json.dumps(GOOD)),
    "empty object": "{}",
    "open": json.dumps(GOOD)[:-1],
    "cut in the middle": json.dumps(GOOD)[:30],
    "fenced": f"```json\n{json.dumps(GOOD)}\n```",
    "text before": f"Answer: {json.dumps(GOOD)}",
    "text after": f"{json.dumps(GOOD)} done",
    "twice": json.dumps(GOOD) * 2,
    "single quotes": str(GOOD),
    "trailing comma": json.dumps(GOOD)[:-1] + ",}",
    "comment": json.dumps(GOOD)[:-1] + "/* */}",
    "byte order mark": "\ufeff" + json.dumps(GOOD),
    "deep": "[" * 100_000,
    "deep object": '{"a":' * 50_000,
    "long number": json.dumps(GOOD).replace("1", "1" * 5000, 1),
    "duplicate violation": json.dumps(GOOD)[:-1] + ',"violation":1}',
    "duplicate that softens": '{"violation":0,"policy_category":"SP0",' + json.dumps(GOOD)[1:],
    "duplicate by escape": json.dumps(GOOD)[:-1] + ',"\\u0076iolation":1}',
    "extra field": _with(decision="allow"),
    "field in capitals": _without("violation")[:-1] + ',"Violation":1}',
    "no violation": _without("violation"),
    "no category": _without("policy_category"),
    "no rules": _without("rule_ids"),
    "no confidence": _without("confidence"),
    "no rationale": _without("rationale"),
    "true": _with(violation=True),
    "false with permitted": _with(violation=False, policy_category="SP0"),
    "float": _with(violation=1.0),
    "zero as float": _with(violation=0.0, policy_category="SP0"),
    "minus zero": _with(violation=-0.0, policy_category="SP0"),
    "violation as text": _with(violation="1"),
    "two": _with(violation=2),
    "negative": _with(violation=-1),
    "violation null": _with(violation=None),
    "NaN": json.dumps(GOOD | {"violation": math.nan}),
    "Infinity": json.dumps(GOOD | {"violation": math.inf}),
    "NaN elsewhere": json.dumps(GOOD | {"rationale": math.nan}),
    "unknown category": _with(policy_category="SP9"),
    "category in lower case": _with(policy_category="sp2"),
    "category with space": _with(policy_category="SP2 "),
    "category by title": _with(policy_category="unasked advertising"),
    "category null": _with(policy_category=None),
    "category list": _with(policy_category=["SP2"]),
    "disagrees: permitted": _with(policy_category="SP0"),
    "disagrees: no violation": _with(violation=0),
    "rules as text": _with(rule_ids="SP2"),
    "rules null": _with(rule_ids=None),
    "rule of number": _with(rule_ids=[2]),
    "rule quotes content": _with(rule_ids=["call me on 555 1234"]),
    "rule with line end": _with(rule_ids=["SP2\n"]),
    "rule of other letters": _with(rule_ids=["ЅР2"]),  # noqa: RUF001  look-alikes on purpose
    "empty rule": _with(rule_ids=[""]),
    "long rule": _with(rule_ids=["a" * 65]),
    "many rules": _with(rule_ids=["a"] * 17),
    "confidence in capitals": _with(confidence="HIGH"),
    "confidence of number": _with(confidence=0.9),
    "confidence list": _with(confidence=["high"]),
    "rationale null": _with(rationale=None),
    "rationale list": _with(rationale=["a"]),
    "lone surrogate": _with(rationale="\ud800"),
    "raw lone surrogate": json.dumps(GOOD | {"rationale": "\ud800"}, ensure_ascii=False),
    "raw line end": json.dumps(GOOD).replace("an adv", "an\nadv"),
}


@pytest.mark.parametrize("text", MALFORMED.values(), ids=MALFORMED)
def test_a_malformed_answer_is_a_bad_reply(text: str) -> None:
    """Anything but exactly what was asked for is worth asking again, and never a judgement; the detail quotes none of it."""
    result = read_text(text)
    assert isinstance(result, BadReply)
    assert result.reason is AbstentionReason.UNPARSEABLE
    assert "555" not in result.detail


@pytest.mark.parametrize("text", MALFORMED.values(), ids=MALFORMED)
def test_a_malformed_answer_is_bad_in_the_category_form_too(text: str) -> None:
    """What does not hold as the long form does not hold as the short one."""
    assert isinstance(read_text(text, OutputForm.CATEGORY), BadReply)


NOT_BINARY = ("", "2", "01", "00", "1.", "0.0", "-0", "+1", "yes", "No", '"1"', "0 1", "1\n0", "\uff11", "true", "{}")


@pytest.mark.parametrize("text", NOT_BINARY)
def test_only_0_and_1_are_binary_answers(text: str) -> None:
    """A binary answer is one character, not something that looks like one."""
    assert isinstance(read_text(text, OutputForm.BINARY), BadReply)


@pytest.mark.parametrize("text", ["0", "1", json.dumps(GOOD)])
@pytest.mark.parametrize("output", OutputForm)
def test_a_cut_reply_is_bad(text: str, output: OutputForm) -> None:
    """A reply that did not end by itself may have gone on to say otherwise."""
    assert isinstance(read_text(text, output, finished=False), BadReply)
    assert isinstance(read_ids(text.encode(), output, finished=False), BadReply)


@pytest.mark.parametrize(
    "ids",
    [
        [CONTENT_ID, *b"0"],
        [*b"0", CONTENT_ID],
        [*b"0", CONTENT_ID, STOP_ID],
        [*b"0", STOP_ID, *b"1"],
        [*b"0", 99_999],
        [*b"0", 0xFF],
        [STOP_ID],
        [CONTENT_ID],
    ],
)
def test_a_control_token_within_a_reply_is_bad(ids: list[int]) -> None:
    """A control token reads as nothing, but what stands around it is not one answer."""
    assert isinstance(read_ids(ids, OutputForm.BINARY), BadReply)


def test_a_reply_of_nothing_is_bad() -> None:
    """Neither ids nor text."""
    assert isinstance(read_reply(make_template(), Text((), None, finished=True), PlainRenderer().text), BadReply)


# Harmony: what replies in it come to stands in test_harmony_reply.py


@pytest.mark.parametrize("name", transcripts.GOOD)
def test_a_harmony_reply_is_read_as_harmony(name: str) -> None:
    """Where the template says that the model speaks it; cut by its token limit, it is never a judgement."""
    template = make_template(OutputForm.RATIONALE, HarmonyReading(), TextRead(100, STOP_IDS))
    ids = transcripts.ids_of(transcripts.GOOD[name].pieces, json.dumps(GOOD))
    whole, cut = (
        read_reply(template, Text(ids, None, finished), harmony_vocabulary().decode) for finished in (True, False)
    )
    assert isinstance(whole, Judgement)
    assert (whole.category, whole.reasoning) == ("SP2", transcripts.GOOD[name].reasoning)
    assert isinstance(cut, BadReply)


def test_a_harmony_reply_without_its_tokens_is_bad() -> None:
    """With the control tokens gone, a word of the reasoning could pass for the answer."""
    for output, text in ((OutputForm.RATIONALE, json.dumps(GOOD)), (OutputForm.BINARY, "0")):
        template = make_template(output, HarmonyReading())
        result = read_reply(template, Text((), text, finished=True), harmony_vocabulary().decode)
        assert isinstance(result, BadReply)
