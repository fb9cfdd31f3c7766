"""The prompt version: a hash of everything that a model is shown besides the content, and of how its reply is read."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from datetime import date

import msgspec

from stream_guard.engines.port import Read, Turn
from stream_guard.events.model import View
from stream_guard.events.obfuscation.undo import UNDOING
from stream_guard.identity import PromptVersion, digest
from stream_guard.policy.packed import Asked
from stream_guard.prompting.frame import CONTEXT_LINE, JUDGE_LINE, LONE_MESSAGE_LINE, NORMALISED_LINE
from stream_guard.prompting.port import Look, Margins, Reading, Sampling, Template

PINNED_DATE = date(2025, 10, 29)
"""The date that a model is told: a constant, because today's would empty the prefix cache at every midnight."""


def versioned_template(
    asked: Asked,
    view: View,
    *,
    renderer: str,
    manifest: str,
    read: Read,
    reading: Reading,
    prefix: Sequence[int] = (),
    suffix: Sequence[int] = (),
    turns: tuple[Turn, ...] = (),
    margins: Margins = Margins(),  # noqa: B008  frozen
    sampling: Sampling = Sampling(),  # noqa: B008  frozen
    look: Look | None = None,
) -> Template:
    """A template with its prompt version.

    `renderer` is the renderer's name and its own version, raised when it changes how it encodes content. What it shows
    besides the content need not be remembered there: the ids and turns themselves are hashed.
    """
    version = digest(
        "prompt", asked.version, view, asked.effort, renderer, manifest,
        _json(read), type(reading).__name__, _json(reading), CONTEXT_LINE, NORMALISED_LINE, UNDOING,
        JUDGE_LINE[view] or LONE_MESSAGE_LINE,
        _ids(prefix), _ids(suffix), _json(turns), _json(margins), _json(sampling), *(() if look is None else (_json(look),)),
    )  # fmt: skip
    return Template(
        asked=asked, view=view, prompt_version=PromptVersion(version), read=read, reading=reading,
        prefix=tuple(prefix), suffix=tuple(suffix), turns=turns, margins=margins, sampling=sampling, look=look,
    )  # fmt: skip


def _json(value: object) -> str:
    return msgspec.json.encode(value).decode()


def _ids(ids: Sequence[int]) -> str:
    return hashlib.sha256(",".join(map(str, ids)).encode()).hexdigest()
