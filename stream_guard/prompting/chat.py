"""Prompts in a model's own chat template, or as a text that it goes on with; the reply is a label or the output form.

The template is rendered with slots, never with contents. Its own pieces are encoded with control tokens, everything that
fills a slot (policy, examples, content) without: nothing that anybody wrote becomes a control token.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import StrEnum
from pathlib import Path
from typing import Any

from stream_guard.engines.port import LabelRead, Read, TextRead
from stream_guard.errors import ConfigError, ModelError, Place
from stream_guard.events.content import Judged
from stream_guard.events.model import View
from stream_guard.policy.document import Example, Policy
from stream_guard.policy.packed import Asked, Packed
from stream_guard.prompting.answer import answer_text, label_lead
from stream_guard.prompting.chat_template import ChatTemplate, Piece, named_tokens
from stream_guard.prompting.frame import frame, frame_example
from stream_guard.prompting.layout import (
    QUESTION,
    ChatLayout,
    Examples,
    Layout,
    Slots,
    Stretch,
    TextLayout,
    pieces_of_text,
    stretches,
    turns_of,
)
from stream_guard.prompting.manifest import read_json
from stream_guard.prompting.packed_answer import asked_tag_json, tokens_for
from stream_guard.prompting.packed_text import asked_text
from stream_guard.prompting.policy_text import bare_policy_text, label_of, label_question
from stream_guard.prompting.port import (
    Between,
    LabelAsk,
    LabelReading,
    Look,
    Margins,
    Rendered,
    Sampling,
    Template,
    TextReading,
)
from stream_guard.prompting.profile import LabelSettings, Tags
from stream_guard.prompting.tokenizer import ModelTokenizer
from stream_guard.prompting.version import versioned_template


class Answer(StrEnum):
    """How a model is asked to answer."""

    LABELS = "labels"
    """In one word, whose probability is read."""
    TEXT = "text"
    """In the policy's output form."""


ASKED_FOR_A_WORD = ChatLayout(system="{question}", user="{content}", examples=Examples.TURNS)
"""The form for small models: a short question, and examples as turns."""
ASKED_FOR_A_TEXT = ChatLayout(system="{policy}", user="{content}", examples=Examples.POLICY)


class ChatTemplateRenderer:
    """Renders for the model of a folder (config.json, tokenizer.json, and a chat template where the layout has turns).

    `variables` are passed to the chat template; `stop` adds to the tokens that end a reply by the folder's own files; a text
    may begin with reasoning between `tags`, which no grammar constrains then: it would force the first token to be `{`.
    Raises ModelError where the folder can't be used, or lacks a token that is named here.
    """

    NAME = "chat-2"

    def __init__(
        self,
        folder: Path,
        manifest: str,
        *,
        answer: Answer = Answer.LABELS,
        labels: LabelSettings = LabelSettings(),  # noqa: B008  frozen
        max_tokens: int = 512,
        variables: Mapping[str, Any] | None = None,
        layout: Layout | None = None,
        stop: Sequence[str] = (),
        tags: Tags | None = None,
        sampling: Sampling = Sampling(),  # noqa: B008  frozen
    ) -> None:
        self._folder = folder
        self._manifest = manifest
        self._answer = Answer(answer)
        self._labels = labels
        self._max_tokens = max_tokens
        self._sampling = sampling
        layout = layout or (ASKED_FOR_A_WORD if answer is Answer.LABELS else ASKED_FOR_A_TEXT)
        self._examples = layout.examples
        self._form = layout if isinstance(layout, TextLayout) else (layout, ChatTemplate(folder, variables))
        self._tokenizer = ModelTokenizer(folder)
        self._vocab_size = vocab_size(folder)
        self._stop_ids = tuple(sorted({*_stop_ids(folder, self._tokenizer), *map(self._token, stop)}))
        self._tags = None if tags is None else (self._token(tags.begin), self._token(tags.end))
        self._require_embedded(self._tokenizer.ordinary_ids | set(self._stop_ids))

    def _token(self, spelling: str) -> int:
        """The id of a control token."""
        token = self._tokenizer.token_id(spelling)
        if token is None or token not in self._tokenizer.control_ids:
            raise ModelError(
                f"{self._folder}: {spelling!r}, which the profile names, is no control token of this model"
            )
        return token

    def template(self, asked: Asked, view: View) -> Template:
        """Encodes what is asked about, and the shown examples.

        Raises ConfigError where it can't be answered so, or a label is not one token where it is read.
        """
        slots = Slots(lambda name: self._text(name, asked, view))
        found, tail = stretches(self._pieces(asked, view, slots), self._tokenizer.encode_trusted)
        *filled, content = found
        prefix = [i for stretch in filled for i in self._encode(stretch, slots.texts)]
        prefix += self._tokenizer.encode_trusted(content.trusted)
        suffix, read, reading = (
            self._read_as_text(asked, tail) if self._answer is Answer.TEXT else self._read_as_label(tail)
        )
        self._require_embedded({*prefix, *suffix})
        return versioned_template(
            asked, view, renderer=f"{self.NAME}-{self._answer}", manifest=self._manifest, read=read, reading=reading,
            prefix=prefix, suffix=suffix, margins=content.margins, sampling=self._sampling,
            look=None if isinstance(asked, Packed) else self._look(asked, tail, suffix),
        )  # fmt: skip

    def _pieces(self, asked: Asked, view: View, slots: Slots) -> list[Piece]:
        if isinstance(self._form, TextLayout):
            return pieces_of_text(self._form, slots)
        layout, chat = self._form
        answered: list[tuple[str, str]] = []
        if layout.examples is Examples.TURNS and not isinstance(asked, Packed):
            shown = [example for example in asked.examples if example.shown]
            answered = [(frame_example(example, view), self._right_answer(asked, example)) for example in shown]
        return chat.pieces(turns_of(layout, slots, answered))

    def _right_answer(self, policy: Policy, example: Example) -> str:
        if self._answer is Answer.TEXT:
            return answer_text(policy, example.expect)
        return label_of(policy, example, self._labels.yes, self._labels.no)

    def _text(self, placeholder: str, asked: Asked, view: View) -> str:
        """What stands for a placeholder of the policy. Examples are no turns where each would need several answers."""
        yes, no, examples = self._labels.yes, self._labels.no, self._examples is Examples.POLICY
        if isinstance(asked, Packed):
            if self._answer is Answer.LABELS:
                raise ConfigError(
                    (Place(f"policies {asked.id}"), "can't be packed: this model answers in one word, for one")
                )
            return asked_text(asked, view, examples=self._examples is not Examples.NONE)
        if placeholder == QUESTION:
            return label_question(asked, yes, no)
        if self._answer is Answer.TEXT:
            return asked_text(asked, view, examples=examples)
        return bare_policy_text(asked, view, yes, no, examples=examples)

    def _encode(self, stretch: Stretch, texts: Sequence[str]) -> list[int]:
        """The ids of a slot that is filled once and for all, and of the trusted text before it."""
        [ids] = self._tokenizer.encode_contents([_within(stretch.margins, texts[stretch.slot])])
        return [*self._tokenizer.encode_trusted(stretch.trusted), *ids]

    def _read_as_text(self, asked: Asked, tail: str) -> tuple[list[int], Read, TextReading]:
        """The ids of what stands last in the prompt, and how the text after it is read."""
        suffix = self._tokenizer.encode_trusted(tail)
        # As a tag, not as a schema: a small model writes blanks between the fields until the reply is cut.
        tag = asked_tag_json(asked) if self._tags is None else None
        between = None if self._tags is None else _between(*self._tags, suffix)
        most = tokens_for(asked, self._max_tokens)
        return suffix, TextRead(most, self._stop_ids, structural_tag=tag), TextReading(between)

    def _read_as_label(self, tail: str) -> tuple[list[int], Read, LabelReading]:
        """The ids of what stands last in the prompt, as they are where a label follows, and how that is read."""
        (suffix, no_id), (other, yes_id) = (self._label(tail, word) for word in (self._labels.no, self._labels.yes))
        if suffix != other or no_id == yes_id:
            raise self._label_error(
                f"{self._labels.no!r} and {self._labels.yes!r} are one token, or change what stands before"
            )
        reading = LabelReading(no_id, yes_id, self._labels.min_mass, self._labels.threshold)
        return suffix, LabelRead((no_id, yes_id)), reading

    def _look(self, policy: Policy, tail: str, suffix: Sequence[int]) -> Look | None:
        """How a quick look reads the 0 or 1 of an answer. None where it would save nothing, or nobody wants one.

        Raises ConfigError where that is not one token, or where reasoning stands before the answer: it can't be passed over.
        """
        look = policy.quick_look
        if look is None or self._answer is Answer.LABELS:
            return None
        if self._tags is not None:
            raise self._label_error(f"policy {policy.id} wants a quick_look, and this model reasons before it answers")
        (before, no_id), (other, yes_id) = (self._label(tail + label_lead(policy), digit) for digit in "01")
        if before != other or before[: len(suffix)] != list(suffix) or no_id == yes_id:
            raise self._label_error("0 and 1 are no labels of this model, as a quick_look needs them")
        reading = LabelReading(no_id, yes_id, self._labels.min_mass)
        label = LabelAsk(tuple(before[len(suffix) :]), reading)
        return Look(label, look)

    def _label(self, tail: str, word: str) -> tuple[list[int], int]:
        """The ids of a text and of the one token after it. Line ends before a word may split otherwise than at the end."""
        *before, label = self._tokenizer.encode_trusted(tail + word) or [-1]
        alone = self._tokenizer.encode_trusted(tail)
        if label < 0 or label in self._tokenizer.control_ids or self._spelled(before) != self._spelled(alone):
            raise self._label_error(f"{word!r} is not one token at the place where it is read")
        return before, label

    def _spelled(self, ids: Sequence[int]) -> tuple[str, list[int]]:
        """What ids come to: text, and control tokens."""
        return self._tokenizer.decode(ids), [i for i in ids if i in self._tokenizer.control_ids]

    def _label_error(self, problem: str) -> ConfigError:
        return ConfigError(
            (Place(str(self._folder)), f"labels: {problem}; choose other words in a profile of your own")
        )

    def _require_embedded(self, ids: frozenset[int] | set[int]) -> None:
        """An id past the embedding passes an engine's validation and kills it."""
        if ids and max(ids) >= self._vocab_size:
            raise ModelError(f"{self._folder}: token id {max(ids)} reaches the model's vocab_size {self._vocab_size}")

    def render(self, template: Template, contents: Sequence[Judged]) -> list[Rendered]:
        """The prompts for contents, each at the place that the layout has for it."""
        prefix, suffix, margins = list(template.prefix), template.suffix, template.margins
        encoded = self._tokenizer.encode_contents([_within(margins, frame(content)) for content in contents])
        return [Rendered([*prefix, *ids, *suffix]) for ids in encoded]

    def text(self, token_ids: Sequence[int]) -> str:
        """The text of a reply's token ids."""
        return self._tokenizer.decode(token_ids)


def _within(margins: Margins, text: str) -> str:
    return f"{margins.before}{text}{margins.after}"


def _between(begin_id: int, end_id: int, suffix: Sequence[int]) -> Between:
    """The reasoning's borders; it is open already where the chat template begins it."""
    last = next((i for i in reversed(suffix) if i in {begin_id, end_id}), None)
    return Between(begin_id, end_id, opened=last == begin_id)


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
