"""Content can never become a control token, whatever it spells; 300 contents a property, half of them hostile."""

from __future__ import annotations

from functools import cache

from hypothesis import given, settings
from hypothesis import strategies as st
from openai_harmony import HarmonyEncoding, load_harmony_encoding

from stream_guard.engines.port import Turn
from stream_guard.events.model import View
from stream_guard.prompting.chat import Answer, ChatTemplateRenderer
from stream_guard.prompting.frame import frame
from stream_guard.prompting.harmony import HarmonyRenderer
from stream_guard.prompting.harmony_tokens import ORDINARY_TOKENS
from stream_guard.prompting.harmony_vocabulary import harmony_vocabulary
from stream_guard.prompting.messages import BREAK, MessagesRenderer, defang
from stream_guard.prompting.plain import CONTENT_ID, PlainRenderer
from stream_guard.prompting.port import Renderer, Template
from stream_guard.prompting.tokenizer import ModelTokenizer
from tests.prompts import CONTROL_SPELLINGS, EXAMPLES, contents, make_judged, make_policy, smol_folder

SMOL_HAS_NO = frozenset(b"\x04\x06\x13\x14\x16\x1d\xf1\xf2")
"""The bytes that SmolLM2's vocabulary lacks (of those that UTF-8 uses): every tokenizer of it leaves them out."""


def as_smol_knows_it(text: str) -> str:
    """The text without the bytes that SmolLM2's vocabulary lacks."""
    return bytes(byte for byte in text.encode() if byte not in SMOL_HAS_NO).decode(errors="replace")


many = settings(max_examples=EXAMPLES, deadline=None)


@cache
def harmony() -> tuple[Renderer, Template]:
    """The harmony renderer and a template of it."""
    renderer = HarmonyRenderer(harmony_vocabulary(), "manifest")
    return renderer, renderer.template(make_policy(), View.MESSAGE)


@cache
def chat(answer: Answer) -> tuple[Renderer, Template]:
    """The chat renderer on the small model's tokenizer and a template of it."""
    renderer = ChatTemplateRenderer(smol_folder(), "manifest", answer=answer)
    return renderer, renderer.template(make_policy(), View.MESSAGE)


@cache
def reference() -> HarmonyEncoding:
    """The reference library's encoder."""
    return load_harmony_encoding("HarmonyGptOss")


@cache
def smol() -> ModelTokenizer:
    """The small model's tokenizer."""
    return ModelTokenizer(smol_folder())


def content_ids(renderer: Renderer, template: Template, text: str) -> list[int]:
    """What stands between prefix and suffix, which are as they were."""
    [rendered] = renderer.render(template, [make_judged(text)])
    start, end = len(template.prefix), len(rendered.prompt) - len(template.suffix)
    assert rendered.prompt[:start] == list(template.prefix)
    assert rendered.prompt[end:] == list(template.suffix)
    return rendered.prompt[start:end]


@many
@given(contents())
def test_harmony_content_is_text_and_comes_back(text: str) -> None:
    """In harmony a content holds no control id and decodes to exactly itself, beside an unchanged prefix and suffix."""
    renderer, template = harmony()
    ids = content_ids(renderer, template, text)
    assert all(i < ORDINARY_TOKENS for i in ids)
    assert renderer.text(ids) == frame(make_judged(text))


@many
@given(contents())
def test_harmony_content_ids_are_those_of_the_reference(text: str) -> None:
    """Tiktoken from the embedded ranks yields the ids of the reference library's own encoder."""
    assert harmony_vocabulary().encode(text) == reference().encode(text, disallowed_special=())


@many
@given(contents(), st.sampled_from(Answer))
def test_chat_content_is_text_and_comes_back(text: str, answer: Answer) -> None:
    """In a chat template a content holds no control id and decodes to exactly itself, but for bytes the vocabulary lacks."""
    renderer, template = chat(answer)
    ids = content_ids(renderer, template, text)
    assert smol().control_ids.isdisjoint(ids)
    assert smol().ordinary_ids.issuperset(ids)
    assert renderer.text(ids) == as_smol_knows_it(frame(make_judged(text)))


@many
@given(contents())
def test_an_example_of_a_policy_is_text(text: str) -> None:
    """What stands in a slot of the chat template is content, the policy author's examples included."""
    [ids] = smol().encode_contents([text])
    assert smol().control_ids.isdisjoint(ids)


@many
@given(contents())
def test_plain_content_is_bytes(text: str) -> None:
    """The plain renderer's content is its UTF-8 bytes, below every control id."""
    renderer = PlainRenderer()
    ids = content_ids(renderer, renderer.template(make_policy(), View.MESSAGE), text)
    assert all(i < CONTENT_ID for i in ids)
    assert renderer.text(ids) == frame(make_judged(text))


@many
@given(contents())
def test_defanged_content_spells_no_control_token(text: str) -> None:
    """No known spelling of a control token is left in a message, and only zero-width spaces were added."""
    defanged = defang(text)
    assert not any(spelling in defanged for spelling in CONTROL_SPELLINGS)
    assert "<|" not in defanged
    assert "|>" not in defanged
    assert defanged.replace(BREAK, "") == text.replace(BREAK, "")


@many
@given(contents())
def test_messages_keep_the_policy_turn(text: str) -> None:
    """A content fills one user turn after the policy's, whatever roles it forges."""
    renderer = MessagesRenderer("manifest")
    template = renderer.template(make_policy(), View.MESSAGE)
    [rendered] = renderer.render(template, [make_judged(text)])
    assert rendered.turns == (*template.turns, Turn("user", defang(frame(make_judged(text)))))


@many
@given(st.lists(contents(), max_size=5))
def test_a_list_renders_as_its_contents_do(texts: list[str]) -> None:
    """A prompt does not depend on what is rendered beside it."""
    for renderer, template in (harmony(), chat(Answer.LABELS)):
        together = renderer.render(template, [make_judged(text) for text in texts])
        assert together == [renderer.render(template, [make_judged(text)])[0] for text in texts]


@many
@given(st.text(st.characters(categories=["Cs", "L", "Zs"])))
def test_lone_surrogates_render(text: str) -> None:
    """Even a string that has no UTF-8 renders: its lone surrogates read as U+FFFD."""
    for renderer, template in (harmony(), chat(Answer.LABELS)):
        assert content_ids(renderer, template, text) or not text
