"""Prompts whose token ids are UTF-8 bytes, for the scripted engine, tests and load runs. Very cheap.

Of the policy, four bytes make one id: about as many ids as a model's tokenizer makes of it.
"""

from __future__ import annotations

from collections.abc import Sequence

from stream_guard.engines.port import TextRead
from stream_guard.events.content import Judged
from stream_guard.events.model import View
from stream_guard.policy.document import Policy
from stream_guard.policy.packed import Asked, Packed
from stream_guard.prompting.answer import label_lead
from stream_guard.prompting.frame import frame, well_formed
from stream_guard.prompting.packed_answer import asked_schema_json, tokens_for
from stream_guard.prompting.packed_text import asked_text
from stream_guard.prompting.port import LabelAsk, LabelReading, Look, Rendered, Template, TextReading
from stream_guard.prompting.version import versioned_template

CONTENT_ID, REPLY_ID, STOP_ID = 256, 257, 258
"""Control tokens: the content begins, the reply begins, the reply ends. No byte reaches 256."""

_GROUP = 4
_FIRST_GROUP_ID = STOP_ID + 1
VOCABULARY = _FIRST_GROUP_ID + 256**_GROUP
"""Every id is below."""


class PlainRenderer:
    """Renders policy and content as bytes: `policy, CONTENT_ID, content, REPLY_ID`."""

    NAME = "plain-2"

    def __init__(self, manifest: str = "plain", *, max_tokens: int = 512) -> None:
        self._manifest = manifest
        self._max_tokens = max_tokens

    def template(self, asked: Asked, view: View) -> Template:
        """Encodes what is asked about. Raises ConfigError where it can't be answered in its output form."""
        read = TextRead(tokens_for(asked, self._max_tokens), (STOP_ID,), json_schema=asked_schema_json(asked))
        prefix = [*_grouped(well_formed(asked_text(asked, view)).encode()), CONTENT_ID]
        look = None if isinstance(asked, Packed) else _look(asked)
        return versioned_template(
            asked, view, renderer=self.NAME, manifest=self._manifest,
            read=read, reading=TextReading(), prefix=prefix, suffix=(REPLY_ID,), look=look,
        )  # fmt: skip

    def render(self, template: Template, contents: Sequence[Judged]) -> list[Rendered]:
        """The prompts for contents."""
        prefix, suffix = list(template.prefix), template.suffix
        return [Rendered([*prefix, *well_formed(frame(content)).encode(), *suffix]) for content in contents]

    def text(self, token_ids: Sequence[int]) -> str:
        """The text of a reply's bytes."""
        return bytes(i for i in token_ids if 0 <= i < CONTENT_ID).decode(errors="replace")


def _look(policy: Policy) -> Look | None:
    look = policy.quick_look
    if look is None:
        return None
    label = LabelAsk(tuple(label_lead(policy).encode()), LabelReading(ord("0"), ord("1"), min_mass=0.3))
    return Look(label, look)


def _grouped(raw: bytes) -> list[int]:
    """Each id stands for four bytes, the last one padded with zeros."""
    padded = raw + bytes(-len(raw) % _GROUP)
    groups = [padded[at : at + _GROUP] for at in range(0, len(padded), _GROUP)]
    return [_FIRST_GROUP_ID + int.from_bytes(group) for group in groups]
