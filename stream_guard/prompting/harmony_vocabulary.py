"""The harmony vocabulary: the reference library for what is trusted, tiktoken for what is not. Nothing is downloaded.

The reference library embeds the vocabulary, but its BPE is quadratic in unbroken text and holds the interpreter's lock
(100,000 unbroken CJK characters: 37 s). tiktoken yields the same ids in 28 ms, so it is built from the same ranks.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

import tiktoken
from openai_harmony import (
    Conversation,
    DeveloperContent,
    HarmonyEncoding,
    Message,
    ReasoningEffort,
    Role,
    SystemContent,
    load_harmony_encoding,
)

from stream_guard.policy.document import Effort
from stream_guard.prompting.frame import well_formed
from stream_guard.prompting.harmony_tokens import ORDINARY_TOKENS
from stream_guard.prompting.version import PINNED_DATE

_SPLIT_PATTERN = (
    r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?|"
    r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?|"
    r"\p{N}{1,3}|"
    r" ?[^\s\p{L}\p{N}]+[\r\n/]*|"
    r"\s*[\r\n]+|"
    r"\s+(?!\S)|"
    r"\s+"
)
"""How o200k splits text before merging. Source: tiktoken_ext/openai_public.py, o200k_base (which would download)."""


class HarmonyVocabulary:
    """Encodes and decodes harmony. Build one with `harmony_vocabulary()`: it takes half a second and 60 MB."""

    def __init__(self) -> None:
        self._reference: HarmonyEncoding = load_harmony_encoding("HarmonyGptOss")
        inner = self._reference._inner  # noqa: SLF001  the public decode() replaces what is no UTF-8
        ranks = {inner.decode_bytes([rank]): rank for rank in range(ORDINARY_TOKENS)}
        # Without special tokens there is nothing that a text could be mistaken for.
        self._ordinary = tiktoken.Encoding(
            "o200k_harmony_ordinary", pat_str=_SPLIT_PATTERN, mergeable_ranks=ranks, special_tokens={}
        )

    def encode(self, text: str) -> list[int]:
        """The ids of a text, control tokens' spellings included, as plain text. Never raises."""
        return self._ordinary.encode_ordinary(well_formed(text))

    def decode(self, token_ids: Sequence[int]) -> str:
        """The text of ids; control tokens read as nothing, malformed UTF-8 as U+FFFD."""
        return self._ordinary.decode([i for i in token_ids if 0 <= i < ORDINARY_TOKENS])

    def prompt(self, effort: Effort, instructions: str, content: str) -> list[int]:
        """The reference library's own rendering of a whole prompt, up to where the assistant goes on. Slow."""
        system = SystemContent(
            reasoning_effort=ReasoningEffort[effort.name], conversation_start_date=PINNED_DATE.isoformat()
        )  # fmt: skip
        conversation = Conversation.from_messages(
            [
                Message.from_role_and_content(Role.SYSTEM, system),
                Message.from_role_and_content(Role.DEVELOPER, DeveloperContent(instructions=instructions)),
                Message.from_role_and_content(Role.USER, content),
            ]
        )
        return list(self._reference.render_conversation_for_completion(conversation, Role.ASSISTANT))


@cache
def harmony_vocabulary() -> HarmonyVocabulary:
    """The vocabulary of this process."""
    return HarmonyVocabulary()
