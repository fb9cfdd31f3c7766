"""The engine port: lists of asks in, batches of completions out.

All values are picklable, so that an engine in a child process can be one more adapter.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from enum import StrEnum
from typing import NewType, Protocol, TypeAlias

from msgspec import Struct

AskId = NewType("AskId", int)


class LabelRead(Struct, frozen=True):
    """Asks for one token, and for the raw log-probabilities of these token ids at that place."""

    label_ids: tuple[int, ...]


class TextRead(Struct, frozen=True):
    """Asks for up to `max_tokens` tokens, ending at any of `stop_ids`.

    `json_schema` (a JSON document) and `structural_tag` (xgrammar's format, a JSON document) constrain the reply where the
    engine can; the reply is checked all the same. A tag may need none of `stop_ids` before its end: vLLM takes them
    for the end of a constraint and nothing else, so that the reply never gets past there.
    """

    max_tokens: int
    stop_ids: tuple[int, ...]
    json_schema: str | None = None
    structural_tag: str | None = None


Read: TypeAlias = LabelRead | TextRead


class Turn(Struct, frozen=True):
    """One turn of a prompt, for a server that renders prompts itself."""

    role: str
    content: str

    def __repr__(self) -> str:
        return f"Turn({self.role}, {len(self.content)} characters)"


class Ask(Struct, frozen=True):
    """One prompt for the engine. `turns` is filled only by a renderer for servers that take no token ids."""

    id: AskId
    prompt: list[int]
    read: Read
    turns: tuple[Turn, ...] = ()
    traceparent: str | None = None
    effort: str | None = None
    temperature: float = 0.0
    """0 decodes greedily; an ask that is asked again after a bad reply needs more, or the reply would be the same."""

    def __repr__(self) -> str:
        return f"Ask({self.id}, {type(self.read).__name__}, {len(self.prompt)} tokens, {len(self.turns)} turns)"


class Usage(Struct, frozen=True, gc=False):
    """Tokens and seconds that an ask took. `cached` of the prompt's tokens came from the prefix cache.

    `engine_s` is the time from submission to completion, `front_end_s` the CPU time of this process where it is known.
    """

    prompt_tokens: int = 0
    cached_tokens: int = 0
    completion_tokens: int = 0
    engine_s: float = 0.0
    front_end_s: float = 0.0


class Labels(Struct, frozen=True):
    """The raw log-probabilities that were asked for; an id that the engine did not report has none."""

    logprobs: dict[int, float]


class Text(Struct, frozen=True):
    """What the model wrote: its token ids, or its text where the engine has no ids. `finished` is false where it was cut."""

    token_ids: tuple[int, ...]
    text: str | None
    finished: bool

    def __repr__(self) -> str:
        """A reply may quote the content."""
        cut = "" if self.finished else ", cut"
        return f"Text({len(self.token_ids)} tokens, {len(self.text or '')} characters{cut})"


class FailureKind(StrEnum):
    """What an ask failed of."""

    UNAVAILABLE = "unavailable"
    """The engine is unreachable or loading: the ask is asked again once it is back."""
    DIED = "died"
    """The engine's process ended, or hung and had to be ended, while this ask was open: as `UNAVAILABLE`, but the ask may be to blame."""
    TRANSIENT = "transient"
    """This ask failed, the engine goes on as far as is known: worth a retry (a 429 or 500 of a server, say)."""
    REJECTED = "rejected"
    """The engine will never take this ask."""
    TOO_LONG = "too_long"
    """The prompt exceeds the model's context."""


class Failure(Struct, frozen=True):
    """This ask has no reply. `detail` never holds content."""

    kind: FailureKind
    detail: str


class Completion(Struct, frozen=True):
    """How one ask ended."""

    ask_id: AskId
    reply: Labels | Text | Failure
    usage: Usage = Usage()


class EngineIdentity(Struct, frozen=True):
    """Who judges. `manifest` is a hash of what makes the model itself (weights, configuration, tokenizer)."""

    name: str
    version: str
    model: str
    manifest: str
    max_model_len: int


class Engine(Protocol):
    """An engine that is loaded and takes asks. Opened and closed by its factory (an async context manager)."""

    @property
    def identity(self) -> EngineIdentity:
        """Who judges."""

    def submit(self, asks: Sequence[Ask]) -> None:
        """Takes asks. Never blocks, never raises: whatever becomes of an ask is a completion, exactly one unless cancelled.

        The caller bounds how many are open. Asks of one prompt version come next to each other.
        """

    async def completions(self) -> Sequence[Completion]:
        """Waits for at least one completion, returns all there are. One caller at a time."""

    def cancel(self, ask_ids: Iterable[AskId]) -> None:
        """Ends asks whose completion nobody waits for. A completion that is already on its way may still come."""

    async def health(self) -> None:
        """A round trip through the engine; restarts a dead one where the adapter owns it.

        Raises EngineUnavailable where it is dead, hung or unreachable.
        """
