"""What harmony replies come to: the good ones of `transcripts.py` to their answer, all others to none."""

from __future__ import annotations

import pytest
from openai_harmony import Role, load_harmony_encoding

from stream_guard.judging.answers import Malformed
from stream_guard.judging.harmony_reply import read_harmony
from stream_guard.judging.judgement import Judgement
from stream_guard.policy.document import OutputForm
from stream_guard.prompting.harmony_vocabulary import harmony_vocabulary
from tests.prompts import make_policy
from tests.unit.judging.transcripts import ANSWER, GOOD, MALFORMED, Good, Piece, answer, ids_of, malformed

POLICIES = {form: make_policy(form) for form in OutputForm}
CASES = [(form, name) for form in OutputForm for name in malformed(POLICIES[form])]


@pytest.mark.parametrize("category", ["SP0", "SP2"])
@pytest.mark.parametrize("good", GOOD.values(), ids=GOOD)
@pytest.mark.parametrize("form", OutputForm)
def test_a_well_formed_reply_comes_to_its_answer(form: OutputForm, good: Good, category: str) -> None:
    """The final channel is the answer, the analysis the reasoning; a text that spells control tokens is text."""
    policy = POLICIES[form]
    ids = ids_of(good.pieces, answer(policy, category))
    result = read_harmony(policy, ids, harmony_vocabulary().decode)
    assert isinstance(result, Judgement)
    assert (result.category, result.reasoning) == (category, good.reasoning)
    assert (result.rationale is not None) == (form is OutputForm.RATIONALE)


@pytest.mark.parametrize(("form", "name"), CASES)
def test_a_malformed_reply_has_no_answer(form: OutputForm, name: str) -> None:
    """Also where it allows somewhere; what is said of it quotes nothing of it."""
    policy = POLICIES[form]
    allows = answer(policy, "SP0")
    with pytest.raises(Malformed) as raised:
        read_harmony(policy, ids_of(malformed(policy)[name], allows), harmony_vocabulary().decode)
    assert "ordinary" not in str(raised.value)
    assert allows not in str(raised.value) or allows == "0"


@pytest.mark.parametrize("name", ["reasoning, then final", "several analyses", "no reasoning"])
def test_the_reference_library_reads_the_same(name: str) -> None:
    """The reference's own parser finds the messages that this one does."""
    whole = answer(POLICIES[OutputForm.CATEGORY], "SP0")
    pieces = GOOD[name].pieces
    reference = load_harmony_encoding("HarmonyGptOss")
    messages = reference.parse_messages_from_completion_tokens(list(ids_of(pieces, whole)), Role.ASSISTANT)
    *reasonings, final = [(message.channel, message.content[0].text) for message in messages]
    assert final == ("final", whole)
    assert {channel for channel, _ in reasonings} <= {"analysis"}
    assert "\n".join(text for _, text in reasonings) == (GOOD[name].reasoning or "")


def test_transcripts_are_written_as_they_read() -> None:
    """A spelling that stands alone is a control token; within a text, it is text; nothing is malformed by a slip of the pen."""
    spelled = ("<|channel|>", "final", "<|message|>", ANSWER)
    assert harmony_vocabulary().decode(ids_of(spelled, "0")) == "final0"
    whole: tuple[Piece, ...] = ("So <|end|> it is",)
    assert harmony_vocabulary().decode(ids_of(whole, "0")) == "So <|end|> it is"
    assert not {good.pieces for good in GOOD.values()} & set(MALFORMED.values())
