"""Prompts as chat messages, for OpenAI-compatible servers that take no token ids.

The server renders such messages itself, and whether it turns a control token that a user typed into a real one is its
affair: most chat templates do. Spellings of control tokens in a content are therefore broken by a zero-width space.
That is a weaker guarantee than encoding: it rests on a list of spellings. Where a server takes token ids, send those.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from stream_guard.engines.port import TextRead, Turn
from stream_guard.events.content import Judged
from stream_guard.events.model import View
from stream_guard.policy.packed import Asked
from stream_guard.prompting.frame import frame, well_formed
from stream_guard.prompting.packed_answer import asked_schema_json, tokens_for
from stream_guard.prompting.packed_text import asked_text
from stream_guard.prompting.port import Rendered, Sampling, Template, TextReading
from stream_guard.prompting.version import versioned_template

BREAK = "\u200b"
"""A zero-width space: no control token's spelling holds one, and a model reads on over it."""

_NAMES = (
    r"s|unk|pad|mask|bos|eos|cls|sep|sys|inst|image|img|turn|user|assistant|system|system_prompt|endoftext|"
    r"(?:begin|end|start)_?of_?\w+|think\w*|tool\w*|available_\w+|im_\w+|repo_?name|file_sep|filename|gh_stars|"
    r"issue_\w+|jupyter_\w+|empty_output|fim_\w+|reserved\w*|unused\d+|special_\d+"
)
_CONTROL_SPELLING = re.compile(rf"<(?=[|\uff5c])|[|\uff5c](?=>)|[<\[](?=/?(?:{_NAMES})[>\]])", re.IGNORECASE)
"""The character after which a spelling is broken: `<|...`, `...|>` (full-width bars too), `[INST]`, `</s>`, `<<SYS>>`."""


def defang(text: str) -> str:
    """The text with every known spelling of a control token broken by a zero-width space."""
    return _CONTROL_SPELLING.sub(lambda found: found[0] + BREAK, text)


class MessagesRenderer:
    """Renders a system message (the policy) and a user message (the content)."""

    NAME = "messages-1"

    def __init__(
        self,
        manifest: str,
        *,
        max_tokens: int = 2048,
        sampling: Sampling = Sampling(),  # noqa: B008  frozen
    ) -> None:
        self._manifest = manifest
        self._max_tokens = max_tokens
        self._sampling = sampling

    def template(self, asked: Asked, view: View) -> Template:
        """Writes the policy's message. Raises ConfigError where it can't be answered in its output form."""
        return versioned_template(
            asked, view, renderer=self.NAME, manifest=self._manifest,
            read=TextRead(tokens_for(asked, self._max_tokens), stop_ids=(), json_schema=asked_schema_json(asked)),
            reading=TextReading(), turns=(Turn("system", asked_text(asked, view)),), sampling=self._sampling,
        )  # fmt: skip

    def render(self, template: Template, contents: Sequence[Judged]) -> list[Rendered]:
        """The turns for contents; there are no ids."""
        return [Rendered([], (*template.turns, Turn("user", well_formed(defang(frame(c)))))) for c in contents]

    def text(self, token_ids: Sequence[int]) -> str:
        """Nothing: such a server answers with text, and this renderer knows no ids."""
        del token_ids
        return ""
