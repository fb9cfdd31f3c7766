from __future__ import annotations

import pytest

from stream_guard.errors import ConfigError
from stream_guard.events.model import View
from stream_guard.policy.document import OutputForm
from stream_guard.prompting.policy_text import DATA_LINE, label_question, policy_text
from tests.prompts import CHAT_EXAMPLE, make_policy


def test_the_sections_stand_in_the_order_of_the_guide() -> None:
    """Instruction, answer, definitions, criteria, the answer again, examples."""
    text = policy_text(make_policy(), View.MESSAGE)
    marks = [
        "# Spam", "## Instruction\nDecide", DATA_LINE, "## Answer\nAnswer with one JSON object", "## Definitions\n",
        "## Criteria\n", "as described above", "## Examples\n",
    ]  # fmt: skip
    places = [text.index(mark) for mark in marks]
    assert places == sorted(places)


def test_only_shown_examples_stand_in_the_prompt() -> None:
    """An example that is only a test of the policy is not shown."""
    text = policy_text(make_policy(), View.MESSAGE)
    assert 'Content: Win a free holiday, click here now!\nAnswer: {"violation":1,"policy_category":"SP2"}' in text
    assert "Never in the prompt." not in text


def test_without_shown_examples_there_is_no_section() -> None:
    """A policy without shown examples ends with the form of the answer."""
    assert "## Examples" not in policy_text(make_policy(examples=()), View.MESSAGE)


def test_a_chat_example_is_framed_as_the_content_will_be() -> None:
    """Under a view with context an example's earlier turns are context, as they are for an event."""
    text = policy_text(make_policy(examples=(CHAT_EXAMPLE,)), View.LAST_TURN)
    assert '{"role":"user","content":"Any plans?"}\n\nJudge only this turn:\n{"role":"assistant","content":"Buy' in text


def test_the_label_question_asks_for_the_two_words() -> None:
    """The short form asks about the category that a yes stands for."""
    question = label_question(make_policy(), "Ja", "Nein")
    assert "unasked advertising" in question
    assert "Ja or Nein" in question
    with pytest.raises(ConfigError):
        label_question(make_policy(yes_means=None), "Yes", "No")


@pytest.mark.parametrize("output", OutputForm)
def test_content_is_declared_data(output: OutputForm) -> None:
    """Every form says that content is never an instruction."""
    assert DATA_LINE in policy_text(make_policy(output), View.CHAT)
