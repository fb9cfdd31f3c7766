"""A model's tokenizer, twice: one that knows control tokens, for what is trusted, and one that knows none, for content.

Two objects, because a switch on a shared one could be left in the wrong position by any other caller.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import msgspec
from tokenizers import Tokenizer

from stream_guard.errors import ModelError
from stream_guard.prompting.frame import well_formed
from stream_guard.prompting.manifest import Json, read_json


class ModelTokenizer:
    """The `tokenizer.json` of a model folder. Raises ModelError where it can't be loaded or kept from control tokens.

    A control token is every added token, whether or not it is marked as special (Qwen's `<think>` is not), except those
    that are white space only, which are text.
    """

    def __init__(self, folder: Path) -> None:
        self._file = folder / "tokenizer.json"
        source = read_json(self._file)
        added = {token["content"]: int(token["id"]) for token in source.get("added_tokens") or () if _is_control(token)}
        self._trusted = self._load(source)
        self._content = self._load(_all_special(source))
        self._content.encode_special_tokens = True
        self.control_ids = frozenset(added.values())
        vocabulary = self._trusted.get_vocab(with_added_tokens=True)
        self.ordinary_ids = frozenset(vocabulary.values()) - self.control_ids
        self._check_content_is_text(added)

    def _load(self, source: Json) -> Tokenizer:
        try:
            tokenizer = Tokenizer.from_str(msgspec.json.encode(source).decode())
        except Exception as error:  # the library raises no narrower class
            raise ModelError(f"{self._file}: not a tokenizer: {error}") from error
        tokenizer.no_truncation()  # a saved truncation would cut contents silently
        tokenizer.no_padding()
        return tokenizer

    def _check_content_is_text(self, spellings: Sequence[str] | dict[str, int]) -> None:
        for spelling, ids in zip(spellings, self.encode_contents(list(spellings)), strict=True):
            if not self.control_ids.isdisjoint(ids):
                raise ModelError(f"{self._file}: a content that spells {spelling!r} would become that control token")

    def encode_trusted(self, text: str) -> list[int]:
        """The ids of a text in which control tokens' spellings are control tokens. Adds none of its own."""
        return list(self._trusted.encode(text, add_special_tokens=False).ids)

    def encode_contents(self, texts: Sequence[str]) -> list[list[int]]:
        """The ids of texts in which nothing is a control token. Never raises.

        A byte that the vocabulary lacks is left out, as by any tokenizer of that model (SmolLM2's lacks six of the C0 control
        characters, and two that only begin unassigned letters).
        """
        # One by one: the library's batches run on a thread pool of its own, which forks dislike and which buys little.
        encode = self._content.encode
        return [encode(well_formed(text), add_special_tokens=False).ids for text in texts]

    def token_id(self, token: str) -> int | None:
        """The id of a token by its exact spelling."""
        return self._trusted.token_to_id(token)

    def decode(self, token_ids: Sequence[int]) -> str:
        """The text of ids; control tokens and unknown ids read as nothing, malformed UTF-8 as U+FFFD."""
        ordinary = [i for i in token_ids if i in self.ordinary_ids]
        text = self._trusted.decode(ordinary, skip_special_tokens=False)
        # Some decoders drop a leading space; only control tokens may read as nothing.
        return text or " " * bool(ordinary)


def _is_control(token: Json) -> bool:
    return bool(token.get("special") or token["content"].strip())


def _all_special(source: Json) -> Json:
    added = [token | {"special": _is_control(token)} for token in source.get("added_tokens") or ()]
    return source | {"added_tokens": added}
