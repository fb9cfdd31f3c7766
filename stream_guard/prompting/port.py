"""The renderer port: what a model family needs to be asked."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, TypeAlias

from msgspec import Struct

from stream_guard.engines.port import Read, TextRead, Turn
from stream_guard.errors import InvariantViolated
from stream_guard.events.content import Judged
from stream_guard.events.model import View
from stream_guard.identity import PromptVersion
from stream_guard.policy.document import Policy, QuickLook
from stream_guard.policy.packed import Asked, Packed


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


class LabelAsk(Struct, frozen=True):
    """Where a label is read that begins an answer: `cue` is what the prompt goes on with up to it."""

    cue: tuple[int, ...]
    reading: LabelReading


class LabelledAnswer(Struct, frozen=True):
    """An answer that begins with a label: that is read first, then the rest where the label does not say all of it."""

    label: LabelAsk
    rest: tuple[TextRead | None, TextRead | None]
    """How the answer is written after a no and after a yes: from its beginning. None where the label says all of it."""


class ReasonedReading(Struct, frozen=True):
    """Reasoning within a budget, then the answer.

    Each step is an ask of its own: the prompt goes on with what was said. So reasoning always ends in an answer, the raw
    probabilities of its label are seen, and no grammar slows the reasoning down.
    """

    opening: tuple[int, ...]
    """What the prompt goes on with to have the model reason."""
    end_id: int
    """The control token by which it ends its reasoning."""
    closing: tuple[int, ...]
    """What stands between its last word and the answer."""
    answer: LabelledAnswer | TextRead
    """A text is one that begins with no label of its own: that for several policies."""


class Look(Struct, frozen=True):
    """A quick look: the label is read before anything else, and settles what is clear. See `policy.document.QuickLook`."""

    label: LabelAsk
    bounds: QuickLook


Reading: TypeAlias = LabelReading | TextReading | HarmonyReading | ReasonedReading


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
    """Everything trusted of a prompt, encoded once: what is asked about, one view, one renderer, one model."""

    asked: Asked
    view: View
    prompt_version: PromptVersion
    read: Read
    """How the answer is read; of a `ReasonedReading`, the reasoning."""
    reading: Reading
    prefix: tuple[int, ...]
    suffix: tuple[int, ...]
    turns: tuple[Turn, ...] = ()
    """The same as turns, for servers that render prompts themselves."""
    margins: Margins = Margins()
    sampling: Sampling = Sampling()
    look: Look | None = None

    @property
    def policies(self) -> tuple[Policy, ...]:
        """The policies that are asked about, in the order of their answers."""
        return self.asked.policies if isinstance(self.asked, Packed) else (self.asked,)

    @property
    def policy(self) -> Policy:
        """The policy, where one alone is asked about. Raises InvariantViolated where several are."""
        if isinstance(self.asked, Packed):
            raise InvariantViolated(f"{self.asked!r} is not one policy")
        return self.asked

    @property
    def reply_tokens(self) -> int:
        """The tokens of the model's context that are needed beside the prompt, whatever is asked."""
        reading, read = self.reading, self.read
        wanted = read.max_tokens if isinstance(read, TextRead) else 1
        if isinstance(reading, ReasonedReading):
            wanted += len(reading.opening) + len(reading.closing) + _most(reading.answer)
        return wanted if self.look is None else max(wanted, len(self.look.label.cue) + 1)


def _most(answer: LabelledAnswer | TextRead) -> int:
    """The tokens that an answer takes at most, its label included."""
    if isinstance(answer, TextRead):
        return answer.max_tokens
    return max(len(answer.label.cue) + 1, *(rest.max_tokens for rest in answer.rest if rest is not None), 0)


class Rendered(Struct, frozen=True):
    """A prompt. `turns` is filled only by a renderer for servers that take no token ids."""

    prompt: list[int]
    turns: tuple[Turn, ...] = ()

    def __repr__(self) -> str:
        return f"Rendered({len(self.prompt)} tokens, {len(self.turns)} turns)"


class Renderer(Protocol):
    """Renders prompts for one model family. Policy first, content last; content is never a control token."""

    def template(self, asked: Asked, view: View) -> Template:
        """Encodes what is trusted. Raises ConfigError where this family can't be asked about it, or in its output form."""

    def render(self, template: Template, contents: Sequence[Judged]) -> list[Rendered]:
        """The prompts for contents under a template. Never raises, whatever the content."""

    def text(self, token_ids: Sequence[int]) -> str:
        """The text of a reply's token ids; control tokens read as nothing, malformed UTF-8 as U+FFFD."""
