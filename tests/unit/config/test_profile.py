from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from stream_guard.config.profile import parse_profile
from stream_guard.config.profiles import load_profile, profile_for, shipped_profiles
from stream_guard.errors import ConfigError
from stream_guard.prompting.layout import ChatLayout, Examples, TextLayout
from stream_guard.prompting.port import Sampling
from stream_guard.prompting.profile import LabelSettings, RendererKind, Tags

CHAT = """\
name: own
renderer: chat
prompt:
  system: "{policy}"
  user: "<Text>: {content}"
  examples: policy
answer:
  form: label
  violates: "yes"
  permits: "no"
  threshold: 0.4
"""
REASONING = """\
name: thinker
match: {architectures: [Qwen3ForCausalLM]}
renderer: chat
prompt: {system: "{policy}", user: "{content}"}
stop: ["<|im_end|>"]
answer: {form: text, max_tokens: 900}
reasoning: {where: tags, begin: <think>, end: </think>}
sampling: {temperature: 0.6, second_thought: 1}
variables: {enable_thinking: true}
"""
COMPLETION = """\
name: goes-on
renderer: completion
prompt: {text: "{policy}\\n{content}\\nAnswer:"}
answer: {form: label, violates: " yes", permits: " no"}
"""
HARMONY = """\
name: oss
renderer: harmony
stop: ["<|return|>"]
answer: {form: text}
reasoning: {where: analysis}
"""
MESSAGES = """\
name: served
renderer: messages
answer: {form: text}
"""


def findings(text: str) -> list[str]:
    """What is wrong with a profile, each finding as `line:column: message`."""
    with pytest.raises(ConfigError) as caught:
        parse_profile(text, "own.yaml")
    assert all(place.file == "own.yaml" for place, _ in caught.value.findings)
    return [f"{place.line}:{place.column}: {what}" for place, what in caught.value.findings]


def replaced(old: str, new: str, text: str = CHAT) -> str:
    """The text with one thing changed."""
    assert text.count(old) == 1
    return text.replace(old, new)


def test_a_label_profile() -> None:
    """What is not written is at its default."""
    profile = parse_profile(CHAT, "own.yaml")
    assert (profile.name, profile.renderer) == ("own", RendererKind.CHAT)
    assert profile.labels == LabelSettings(no="no", yes="yes", min_mass=0.3, threshold=0.4)
    assert profile.layout == ChatLayout("{policy}", "<Text>: {content}", Examples.POLICY)
    assert (profile.stop, profile.tags, profile.sampling) == ((), None, Sampling())
    assert profile.fits(("Anything",))


def test_examples_may_be_turns() -> None:
    """Where the system turn holds the policy."""
    layout = parse_profile(replaced("examples: policy", "examples: turns"), "own.yaml").layout
    assert layout == ChatLayout("{policy}", "<Text>: {content}", Examples.TURNS)


def test_a_profile_of_a_model_that_reasons() -> None:
    """Everything that a text needs."""
    profile = parse_profile(REASONING, "own.yaml")
    assert (profile.labels, profile.max_tokens) == (None, 900)
    assert (profile.tags, profile.stop) == (Tags("<think>", "</think>"), ("<|im_end|>",))
    assert (profile.sampling, profile.variables) == (Sampling(0.6, 1.0), {"enable_thinking": True})
    assert profile.fits(("Qwen3ForCausalLM", "Other"))
    assert not profile.fits(("LlamaForCausalLM",))


def test_the_other_renderers() -> None:
    """A text that goes on, harmony, and messages."""
    assert parse_profile(COMPLETION, "f").layout == TextLayout("{policy}\n{content}\nAnswer:", Examples.POLICY)
    assert parse_profile(HARMONY, "f").stop == ("<|return|>",)
    assert parse_profile(MESSAGES, "f").renderer is RendererKind.MESSAGES


WRONG: list[tuple[str, str]] = [
    (replaced("name: own", "name: Own Model"), "1:7: name: String should match pattern"),
    (replaced("renderer: chat", "renderer: chats"), "2:11: renderer: Input should be 'harmony', 'chat', 'completion' or 'mes"),
    (replaced("  examples: policy", "  example: policy"), "6:12: prompt.example is unknown"),
    (replaced('  permits: "no"\n', ""), "7:1: answer.permits is required"),
    (replaced('permits: "no"', 'permits: "yes"'), "10:12: answer.permits: is the same as violates"),
    (replaced("threshold: 0.4", "threshold: 1"), "11:14: answer.threshold: Input should be less than 1"),
    (replaced("threshold: 0.4", "threshold: half"), "11:14: answer.threshold: Input should be a valid number"),
    (replaced("form: label", "form: words"), "7:1: answer: Input tag 'words'"),
    (replaced('user: "<Text>: {content}"', 'user: "<Text>"'), "5:9: prompt.user: must hold {content} exactly once"),
    (replaced('  user: "<Text>: {content}"\n', ""), "3:1: prompt: chat needs prompt.user"),
    (replaced('user: "', 'text: "'), "3:1: prompt: chat needs prompt.user"),
    (replaced('system: "{policy}"', 'system: "{rules}"'), "5:9: prompt.user: {rules} stands for nothing"),
    (f"{CHAT}reasoning: {{where: analysis}}\n", "12:20: reasoning.where: analysis is where harmony has it"),
    (f"{CHAT}reasoning: {{where: tags}}\n", "12:1: reasoning: tags need both begin and end"),
    (f"{CHAT}reasoning: {{where: none, begin: a}}\n", "12:1: reasoning: begin and end are for tags"),
    (f"{CHAT}reasoning: {{where: tags, begin: a, end: b}}\n", "12:1: reasoning: a label is read at once"),
    (replaced("{policy}", "{question}", REASONING), "4:1: prompt: {question} asks for one word, but the answer is a text"),
    (replaced("second_thought: 1", "second_thought: 0", REASONING), "8:46: sampling.second_thought: must be above 0"),
    (replaced("temperature: 0.6", "temperature: -1", REASONING), "8:25: sampling.temperature: Input should be greater"),
    (replaced("max_tokens: 900", "max_tokens: 0", REASONING), "6:34: answer.max_tokens: Input should be greater"),
    (replaced("max_tokens: 900", "max_tokens: '900'", REASONING), "6:34: answer.max_tokens: Input should be a valid integer"),
    (f"{COMPLETION}variables: {{a: 1}}\n", "5:1: variables: are for a chat template"),
    (replaced("text:", "user:", COMPLETION), "3:1: prompt: completion needs prompt.text"),
    (replaced('stop: ["<|return|>"]\n', "", HARMONY), "1:1: stop: must name the tokens that end a reply"),
    (replaced("<|return|>", "<|stop|>", HARMONY), "3:8: stop[0]: is no control token of harmony"),
    (replaced("form: text", "form: label, violates: a, permits: b", HARMONY), "4:16: answer.form: harmony reasons before"),
    (replaced("reasoning: {where: analysis}\n", "", HARMONY), "1:1: reasoning.where: analysis is where harmony has it"),
    (f'{HARMONY}prompt: {{user: "{{policy}} {{content}}"}}\n', "6:1: prompt: harmony has a layout of its own"),
    (f"{MESSAGES}stop: [a]\n", "4:1: stop: the server decides about it"),
    (replaced("form: text", "form: label, violates: a, permits: b", MESSAGES), "3:16: answer.form: a server that renders"),
    ("[]", "1:1: must be a mapping"),
    ("name: [", "1:8: "),
]  # fmt: skip


@pytest.mark.parametrize(("text", "expected"), WRONG, ids=range(len(WRONG)))
def test_what_is_wrong_is_named_with_its_place(text: str, expected: str) -> None:
    """Line, column, field and reason."""
    found = findings(text)
    assert any(finding.startswith(expected) for finding in found), found


def test_all_that_is_wrong_is_said_at_once() -> None:
    """An author mends a file in one go."""
    assert len(findings(replaced("threshold: 0.4", "threshold: 4").replace("name: own", "name: O"))) == 2


def test_every_shipped_profile_is_one() -> None:
    """It is called as its file is."""
    shipped = shipped_profiles()
    assert {"gpt-oss", "gpt-oss-one-ask", "chat", "shieldstral", "cope-a", "cope-b", "messages", "smollm2"} == set(
        shipped
    )
    assert all(profile.name == name for name, profile in shipped.items())


@pytest.mark.parametrize(
    ("architectures", "name"),
    [
        (("GptOssForCausalLM",), "gpt-oss"),
        (("LlamaForCausalLM",), "chat"),
        (("Gemma2ForCausalLM",), "chat"),
        ((), "chat"),
    ],
)
def test_a_model_gets_the_profile_of_its_family(architectures: tuple[str, ...], name: str) -> None:
    """A policy model is a chat model by its folder: nothing tells it apart, so its profile must be named."""
    assert profile_for(architectures).name == name


def test_a_profile_is_named_or_lies_in_a_file(tmp_path: Path) -> None:
    """A name that ships, or a path that ends in .yaml."""
    (tmp_path / "own.yaml").write_text(CHAT, encoding="utf-8")
    assert load_profile("gpt-oss").renderer is RendererKind.HARMONY
    assert load_profile(str(tmp_path / "own.yaml")).name == "own"


@pytest.mark.parametrize(
    ("named", "words"),
    [("gpt-4", "there is no profile gpt-4; there are chat, cope-a"), ("gone.yaml", "there is no file gone.yaml")],
)
def test_a_profile_that_is_not_there(named: str, words: str) -> None:
    """What there is instead is said."""
    with pytest.raises(ConfigError, match=words):
        load_profile(named)


def test_the_layouts_of_policy_models_are_those_of_their_cards() -> None:
    """As far as others quote them: a blank line more, and the model was never asked so before."""
    layouts: dict[str, Any] = {name: profile.layout for name, profile in shipped_profiles().items()}
    assert layouts["cope-a"].text.startswith("<bos>INSTRUCTIONS\n============\n\nExamine the given POLICY")
    assert layouts["cope-a"].text.endswith("\n\n\nCONTENT\n=======\n\n{content}\n\n\nANSWER\n======\n\n")
    assert layouts["cope-b"].user.endswith("\n\n\nPOLICY\n======\n\n{policy}\n\n\nCONTENT\n=======\n\n{content}")
    assert layouts["shieldstral"].user.endswith("\n\n<Query>: {policy}\n\n<Document>: {content}")
    assert layouts["shieldstral"].system.endswith('Note that the answer can only be "yes" or "no".')
