"""A layout is cut where no token spans the cut: for plain words, ids are those of the whole text encoded at once."""

from __future__ import annotations

from functools import cache

from hypothesis import given, settings
from hypothesis import strategies as st

from stream_guard.prompting.chat_template import pieces_of, slot
from stream_guard.prompting.layout import stretches
from stream_guard.prompting.tokenizer import ModelTokenizer
from tests.prompts import EXAMPLES, contents, smol_folder

_WORDS = st.lists(
    st.sampled_from(["maps", "at eight", "it's", "Grüße", "3.5 km", "(so)", "yes!", "漢字"]), min_size=1, max_size=5
)
_AFTER = [" ", "\n", "\n\n", "\n====\n\n", "\n\n\n", " - ", "\n\nD: ", "<|im_end|>\n<|im_start|>user\n"]
_GLUE = st.sampled_from([*_AFTER, ": ", ":\n"])
_AFTER_TEXT = st.sampled_from(_AFTER)
"""What may stand after a text: punctuation there would join that of the text, and then no cut is right."""


@cache
def smol() -> ModelTokenizer:
    """The small model's tokenizer."""
    return ModelTokenizer(smol_folder())


def encoded(pieces: list[str | int], texts: list[str]) -> list[int]:
    """The ids of a layout, as the renderer puts them together."""
    ids: list[int] = []
    found, tail = stretches(pieces, smol().encode_trusted)
    for stretch in found:
        ids += smol().encode_trusted(stretch.trusted)
        margins = stretch.margins
        [content] = smol().encode_contents([f"{margins.before}{texts[stretch.slot]}{margins.after}"])
        ids += content
    return ids + smol().encode_trusted(tail)


@settings(max_examples=EXAMPLES, deadline=None)
@given(_GLUE, _AFTER_TEXT, _AFTER_TEXT, _WORDS, _WORDS)
def test_plain_words_encode_as_in_the_whole_text(
    before: str, between: str, after: str, policy: list[str], content: list[str]
) -> None:
    """A model reads what it was trained to read."""
    texts = [" ".join(policy), " ".join(content)]
    pieces = pieces_of(f"POLICY{before}{slot(0)}{between}{slot(1)}{after}ANSWER")
    whole = f"POLICY{before}{texts[0]}{between}{texts[1]}{after}ANSWER"
    assert encoded(pieces, texts) == smol().encode_trusted(whole)


@settings(max_examples=EXAMPLES, deadline=None)
@given(_GLUE, _GLUE, contents())
def test_no_content_becomes_a_control_token_by_its_margins(before: str, after: str, content: str) -> None:
    """The trusted text holds as many control tokens as before, whatever stands between."""
    pieces = pieces_of(f"<|im_start|>user{before}{slot(0)}{after}<|im_end|>")
    control = smol().control_ids
    counts = [sum(i in control for i in encoded(pieces, [text])) for text in ("mild", content)]
    assert counts[0] == counts[1]
