"""Prompts in a model's own chat template, as token ids; the reply is a label, or the policy's output form as text.

The template is rendered with slots, never with contents. Its own pieces are encoded with control tokens, everything that
fills a slot (policy, examples, content) without: nothing that anybody wrote becomes a control token.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import StrEnum
from pathlib import Path
from typing import Any

import msgspec

from stream_guard.engines.port import LabelRead, Read, TextRead, Turn
from stream_guard.errors import ConfigError, ModelError, Place
from stream_guard.events.content import Judged
from stream_guard.events.model import View
from stream_guard.policy.document import Example, Policy
from stream_guard.prompting.answer import answer_schema_json, violation
from stream_guard.prompting.chat_template import ChatTemplate, Piece, named_tokens, slot
from stream_guard.prompting.frame import frame, frame_example
from stream_guard.prompting.manifest import read_json
from stream_guard.prompting.policy_text import label_question, policy_text
from stream_guard.prompting.port import LabelReading, Rendered, Template, TextReading
from stream_guard.prompting.tokenizer import ModelTokenizer
from stream_guard.prompting.version import versioned_template


class Answer(StrEnum):
    """How a chat model is asked to answer."""

    LABELS = "labels"
    """In one word, whose probability is read. Examples are shown as turns: the form for small models."""
    TEXT = "text"
    """In the policy's output form."""


class LabelSettings(msgspec.Struct, frozen=True):
    """How labels are read: the words, and what LabelReading says of the numbers.

    The default of `min_mass` lies between what SmolLM2-135M gives its labels in a form that works (.72-.98) and in one
    that does not (.04-.10).
    """

    no: str = "No"
    yes: str = "Yes"
    min_mass: float = 0.3
    threshold: float = 0.5


class ChatTemplateRenderer:
    """Renders for the model of a folder (config.json, tokenizer.json, a chat template).

    `variables` are passed to the chat template. Raises ModelError where the folder can't be used.
    """

    NAME = "chat-1"

    def __init__(
        self,
        folder: Path,
        manifest: str,
        *,
        answer: Answer = Answer.LABELS,
        labels: LabelSettings = LabelSettings(),  # noqa: B008  frozen
        max_tokens: int = 512,
        variables: Mapping[str, Any] | None = None,
    ) -> None:
        self._folder = folder
        self._manifest = manifest
        self._answer = Answer(answer)
        self._labels = labels
        self._max_tokens = max_tokens
        self._tokenizer = ModelTokenizer(folder)
        self._chat = ChatTemplate(folder, variables)
        self._vocab_size = vocab_size(folder)
        self._stop_ids = _stop_ids(folder, self._tokenizer)
        self._require_embedded(self._tokenizer.ordinary_ids | set(self._stop_ids))

    def template(self, policy: Policy, view: View) -> Template:
        """Encodes the policy and its shown examples.

        Raises ConfigError where the policy can't be answered so, or a label is not one token where it is read.
        """
        if self._answer is Answer.TEXT:
            turns, texts = [Turn("system", slot(0)), Turn("user", slot(1))], [policy_text(policy, view)]
        else:
            turns, texts = self._label_turns(policy, view)
        pieces = self._chat.pieces(turns)
        prefix = self._encode(pieces[:-2], texts)
        tail = str(pieces[-1])
        read, reading = self._reading(policy, tail)
        suffix = self._tokenizer.encode_trusted(tail)
        self._require_embedded({*prefix, *suffix})
        return versioned_template(
            policy, view, renderer=f"{self.NAME}-{self._answer}", manifest=self._manifest,
            read=read, reading=reading, prefix=prefix, suffix=suffix,
        )  # fmt: skip

    def _label_turns(self, policy: Policy, view: View) -> tuple[list[Turn], list[str]]:
        """The turns, and the texts of all slots but the last, which is the content's."""
        shown = [example for example in policy.examples if example.shown]
        turns = [Turn("system", slot(0))]
        for number, example in enumerate(shown, start=1):
            turns += [Turn("user", slot(number)), Turn("assistant", self._label(policy, example))]
        question = label_question(policy, self._labels.yes, self._labels.no)
        return [*turns, Turn("user", slot(len(shown) + 1))], [question, *(frame_example(e, view) for e in shown)]

    def _label(self, policy: Policy, example: Example) -> str:
        category = policy.category(example.expect)
        return self._labels.yes if category is not None and violation(category) else self._labels.no

    def _encode(self, pieces: Sequence[Piece], texts: Sequence[str]) -> list[int]:
        contents = self._tokenizer.encode_contents(texts)
        trusted = self._tokenizer.encode_trusted
        return [i for piece in pieces for i in (contents[piece] if isinstance(piece, int) else trusted(piece))]

    def _reading(self, policy: Policy, tail: str) -> tuple[Read, LabelReading | TextReading]:
        if self._answer is Answer.TEXT:
            return TextRead(self._max_tokens, self._stop_ids, json_schema=answer_schema_json(policy)), TextReading()
        no_id, yes_id = (self._label_id(tail, word) for word in (self._labels.no, self._labels.yes))
        if no_id == yes_id:
            raise self._label_error(f"{self._labels.no!r} and {self._labels.yes!r} are one token")
        reading = LabelReading(no_id, yes_id, self._labels.min_mass, self._labels.threshold)
        return LabelRead((no_id, yes_id)), reading

    def _label_id(self, tail: str, word: str) -> int:
        before, after = self._tokenizer.encode_trusted(tail), self._tokenizer.encode_trusted(tail + word)
        if after[:-1] != before or after[-1] in self._tokenizer.control_ids:
            raise self._label_error(f"{word!r} is not one token at the place where it is read")
        return after[-1]

    def _label_error(self, problem: str) -> ConfigError:
        return ConfigError((Place(str(self._folder)), f"labels: {problem}; choose other words"))

    def _require_embedded(self, ids: frozenset[int] | set[int]) -> None:
        """An id past the embedding passes an engine's validation and kills it."""
        if ids and max(ids) >= self._vocab_size:
            raise ModelError(f"{self._folder}: token id {max(ids)} reaches the model's vocab_size {self._vocab_size}")

    def render(self, template: Template, contents: Sequence[Judged]) -> list[Rendered]:
        """The prompts for contents, each in the last user turn."""
        prefix, suffix = list(template.prefix), template.suffix
        encoded = self._tokenizer.encode_contents([frame(content) for content in contents])
        return [Rendered([*prefix, *ids, *suffix]) for ids in encoded]

    def text(self, token_ids: Sequence[int]) -> str:
        """The text of a reply's token ids."""
        return self._tokenizer.decode(token_ids)


def vocab_size(folder: Path) -> int:
    """How many token ids the model of a folder has embeddings for. Raises ModelError where its configuration does not say."""
    config = read_json(folder / "config.json")
    size = config.get("vocab_size") or (config.get("text_config") or {}).get("vocab_size")
    if not isinstance(size, int):
        raise ModelError(f"{folder / 'config.json'}: vocab_size is missing")
    return size


def _stop_ids(folder: Path, tokenizer: ModelTokenizer) -> tuple[int, ...]:
    """Every id that ends a reply, by any of the three files that may say so."""
    ids: set[int] = set()
    for name in ("config.json", "generation_config.json"):
        stated = read_json(folder / name).get("eos_token_id") if (folder / name).is_file() else None
        ids |= {stated} if isinstance(stated, int) else set(stated or ())
    if (file := folder / "tokenizer_config.json").is_file():
        named = tokenizer.token_id(named_tokens(read_json(file)).get("eos_token", ""))
        ids |= set() if named is None else {named}
    return tuple(sorted(ids))
