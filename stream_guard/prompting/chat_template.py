"""A model's own chat template, rendered with placeholders where contents go, so that no content passes through it."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NoReturn, TypeAlias

from jinja2 import TemplateError
from jinja2.ext import loopcontrols
from jinja2.sandbox import ImmutableSandboxedEnvironment

from stream_guard.engines.port import Turn
from stream_guard.errors import ModelError
from stream_guard.prompting.manifest import Json, read_json
from stream_guard.prompting.version import PINNED_DATE

Piece: TypeAlias = str | int
"""A trusted text of the template, or the number of the slot that stands there."""

_SLOT = re.compile(r"slot7c2f91e(\d+)end")
_GENERATION_TAG = re.compile(r"(\{%[-+]?\s*)(end)?generation(\s*[-+]?%\})")
"""`{% generation %}` marks what a model wrote, for training: a tag of transformers' own, read as `{% if true %}`."""
_NAMED_TOKENS = ("bos_token", "eos_token", "unk_token", "sep_token", "pad_token", "cls_token", "mask_token")


def slot(number: int) -> str:
    """The placeholder of a content. Letters and digits only, so that no template trims or escapes it."""
    return f"slot7c2f91e{number}end"


def pieces_of(text: str) -> list[Piece]:
    """A text with slots in pieces: text and slots in turn, beginning and ending with text."""
    parts = _SLOT.split(text)
    return [int(part) if at % 2 else part for at, part in enumerate(parts)]


class ChatTemplate:
    """The chat template of a model folder, in a sandbox set up as transformers does.

    `variables` are passed to the template (`enable_thinking`, say). Raises ModelError where there is no template, or it
    can't show a conversation.
    """

    def __init__(self, folder: Path, variables: Mapping[str, Any] | None = None) -> None:
        self._folder = folder
        tokenizer_config = _optional_json(folder / "tokenizer_config.json")
        try:
            self._template = _environment().from_string(_plain_tags(_source(folder, tokenizer_config)))
        except TemplateError as error:
            raise ModelError(f"{folder}: the chat template can't be compiled: {error}") from error
        self._variables = {**named_tokens(tokenizer_config), **(variables or {})}

    def pieces(self, turns: Sequence[Turn]) -> list[Piece]:
        """What the template makes of turns whose contents are slots, up to where the assistant goes on.

        Where a family has no system role, the system turn opens the first user turn instead.
        """
        try:
            return self._pieces(turns)
        except ModelError:
            if turns[0].role != "system":
                raise
            system, first, *rest = turns
            return self._pieces([Turn(first.role, f"{system.content}\n\n{first.content}"), *rest])

    def _pieces(self, turns: Sequence[Turn]) -> list[Piece]:
        pieces = pieces_of(self._render(turns))
        expected = [int(number) for turn in turns for number in _SLOT.findall(turn.content)]
        if pieces[1::2] != expected:
            raise ModelError(f"{self._folder}: the chat template does not show every turn once and in order")
        return pieces

    def _render(self, turns: Sequence[Turn]) -> str:
        messages = [{"role": turn.role, "content": turn.content} for turn in turns]
        try:
            return self._template.render(
                messages=messages, add_generation_prompt=True, tools=None, documents=None, **self._variables
            )
        except Exception as error:  # a template is a program: it may raise anything
            raise ModelError(f"{self._folder}: the chat template refuses the conversation: {error}") from error


def named_tokens(tokenizer_config: Json) -> dict[str, str]:
    """The control tokens that a tokenizer's configuration names, `eos_token` and the like, by those names."""
    named = ((name, tokenizer_config.get(name)) for name in _NAMED_TOKENS)
    spelled = ((name, token.get("content") if isinstance(token, dict) else token) for name, token in named)
    return {name: spelling for name, spelling in spelled if isinstance(spelling, str)}


def _source(folder: Path, tokenizer_config: Json) -> str:
    if (file := folder / "chat_template.jinja").is_file():
        return file.read_text(encoding="utf-8")
    template = _optional_json(folder / "chat_template.json").get("chat_template") or tokenizer_config.get(
        "chat_template"
    )
    if isinstance(template, list):  # several, by name
        template = next((one.get("template") for one in template if one.get("name") == "default"), None)
    if not isinstance(template, str):
        raise ModelError(f"{folder}: the model has no chat template")
    return template


def _plain_tags(source: str) -> str:
    return _GENERATION_TAG.sub(lambda tag: f"{tag[1]}{'endif' if tag[2] else 'if true'}{tag[3]}", source)


def _optional_json(path: Path) -> Json:
    return read_json(path) if path.is_file() else {}


def _environment() -> ImmutableSandboxedEnvironment:
    environment = ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True, extensions=[loopcontrols])
    environment.filters["tojson"] = _to_json
    environment.globals |= {"raise_exception": _raise_exception, "strftime_now": PINNED_DATE.strftime}
    return environment


def _to_json(
    value: object,
    ensure_ascii: bool = False,
    indent: int | None = None,
    separators: tuple[str, str] | None = None,
    sort_keys: bool = False,
) -> str:
    """JSON as it is: jinja's own filter would escape HTML."""
    return json.dumps(value, ensure_ascii=ensure_ascii, indent=indent, separators=separators, sort_keys=sort_keys)


def _raise_exception(message: str) -> NoReturn:
    raise TemplateError(message)
