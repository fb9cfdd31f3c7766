"""The renderer port: what a model family needs to be asked."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from msgspec import Struct

from stream_guard.engines.port import Read, Turn
from stream_guard.events.content import Judged
from stream_guard.events.model import View
from stream_guard.identity import PromptVersion
from stream_guard.policy.document import Policy


class LabelReading(Struct, frozen=True):
    """The reply is one token; its label's probability is the judgement. `no_id` permits, `yes_id` violates.

    The label ids' probabilities must sum to at least `min_mass`, or the model did not answer the question.
    """

    no_id: int
    yes_id: int
    min_mass: float
    threshold: float = 0.5
    """The share of `yes` in the label mass from which on the content violates."""


class Between(Struct, frozen=True):
    """Reasoning stands between two control tokens, before the answer. `opened`: the prompt ends with the first of them."""

    begin_id: int
    end_id: int
    opened: bool = False


class TextReading(Struct, frozen=True, omit_defaults=True):
    """The reply is the policy's output form as text, after the reasoning where the model shows any."""

    reasoning: Between | None = None


class HarmonyReading(Struct, frozen=True):
    """The reply is harmony: reasoning in the analysis channel, the policy's output form in the final channel."""


class Sampling(Struct, frozen=True):
    """How the reply's tokens are drawn; it matters for text alone, a label's probability is read as it is.

    The first ask is greedy. A bad reply came from it: asked the same way, the model would say the same.
    """

    temperature: float = 0.0
    second_thought: float = 0.7
    """The temperature of an ask that is asked again after a bad reply."""


class Margins(Struct, frozen=True):
    """White space of the template beside the content. It is encoded together with it, as tokens may span their border."""

    before: str = ""
    after: str = ""


class Template(Struct, frozen=True):
    """Everything trusted of a prompt, encoded once: one policy, one view, one renderer, one model."""

    policy: Policy
    view: View
    prompt_version: PromptVersion
    read: Read
    reading: LabelReading | TextReading | HarmonyReading
    prefix: tuple[int, ...]
    suffix: tuple[int, ...]
    turns: tuple[Turn, ...] = ()
    """The same as turns, for servers that render prompts themselves."""
    margins: Margins = Margins()
    sampling: Sampling = Sampling()


class Rendered(Struct, frozen=True):
    """A prompt. `turns` is filled only by a renderer for servers that take no token ids."""

    prompt: list[int]
    turns: tuple[Turn, ...] = ()

    def __repr__(self) -> str:
        return f"Rendered({len(self.prompt)} tokens, {len(self.turns)} turns)"


class Renderer(Protocol):
    """Renders prompts for one model family. Policy first, content last; content is never a control token."""

    def template(self, policy: Policy, view: View) -> Template:
        """Encodes what is trusted. Raises ConfigError where this family can't be asked under this policy."""

    def render(self, template: Template, contents: Sequence[Judged]) -> list[Rendered]:
        """The prompts for contents under a template. Never raises, whatever the content."""

    def text(self, token_ids: Sequence[int]) -> str:
        """The text of a reply's token ids; control tokens read as nothing, malformed UTF-8 as U+FFFD."""
