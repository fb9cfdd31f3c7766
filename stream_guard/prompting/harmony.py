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
from stream_guard.prompting.frame import frame
from stream_guard.prompting.harmony_tokens import CALL, MESSAGE, STOP_IDS
from stream_guard.prompting.harmony_vocabulary import HarmonyVocabulary
from stream_guard.prompting.policy_text import policy_text
from stream_guard.prompting.port import HarmonyReading, Rendered, Sampling, Template
from stream_guard.prompting.version import versioned_template


class HarmonyRenderer:
    """Renders for gpt-oss and gpt-oss-safeguard.

    `max_tokens` bounds reasoning and answer together; a reply that reaches it is no judgement, so be generous and
    lower the policy's effort instead. `stop_ids` end a reply. No JSON schema constrains it: for this family that would
    force the first token to be `{` and so suppress the reasoning. Raises ModelError where the model's vocabulary is too small.
    """

    NAME = "harmony-1"

    def __init__(
        self,
        vocabulary: HarmonyVocabulary,
        manifest: str,
        *,
        max_tokens: int = 2048,
        vocab_size: int | None = None,
        stop_ids: tuple[int, ...] = STOP_IDS,
        sampling: Sampling = Sampling(),  # noqa: B008  frozen
    ) -> None:
        if vocab_size is not None and vocab_size <= CALL:
            raise ModelError(f"a vocabulary of {vocab_size} ids is not harmony's: its control tokens reach {CALL}")
        self._vocabulary = vocabulary
        self._manifest = manifest
        self._read = TextRead(max_tokens=max_tokens, stop_ids=stop_ids)
        self._sampling = sampling

    def template(self, policy: Policy, view: View) -> Template:
        """Encodes the policy. Raises ConfigError where it can't be answered in its output form."""
        whole = self._vocabulary.prompt(policy.effort, policy_text(policy, view), "")
        border = len(whole) - whole[::-1].index(MESSAGE)
        return versioned_template(
            policy, view, renderer=self.NAME, manifest=self._manifest,
            read=self._read, reading=HarmonyReading(), prefix=whole[:border], suffix=whole[border:],
            sampling=self._sampling,
        )  # fmt: skip

    def render(self, template: Template, contents: Sequence[Judged]) -> list[Rendered]:
        """The prompts for contents, each one user message."""
        prefix, suffix = list(template.prefix), template.suffix
        encode = self._vocabulary.encode
        return [Rendered([*prefix, *encode(frame(content)), *suffix]) for content in contents]

    def text(self, token_ids: Sequence[int]) -> str:
        """The text of a reply's token ids."""
        return self._vocabulary.decode(token_ids)
