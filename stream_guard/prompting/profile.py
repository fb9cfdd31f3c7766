"""What a model family needs to be asked, as values. `config.profile` reads them from files; nothing here knows a family."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Any

import msgspec
from msgspec import Struct

from stream_guard.prompting.layout import Layout
from stream_guard.prompting.port import Sampling


class RendererKind(StrEnum):
    """How prompts are built."""

    HARMONY = "harmony"
    """OpenAI's harmony format, as token ids."""
    CHAT = "chat"
    """The model's own chat template, as token ids."""
    COMPLETION = "completion"
    """A text that the model goes on with, as token ids."""
    MESSAGES = "messages"
    """Messages, for a server that renders them itself."""


class LabelSettings(Struct, frozen=True):
    """How labels are read: the words, and what LabelReading says of the numbers.

    The default of `min_mass` lies between what SmolLM2-135M gives its labels in a form that works (.72-.98) and in one
    that does not (.04-.10).
    """

    no: str = "No"
    yes: str = "Yes"
    min_mass: float = 0.3
    threshold: float = 0.5


class Tags(Struct, frozen=True):
    """The two control tokens between which a model reasons, by their spelling."""

    begin: str
    end: str


class Profile(Struct, frozen=True, kw_only=True):
    """One model family. A field that its renderer has no use for is at its default."""

    name: str
    renderer: RendererKind
    architectures: tuple[str, ...] = ()
    """What config.json may call the model; empty: anything."""
    automatic: bool = False
    """Whether it is taken for these architectures where no profile is named."""
    stop: tuple[str, ...] = ()
    """Spellings of tokens that end a reply, beside those that the folder names."""
    labels: LabelSettings | None = None
    """How the answer's one token is read; None where the answer is the policy's output form as text."""
    digits: LabelSettings = LabelSettings(no="0", yes="1")
    """How the 0 or 1 of a text is read by its probability, where it is."""
    max_tokens: int = 512
    """Of a text: the answer, and the reasoning where that has no budget of its own."""
    budget: int | None = None
    """Tokens of reasoning at most, after which the answer is asked for all the same; None: one ask is for both."""
    tags: Tags | None = None
    sampling: Sampling = Sampling()
    layout: Layout | None = None
    variables: Mapping[str, Any] = msgspec.field(default_factory=dict)
    """Passed to the chat template."""

    def fits(self, architectures: tuple[str, ...]) -> bool:
        """Whether a model of these architectures may be asked so."""
        return not self.architectures or not set(self.architectures).isdisjoint(architectures)
