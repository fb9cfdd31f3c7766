"""Invariant 3 at its root: nothing that a model writes is a judgement unless it is exactly the form it was asked for."""

from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st

from stream_guard.engines.port import LabelRead, Labels, Text
from stream_guard.events.model import View
from stream_guard.identity import PromptVersion
from stream_guard.judging.judgement import Judgement
from stream_guard.judging.reply import read_reply
from stream_guard.policy.document import OutputForm
from stream_guard.prompting.plain import PlainRenderer
from stream_guard.prompting.port import LabelReading, Template
from tests.prompts import make_policy

RENDERER = PlainRenderer()
PIECES = st.sampled_from(
    [
        "0",
        "1",
        "{",
        "}",
        ":",
        ",",
        '"',
        " ",
        "\n",
        "violation",
        "policy_category",
        "SP0",
        "SP2",
        "true",
        "null",
        "allow",
    ]
)
ALMOST = st.one_of(st.text(), st.lists(PIECES, max_size=14).map("".join))


def judged(reply: str, form: OutputForm) -> Judgement | None:
    """The judgement in a reply, None where there is none."""
    template = RENDERER.template(make_policy(form), View.MESSAGE)
    result = read_reply(template, Text((), reply, finished=True), RENDERER.text)
    return result if isinstance(result, Judgement) else None


@given(ALMOST)
def test_a_text_permits_only_where_it_is_the_whole_form(reply: str) -> None:
    """Of all that begins, ends or looks like an answer, only the answer is one."""
    judgement = judged(reply, OutputForm.CATEGORY)
    if judgement is not None:
        answer = json.loads(reply)
        assert set(answer) == {"violation", "policy_category"}
        assert judgement.category == answer["policy_category"]
        assert type(answer["violation"]) is int
        assert (answer["violation"] == 0) == (judgement.category == "SP0")


@given(st.dictionaries(st.sampled_from([7, 8, 9]), st.floats(allow_nan=True, allow_infinity=True)))
def test_labels_permit_only_where_the_labels_have_mass(logprobs: dict[int, float]) -> None:
    """NaN, infinity, missing labels and probabilities beyond 1 never permit."""
    policy = make_policy()
    reading = LabelReading(no_id=7, yes_id=8, min_mass=0.3)
    template = Template(policy, View.MESSAGE, PromptVersion("p"), LabelRead((7, 8)), reading, (1,), ())
    result = read_reply(template, Labels(logprobs), RENDERER.text)
    if isinstance(result, Judgement) and result.category == policy.permitted.id:
        assert -2.0 < logprobs[7] < 0.1  # a probability, and at least half of min_mass
        assert logprobs[7] >= logprobs.get(8, float("-inf"))
