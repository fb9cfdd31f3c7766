"""The profile of a model family as a file: what may stand in it, checked field by field and as a whole."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from enum import StrEnum
from typing import Annotated, Any, Final, Literal, TypeAlias

from pydantic import BaseModel, ConfigDict, Field, JsonValue, StringConstraints, ValidationError

from stream_guard.errors import ConfigError
from stream_guard.marked_yaml import Loc, dotted, parse
from stream_guard.prompting import layout
from stream_guard.prompting.harmony_tokens import SPELLINGS
from stream_guard.prompting.layout import ChatLayout, Examples, TextLayout
from stream_guard.prompting.port import Sampling
from stream_guard.prompting.profile import LabelSettings, Profile, RendererKind, Tags

_Spelling: TypeAlias = Annotated[str, StringConstraints(min_length=1, max_length=64)]
_Text: TypeAlias = Annotated[str, StringConstraints(pattern=r"\S", max_length=20_000)]
_Share: TypeAlias = Annotated[float, Field(ge=0, le=1, strict=False)]
_Temperature: TypeAlias = Annotated[float, Field(ge=0, le=2, strict=False)]


class _Model(BaseModel):
    model_config = ConfigDict(
        strict=True, frozen=True, extra="forbid", hide_input_in_errors=True, use_attribute_docstrings=True,
        allow_inf_nan=False,
    )  # fmt: skip


class MatchEntry(_Model):
    """Which models the profile is for; another one is refused."""

    architectures: Annotated[list[_Spelling], Field(min_length=1)]
    """What `architectures` in the model's config.json may hold."""
    automatic: bool = False
    """Whether a shipped profile is taken for these by itself, where `engine.profile` is unset."""


class PromptEntry(_Model):
    """How policy and content are laid out. Placeholders: {policy}, {question} (its short form) and, last, {content}."""

    system: _Text | None = None
    """chat: the system turn. Unset: there is none."""
    user: _Text | None = None
    """chat: the user turn that is judged."""
    text: _Text | None = None
    """completion: the text that the model goes on with; control tokens are written as they are spelled."""
    examples: Annotated[Examples, Field(strict=False)] = Examples.POLICY
    """The policy's shown examples: in the text of the `policy`, as `turns` before the content, or `none`."""


class LabelEntry(_Model):
    """The answer is one token, whose probability is read."""

    form: Literal["label"]
    violates: _Spelling
    """The word for what violates the policy: exactly one token where it is read."""
    permits: _Spelling
    """The word for what does not."""
    min_mass: _Share = 0.3
    """The probability that the two must have together, or the case abstains: the model did not answer the question."""
    threshold: Annotated[float, Field(gt=0, lt=1, strict=False)] = 0.5
    """The share of `violates` in it from which on a content violates."""

    def labels(self) -> LabelSettings:
        """The same as renderers take it."""
        return LabelSettings(no=self.permits, yes=self.violates, min_mass=self.min_mass, threshold=self.threshold)


class TextEntry(_Model):
    """The answer is the policy's output form, written."""

    form: Literal["text"]
    max_tokens: Annotated[int, Field(ge=1, le=131_072)] = 2048
    """The answer, and the reasoning where that has no `budget`; a reply that reaches it is no judgement."""
    min_mass: _Share = 0.3
    """Where the 0 or 1 of the answer is read by its probability (after a `budget` of reasoning, by a quick look): as of a label."""
    threshold: Annotated[float, Field(gt=0, lt=1, strict=False)] = 0.5
    """The share of the 1 in it from which on a content violates."""

    def labels(self) -> LabelSettings:
        """The same as renderers take it."""
        return LabelSettings(no="0", yes="1", min_mass=self.min_mass, threshold=self.threshold)


class ReasoningWhere(StrEnum):
    """Where a model's reasoning stands."""

    NONE = "none"
    ANALYSIS = "analysis"
    TAGS = "tags"


class ReasoningEntry(_Model):
    """Where the model's reasoning stands: in harmony's `analysis` channel, between `tags`, or there is `none`."""

    where: Annotated[ReasoningWhere, Field(strict=False)]
    begin: _Spelling | None = None
    """tags: the control token before the reasoning."""
    end: _Spelling | None = None
    """tags: the control token after it."""
    budget: Annotated[int | None, Field(ge=16, le=131_072)] = None
    """analysis: the most tokens of reasoning; then the label is read all the same, and the answer's rest. Unset: one ask is
    for reasoning and answer, and no label's probability is known."""


class SamplingEntry(_Model):
    """How a text is drawn. A label's probability is read as it is."""

    temperature: _Temperature = 0.0
    """0 is greedy: the same content gets the same answer."""
    second_thought: _Temperature = 0.7
    """For asking again after a reply that could not be read."""


class ProfileEntry(_Model):
    """What a model family needs to be asked."""

    name: Annotated[str, StringConstraints(pattern=r"^[a-z0-9]+(-[a-z0-9]+)*$", max_length=64)]
    match: MatchEntry | None = None
    renderer: Annotated[RendererKind, Field(strict=False)]
    """`harmony`, the model's own `chat` template, a `completion` without one, or `messages` for a server that renders."""
    prompt: PromptEntry | None = None
    stop: list[_Spelling] = Field(default=[])
    """Tokens that end a reply, by their spelling. harmony: all of them; else beside those that the model's folder names."""
    answer: Annotated[LabelEntry | TextEntry, Field(discriminator="form")]
    reasoning: ReasoningEntry = ReasoningEntry(where=ReasoningWhere.NONE)
    sampling: SamplingEntry = SamplingEntry()
    variables: dict[str, JsonValue] = Field(default={})
    """chat: passed to the chat template, `enable_thinking` for one."""

    def flaws(self) -> Iterator[tuple[Loc, str]]:
        """What is wrong although every field by itself is right, and where."""
        yield from _WRONG_FOR[self.renderer](self)
        yield from self._flaws_of_prompt()
        yield from self._flaws_of_reasoning()
        if isinstance(self.answer, LabelEntry) and self.answer.violates == self.answer.permits:
            yield ("answer", "permits"), "is the same as violates"
        if not isinstance(self.answer, LabelEntry) and not self.sampling.second_thought:
            yield ("sampling", "second_thought"), "must be above 0: asked again greedily, a model says the same"

    def _flaws_of_prompt(self) -> Iterator[tuple[Loc, str]]:
        if (laid_out := self.layout()) is not None:
            yield from ((("prompt", field), what) for field, what in layout.flaws(laid_out))
            if isinstance(self.answer, TextEntry) and layout.QUESTION in _placeholders(laid_out):
                yield ("prompt",), "{question} asks for one word, but the answer is a text: use {policy}"

    def _flaws_of_reasoning(self) -> Iterator[tuple[Loc, str]]:
        where, borders = self.reasoning.where, (self.reasoning.begin, self.reasoning.end)
        if (where is ReasoningWhere.ANALYSIS) != (self.renderer is RendererKind.HARMONY):
            yield ("reasoning", "where"), "analysis is where harmony has it, and nothing else does"
        if where is ReasoningWhere.TAGS:
            if None in borders:
                yield ("reasoning",), "tags need both begin and end"
            if isinstance(self.answer, LabelEntry):
                yield ("reasoning",), "a label is read at once: there is no reasoning before it"
        if self.reasoning.budget is not None and where is not ReasoningWhere.ANALYSIS:
            yield ("reasoning", "budget"), "is for reasoning in the analysis channel"
        if where is not ReasoningWhere.TAGS and borders != (None, None):
            yield ("reasoning",), "begin and end are for tags"

    def layout(self) -> layout.Layout | None:
        """The layout; None where the renderer has its own."""
        prompt = self.prompt
        if self.renderer is RendererKind.COMPLETION and prompt is not None and prompt.text is not None:
            return TextLayout(prompt.text, prompt.examples)
        if self.renderer is RendererKind.CHAT and prompt is not None and prompt.user is not None:
            return ChatLayout(prompt.system, prompt.user, prompt.examples)
        return None

    def profile(self) -> Profile:
        """The same as renderers take it. Only where there is no flaw."""
        answer, match, reasoning = self.answer, self.match, self.reasoning
        return Profile(
            name=self.name,
            renderer=self.renderer,
            architectures=() if match is None else tuple(match.architectures),
            automatic=match is not None and match.automatic,
            stop=tuple(self.stop),
            labels=answer.labels() if isinstance(answer, LabelEntry) else None,
            digits=answer.labels() if isinstance(answer, TextEntry) else LabelSettings(),
            budget=reasoning.budget,
            max_tokens=answer.max_tokens if isinstance(answer, TextEntry) else 1,
            tags=Tags(reasoning.begin, reasoning.end) if reasoning.begin and reasoning.end else None,
            sampling=Sampling(self.sampling.temperature, self.sampling.second_thought),
            layout=self.layout(),
            variables=self.variables,
        )


def _placeholders(laid_out: layout.Layout) -> list[str]:
    texts = [laid_out.text] if isinstance(laid_out, TextLayout) else [laid_out.system or "", laid_out.user]
    return [name for text in texts for name in layout.placeholders(text)]


def _wrong_for_harmony(entry: ProfileEntry) -> Iterator[tuple[Loc, str]]:
    for field in ("prompt", "variables"):
        if getattr(entry, field):
            yield (field,), "harmony has a layout of its own"
    if isinstance(entry.answer, LabelEntry):
        yield ("answer", "form"), "harmony reasons before it answers: its answer is a text"
    if not entry.stop:
        yield ("stop",), "must name the tokens that end a reply: a reply that ends nowhere is cut, and no judgement"
    for number, spelling in enumerate(entry.stop):
        if spelling not in SPELLINGS:
            yield ("stop", number), f"is no control token of harmony: {', '.join(SPELLINGS)}"


def _wrong_for_chat(entry: ProfileEntry) -> Iterator[tuple[Loc, str]]:
    if entry.prompt is None or entry.prompt.user is None:
        yield ("prompt",), "chat needs prompt.user: the turn that is judged"
    if entry.prompt is not None and entry.prompt.text is not None:
        yield ("prompt", "text"), "is for the renderer completion"


def _wrong_for_completion(entry: ProfileEntry) -> Iterator[tuple[Loc, str]]:
    if entry.prompt is None or entry.prompt.text is None:
        yield ("prompt",), "completion needs prompt.text: what the model goes on with"
    if entry.prompt is not None and (entry.prompt.user is not None or entry.prompt.system is not None):
        yield ("prompt",), "system and user are for the renderer chat"
    if entry.variables:
        yield ("variables",), "are for a chat template, and completion has none"


def _wrong_for_messages(entry: ProfileEntry) -> Iterator[tuple[Loc, str]]:
    for field in ("prompt", "stop", "variables"):
        if getattr(entry, field):
            yield (field,), "the server decides about it, as it renders the prompt"
    if isinstance(entry.answer, LabelEntry):
        yield ("answer", "form"), "a server that renders prompts can't be asked for a token: its answer is a text"
    if entry.reasoning.where is ReasoningWhere.TAGS:
        yield ("reasoning", "where"), "the server parts reasoning and answer"


_WRONG_FOR: Final[Mapping[RendererKind, Callable[[ProfileEntry], Iterator[tuple[Loc, str]]]]] = {
    RendererKind.HARMONY: _wrong_for_harmony,
    RendererKind.CHAT: _wrong_for_chat,
    RendererKind.COMPLETION: _wrong_for_completion,
    RendererKind.MESSAGES: _wrong_for_messages,
}


def parse_profile(text: str, file: str) -> Profile:
    """The profile in a document; `file` names it in findings. Raises ConfigError with everything that is wrong."""
    document = parse(text, file)
    try:
        entry = ProfileEntry.model_validate(document.values)
    except ValidationError as error:
        errors = error.errors(include_input=False)
        raise ConfigError(*(document.finding(_untagged(e["loc"]), e["type"], e["msg"]) for e in errors)) from error
    if findings := [(document.place(loc), f"{dotted(loc)}: {what}") for loc, what in entry.flaws()]:
        raise ConfigError(*findings)
    return entry.profile()


def _untagged(loc: tuple[str | int, ...]) -> Loc:
    """The place without the tag of an answer's form, which is no part of the file."""
    return tuple(part for at, part in enumerate(loc) if not (at == 1 and loc[0] == "answer" and len(loc) > 2))  # noqa: PLR2004


def profile_schema() -> dict[str, Any]:
    """The JSON Schema (draft 2020-12) of a profile file."""
    return {"$schema": "https://json-schema.org/draft/2020-12/schema"} | ProfileEntry.model_json_schema()
