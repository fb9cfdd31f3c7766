"""Scripts for the scripted engine: replies and delays that follow from the ask alone, so that every run repeats."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import lru_cache
from math import log
from typing import Any, Literal, TypeAlias
from zlib import crc32

from msgspec import Struct

from stream_guard.engines.port import Ask, Failure, FailureKind, LabelRead, Labels, Text, TextRead

Reply: TypeAlias = Labels | Text | Failure
Script: TypeAlias = Callable[[Ask], Reply | None]
"""None: the ask is never answered."""
Delay: TypeAlias = Callable[[Ask], float]

_TAIL = 96
"""How many of a prompt's last tokens decide its reply: content comes last in a prompt."""

_BYTE = 255

_OBJECT_WORDS = frozenset({"properties", "anyOf", "oneOf"})
"""What only a schema of an object, or of a choice of objects, says in a constraint."""

_MALFORMED = Text(token_ids=(), text='{"violation": ', finished=True)
_NO_MASS = Labels(logprobs={})
_FAILED = Failure(FailureKind.TRANSIENT, "the script failed this ask")


def draw(ask: Ask, seed: int = 0) -> float:
    """A number in [0, 1) that follows from the ask's content and the seed alone, in every process."""
    content: object = tuple(ask.prompt[-_TAIL:])
    if ask.turns:
        content = tuple(crc32(turn.content.encode("utf-8", "surrogatepass")) for turn in ask.turns)
    return (hash((content, len(ask.prompt), seed)) & 0xFFFFFFFF) / 0x100000000


class ShareScript(Struct, frozen=True):
    """Replies by share: of all contents, which part violates, is answered badly, or fails.

    The same content always gets the same reply. Label asks are answered in their label ids, the permitting one first;
    text asks in the form that their JSON schema states, or with a bare 0 or 1.
    """

    violating: float = 0.2
    malformed: float = 0.0
    failing: float = 0.0
    seed: int = 0
    certainty: float = 0.95
    """The probability of the answer's label, in (0.5, 1)."""

    def __call__(self, ask: Ask) -> Reply:
        """The reply to an ask."""
        at = draw(ask, self.seed)
        if at < self.failing:
            return _FAILED
        if at < self.failing + self.malformed:
            return _malformed(ask.read)
        at = (at - self.failing - self.malformed) / max(1.0 - self.failing - self.malformed, 1e-9)
        return answer(ask.read, violates=at < self.violating, certainty=self.certainty)


class FaultyScript(Struct, frozen=True):
    """Another script, of whose asks (not contents) a share goes wrong: asked again, the same content is likely to be answered.

    `stumbling` fail for a moment, `garbling` are answered with what is no reply, `hanging` are never answered.
    """

    script: Script
    stumbling: float = 0.0
    garbling: float = 0.0
    hanging: float = 0.0
    seed: int = 0

    def __call__(self, ask: Ask) -> Reply | None:
        """The reply to an ask, None where it never comes."""
        at = draw(ask, hash((self.seed, ask.id)))
        if at < self.stumbling:
            return _FAILED
        if at < self.stumbling + self.garbling:
            return _malformed(ask.read)
        if at < self.stumbling + self.garbling + self.hanging:
            return None
        return self.script(ask)


class PhraseScript(Struct, frozen=True):
    """Replies by content: what holds the phrase violates, all else does not.

    It reads token ids that are UTF-8 bytes (the plain renderer's, whose control tokens and policy are no bytes) and turns.
    """

    phrase: str

    def __call__(self, ask: Ask) -> Reply:
        """The reply to an ask."""
        if ask.turns:
            return answer(ask.read, violates=self.phrase in ask.turns[-1].content)
        shown = bytes(token for token in ask.prompt if token <= _BYTE)
        return answer(ask.read, violates=self.phrase.encode() in shown)


def _malformed(read: LabelRead | TextRead) -> Labels | Text:
    return _NO_MASS if isinstance(read, LabelRead) else _MALFORMED


def answer(read: LabelRead | TextRead, *, violates: bool, certainty: float = 0.95) -> Labels | Text:
    """A well-formed reply to a read that says whether the content violates."""
    if isinstance(read, LabelRead):
        return _labels(read.label_ids, violates, certainty)
    return _text(read.json_schema or read.structural_tag, violates)


@lru_cache(maxsize=1024)
def _labels(label_ids: tuple[int, ...], violates: bool, certainty: float) -> Labels:
    rest = log((1.0 - certainty) / max(len(label_ids) - 1, 1))
    chosen = label_ids[-1 if violates else 0]
    return Labels({label: log(certainty) if label == chosen else rest for label in label_ids})


@lru_cache(maxsize=1024)
def _text(constraint: str | None, violates: bool) -> Text:
    schema = None if constraint is None else _schema_in(json.loads(constraint))
    if schema is None:
        return Text(token_ids=(), text="1" if violates else "0", finished=True)
    return Text(token_ids=(), text=json.dumps(_instance(schema, "", violates)), finished=True)


def _schema_in(document: object) -> dict[str, Any] | None:
    """The first JSON schema of an object that stands anywhere in a document (a structural tag nests its own)."""
    if isinstance(document, dict) and not _OBJECT_WORDS.isdisjoint(document):
        return document
    nested = document.values() if isinstance(document, dict) else document if isinstance(document, list) else ()
    return next((found for part in nested if (found := _schema_in(part)) is not None), None)


def _instance(schema: dict[str, Any], name: str, violates: bool) -> object:
    """A value of a schema: of its choices the first where nothing violates, else the last."""
    choices = schema.get("enum") or schema.get("anyOf") or schema.get("oneOf")
    if choices:
        chosen = choices[-1 if violates else 0]
        return chosen if "enum" in schema else _instance(chosen, name, violates)
    if "const" in schema:
        return schema["const"]
    if "properties" in schema:
        return {key: _instance(part, key, violates) for key, part in schema["properties"].items()}
    plain: dict[str, object] = {"integer": int(violates), "number": int(violates), "boolean": violates, "array": []}
    return plain.get(str(schema.get("type")), f"Scripted {name}.")


class SeededDelay(Struct, frozen=True):
    """Delays in seconds, between `least_s` and `most_s`, that follow from the content and the seed.

    Of all asks the share `slow` takes `slow_s` instead.
    """

    least_s: float = 0.0
    most_s: float = 0.0
    slow: float = 0.0
    slow_s: float = 0.0
    seed: int = 0
    spread: Literal["uniform", "none"] = "uniform"

    def __call__(self, ask: Ask) -> float:
        """How long an ask takes."""
        if self.slow and draw(ask, self.seed + 1) < self.slow:
            return self.slow_s
        if self.spread == "none" or self.most_s <= self.least_s:
            return self.least_s
        return self.least_s + (self.most_s - self.least_s) * draw(ask, self.seed)
