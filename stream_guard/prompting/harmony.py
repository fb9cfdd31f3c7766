"""Prompts for the gpt-oss family, in the harmony format, as token ids.

Layout: system message (identity, pinned date, reasoning effort, channels), developer message (the policy), user
message (the content), and the start of the assistant's turn. All but the content is encoded once, by the reference
library; ids equal its rendering of the whole conversation.
"""

from __future__ import annotations

from collections.abc import Sequence

from stream_guard.engines.port import TextRead
from stream_guard.errors import ModelError
from stream_guard.events.content import Judged
from stream_guard.events.model import View
from stream_guard.policy.document import Policy
from stream_guard.policy.packed import Asked, Packed
from stream_guard.prompting.answer import answer_tag_json, label_lead, label_says_all
from stream_guard.prompting.frame import frame
from stream_guard.prompting.harmony_tokens import CALL, CHANNEL, END, MESSAGE, START, STOP_IDS
from stream_guard.prompting.harmony_vocabulary import HarmonyVocabulary
from stream_guard.prompting.packed_answer import asked_tag_json, tokens_for
from stream_guard.prompting.packed_text import asked_text
from stream_guard.prompting.port import (
    HarmonyReading,
    LabelAsk,
    LabelledAnswer,
    LabelReading,
    Look,
    Reading,
    ReasonedReading,
    Rendered,
    Sampling,
    Template,
)
from stream_guard.prompting.profile import LabelSettings
from stream_guard.prompting.version import versioned_template


class HarmonyRenderer:
    """Renders for gpt-oss and gpt-oss-safeguard.

    With a `budget` the model reasons for so many tokens at most, its label is read, and then the rest of its answer, of
    `max_tokens` at most, constrained by a JSON schema. Several policies are reasoned about for
    as many times the budget, and their answer, which has no label of its own, may have as many times the tokens. Without one, one ask is for all: `max_tokens` bounds reasoning and
    answer together, a reply that reaches it is no judgement, and no schema constrains it: for this family that would force
    the first token to be `{` and so suppress the reasoning.

    `stop_ids` end a reply. Of `labels` only the numbers count: the words are the 0 and 1 of an answer. Raises ModelError where the model's
    vocabulary is too small.
    """

    NAME = "harmony-2"

    def __init__(
        self,
        vocabulary: HarmonyVocabulary,
        manifest: str,
        *,
        max_tokens: int = 2048,
        budget: int | None = None,
        labels: LabelSettings = LabelSettings(),  # noqa: B008  frozen
        vocab_size: int | None = None,
        stop_ids: tuple[int, ...] = STOP_IDS,
        sampling: Sampling = Sampling(),  # noqa: B008  frozen
    ) -> None:
        if vocab_size is not None and vocab_size <= CALL:
            raise ModelError(f"a vocabulary of {vocab_size} ids is not harmony's: its control tokens reach {CALL}")
        self._vocabulary = vocabulary
        self._manifest = manifest
        self._max_tokens = max_tokens
        self._budget = budget
        self._stop_ids = stop_ids
        self._labels = labels
        self._sampling = sampling
        say = vocabulary.encode
        self._analysis = (CHANNEL, *say("analysis"), MESSAGE)
        self._final = (CHANNEL, *say("final"), MESSAGE)
        self._closing = (END, START, *say("assistant"), *self._final)

    def template(self, asked: Asked, view: View) -> Template:
        """Encodes what is asked about. Raises ConfigError where it can't be answered in its output form."""
        whole = self._vocabulary.prompt(asked.effort, asked_text(asked, view), "")
        border = len(whole) - whole[::-1].index(MESSAGE)
        read, reading = self._in_one_ask(asked) if self._budget is None else self._reasoned(asked, self._budget)
        return versioned_template(
            asked, view, renderer=self.NAME, manifest=self._manifest,
            read=read, reading=reading, prefix=whole[:border], suffix=whole[border:],
            sampling=self._sampling, look=None if isinstance(asked, Packed) else self._look(asked),
        )  # fmt: skip

    def _in_one_ask(self, asked: Asked) -> tuple[TextRead, Reading]:
        return TextRead(tokens_for(asked, self._max_tokens), self._stop_ids), HarmonyReading()

    def _reasoned(self, asked: Asked, budget: int) -> tuple[TextRead, Reading]:
        answer = self._answer(asked, asked_tag_json(asked)) if isinstance(asked, Packed) else self._labelled(asked)
        reading = ReasonedReading(opening=self._analysis, end_id=END, closing=self._closing, answer=answer)
        # What can only begin another message ends it too, rather than to use up the budget: it is malformed.
        return TextRead(tokens_for(asked, budget), (END, *self._stop_ids, START, CHANNEL, MESSAGE)), reading

    def _labelled(self, policy: Policy) -> LabelledAnswer:
        permits, violates = (self._rest(policy, violates=violates) for violates in (False, True))
        return LabelledAnswer(self._label(policy, ()), (permits, violates))

    def _rest(self, policy: Policy, *, violates: bool) -> TextRead | None:
        if label_says_all(policy, violates=violates):
            return None
        return self._answer(policy, answer_tag_json(policy, violates=violates))

    def _answer(self, asked: Asked, tag: str) -> TextRead:
        return TextRead(tokens_for(asked, self._max_tokens), self._stop_ids, structural_tag=tag)

    def _label(self, policy: Policy, before: Sequence[int]) -> LabelAsk:
        """Where the answer's 0 or 1 is read; `before` stands before the answer."""
        say, labels = self._vocabulary.encode, self._labels
        (no_id,), (yes_id,) = say("0"), say("1")
        reading = LabelReading(no_id, yes_id, labels.min_mass, labels.threshold)
        return LabelAsk((*before, *say(label_lead(policy))), reading)

    def _look(self, policy: Policy) -> Look | None:
        look = policy.quick_look
        if look is None:
            return None
        return Look(self._label(policy, self._final), look)

    def render(self, template: Template, contents: Sequence[Judged]) -> list[Rendered]:
        """The prompts for contents, each one user message."""
        prefix, suffix = list(template.prefix), template.suffix
        encode = self._vocabulary.encode
        return [Rendered([*prefix, *encode(frame(content)), *suffix]) for content in contents]

    def text(self, token_ids: Sequence[int]) -> str:
        """The text of a reply's token ids."""
        return self._vocabulary.decode(token_ids)
