from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from stream_guard.errors import ModelError
from stream_guard.prompting.tokenizer import ModelTokenizer
from tests.prompts import smol_folder


@pytest.fixture(scope="module")
def tokenizer() -> ModelTokenizer:
    """The small model's tokenizer."""
    return ModelTokenizer(smol_folder())


def make_tokenizer(target: Path, **changes: Any) -> ModelTokenizer:
    """The small model's tokenizer with changed parts."""
    source = json.loads((smol_folder() / "tokenizer.json").read_text())
    (target / "tokenizer.json").write_text(json.dumps(source | changes))
    return ModelTokenizer(target)


def added(spelling: str, *, special: bool, token_id: int = 49152) -> dict[str, Any]:
    """An added token."""
    flags = {"single_word": False, "lstrip": False, "rstrip": False, "normalized": False}
    return {"id": token_id, "content": spelling, "special": special, **flags}


def test_trusted_text_spells_control_tokens_and_content_does_not(tokenizer: ModelTokenizer) -> None:
    """The same spelling is one id where it is trusted, and plain text where it is content."""
    assert tokenizer.encode_trusted("<|im_end|>") == [2]
    [ids] = tokenizer.encode_contents(["<|im_end|>"])
    assert len(ids) > 1
    assert tokenizer.decode(ids) == "<|im_end|>"


def test_control_tokens_read_as_nothing(tokenizer: ModelTokenizer) -> None:
    """Control tokens and unknown ids are left out of a reply's text."""
    assert tokenizer.decode([1, *tokenizer.encode_trusted("Yes"), 2, -1, 999_999]) == "Yes"


def test_control_tokens_that_are_not_marked_special_are_kept_out(tmp_path: Path) -> None:
    """An added token such as Qwen's `<think>` steers the model too, though its file does not call it special."""
    tokenizer = make_tokenizer(tmp_path, added_tokens=[added("<think>", special=False)])
    assert tokenizer.encode_trusted("<think>") == [49152]
    [ids] = tokenizer.encode_contents(["<think>"])
    assert 49152 not in ids
    assert tokenizer.control_ids == {49152}


def test_white_space_tokens_are_text(tmp_path: Path) -> None:
    """An added token of white space alone is an abbreviation, not a control token."""
    tokenizer = make_tokenizer(tmp_path, added_tokens=[added("\t\t\t", special=False)])
    assert tokenizer.encode_contents(["\t\t\t"]) == [[49152]]
    assert tokenizer.decode([49152]) == "\t\t\t"


def test_a_saved_truncation_does_not_cut_contents(tmp_path: Path) -> None:
    """A truncation that was saved with the tokenizer would leave the rest of a content unjudged."""
    truncation = {"direction": "Right", "max_length": 4, "strategy": "LongestFirst", "stride": 0}
    tokenizer = make_tokenizer(tmp_path, truncation=truncation)
    [ids] = tokenizer.encode_contents(["one two three four five six"])
    assert tokenizer.decode(ids) == "one two three four five six"


def test_a_vocabulary_that_merges_into_a_control_token_is_refused(tmp_path: Path) -> None:
    """A token that ordinary text merges into can't be kept from contents."""
    with pytest.raises(ModelError, match="spells ' the' would become"):
        make_tokenizer(tmp_path, added_tokens=[added(" the", special=True, token_id=260)])


def test_a_file_that_is_no_tokenizer_is_refused(tmp_path: Path) -> None:
    """JSON that describes no tokenizer is a model error."""
    (tmp_path / "tokenizer.json").write_text('{"version": "1.0"}')
    with pytest.raises(ModelError, match="not a tokenizer"):
        ModelTokenizer(tmp_path)
