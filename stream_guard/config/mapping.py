"""The mapping language as it is written in a route's `read`, and the shapes that it means (`events/mapping/shapes.py`)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self, TypeAlias

from pydantic import Field, GetCoreSchemaHandler, GetJsonSchemaHandler, field_validator, model_validator
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, core_schema

from stream_guard.config.model import Model
from stream_guard.config.patterns import LinearRegex
from stream_guard.config.sources import (
    IdSource,
    JsonPath,
    NameSource,
    StringSource,
    TextSource,
    TimeSource,
    ValueSource,
)
from stream_guard.events.decode import PART_TYPE
from stream_guard.events.mapping.conditions import Condition
from stream_guard.events.mapping.mapping import ROLES
from stream_guard.events.mapping.paths import Path
from stream_guard.events.mapping.shapes import (
    REST,
    ChatShape,
    CompletionShape,
    Facts,
    Ignore,
    Makes,
    MessageShape,
    Reject,
    Shape,
    Turns,
)
from stream_guard.events.mapping.sources import Constant, FromHeader, FromPath
from stream_guard.events.model import Role

Name: TypeAlias = Annotated[str, Field(min_length=1)]
_IS_PART_TYPE = re.compile(PART_TYPE).fullmatch


class OneOrMany:
    """Marks a list of which one item may be written alone."""

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_before_validator_function(cls.listed, handler(source))

    @classmethod
    def __get_pydantic_json_schema__(cls, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        many = handler(schema)
        return {"anyOf": [many, many["items"]]}

    @staticmethod
    def listed(value: object) -> object:
        """A mapping that stands alone, as a list of it."""
        return [value] if isinstance(value, Mapping) else value


class ShapeConditionSettings(Model):
    """One condition on a foreign record: what a path finds, or a header, and what must be true of it."""

    path: JsonPath | None = None
    """A JSON path; of several values that it finds, one must be as it says."""
    header: Name | None = None
    """Or the name of a header."""
    present: bool | None = None
    """Whether it must be there. A null is not."""
    any_of: tuple[str, ...] | None = Field(default=None, min_length=1)
    """Values of which it must have one; numbers and booleans as JSON writes them."""
    matches: LinearRegex | None = None
    """A regular expression that its whole value must match; without look-around and back-references, so that no value takes long."""

    @model_validator(mode="after")
    def _complete(self) -> Self:
        if (self.path is None) == (self.header is None):
            msg = "needs either path or header"
            raise ValueError(msg)
        if self.present is None and self.any_of is None and self.matches is None:
            msg = "needs at least one of present, any_of and matches"
            raise ValueError(msg)
        return self

    def condition(self) -> Condition:
        """What it means."""
        source = FromHeader(self.header) if self.path is None and self.header else FromPath(self.path or Path("$"))
        return Condition(source, self.present, self.any_of, self.matches)


class _FactsSettings(Model):
    id: IdSource | None = None
    """The event's id, a text or a number."""
    author: NameSource | None = None
    """Who wrote it, a text or a number."""
    language: StringSource | None = None
    """The language it is in."""
    created_at: TimeSource | None = None
    """When it was written: RFC 3339, or a number of seconds, milliseconds, microseconds or nanoseconds since 1970."""
    attributes: Mapping[Name, ValueSource] = {}
    """What routes may select by, and the verdicts' readers may want to know: scalars by name."""

    def facts(self) -> Facts:
        """What it means."""
        return Facts(
            id=self.id,
            author=self.author,
            language=self.language,
            created_at=self.created_at,
            attributes=tuple(self.attributes.items()),
        )


class _PartsSettings(Model):
    parts: Mapping[str, JsonPath] = {}
    """What it holds beside its text that can't be judged (tool_call, image): type -> path. A verdict tells of it."""

    @field_validator("parts")
    @classmethod
    def _types(cls, parts: Mapping[str, Path]) -> Mapping[str, Path]:
        for kind in parts:
            if kind == "text":
                msg = "parts of type text are found by `text`"
                raise ValueError(msg)
            if _IS_PART_TYPE(kind) is None:
                msg = f"{kind} is no type of a part: at most 64 letters, digits and . _ : / + -"
                raise ValueError(msg)
        return parts


class TurnsSettings(_PartsSettings):
    """Where turns are. All but `turns` is relative to a turn: there `$` is the turn."""

    turns: JsonPath
    """A path that finds the turns, or one array of them; oldest first."""
    role: NameSource
    """Whose turn it is: system, developer, user, assistant or tool, or what `roles` translates."""
    text: TextSource
    """What was said: a text, several texts, or a list of parts as OpenAI writes them."""
    name: NameSource | None = None
    """Which of several speakers of this role."""
    roles: Mapping[Name, Role] = {}
    """The record's own names of roles -> ours; `"*"` is every other."""

    @model_validator(mode="after")
    def _known_role(self) -> Self:
        known = {*ROLES, *self.roles}
        if isinstance(self.role, Constant) and str(self.role.value) not in known and REST not in known:
            msg = f"role {self.role.value} is none of {', '.join(ROLES)}, and `roles` does not name it"
            raise ValueError(msg)
        return self

    def shape(self) -> Turns:
        """What it means."""
        return Turns(
            turns=self.turns,
            role=self.role,
            text=self.text,
            name=self.name,
            roles=tuple(self.roles.items()),
            parts=tuple(self.parts.items()),
        )


class MessageSettings(_PartsSettings, _FactsSettings):
    """The record is a message."""

    text: TextSource
    """What was written: a text, several texts, or a list of parts as OpenAI writes them."""


class ChatSettings(_FactsSettings, TurnsSettings):
    """The record is a chat."""


class CompletionSettings(_PartsSettings, _FactsSettings):
    """The record is what a model wrote."""

    prompt: TurnsSettings | None = None
    """The turns that the model was given."""
    completion: TextSource
    """What it wrote: a text, several texts, or a list of parts as OpenAI writes them."""
    model: StringSource | None = None
    """The model that wrote it."""


class ShapeSettings(Model):
    """What a record may look like, and what is made of it: message, chat, completion, ignore or reject."""

    when: Annotated[tuple[ShapeConditionSettings, ...], OneOrMany] = ()
    """A condition, or several that must all hold. Without, the shape is every record's."""
    message: MessageSettings | None = None
    """The record is a message."""
    chat: ChatSettings | None = None
    """The record is a chat."""
    completion: CompletionSettings | None = None
    """The record is a completion."""
    ignore: Literal[True] | None = None
    """The record needs no judgement."""
    reject: Annotated[str, Field(min_length=1, max_length=200)] | None = None
    """The record is a dead letter, for this reason."""

    @model_validator(mode="after")
    def _one_outcome(self) -> Self:
        made = (self.message, self.chat, self.completion, self.ignore, self.reject)
        if sum(outcome is not None for outcome in made) != 1:
            msg = "needs exactly one of message, chat, completion, ignore and reject"
            raise ValueError(msg)
        return self

    def shape(self) -> Shape:
        """What it means."""
        return Shape(self._makes(), tuple(condition.condition() for condition in self.when))

    def _makes(self) -> Makes:
        if (message := self.message) is not None:
            return MessageShape(text=message.text, parts=tuple(message.parts.items()), facts=message.facts())
        if (chat := self.chat) is not None:
            return ChatShape(turns=chat.shape(), facts=chat.facts())
        if (made := self.completion) is not None:
            return CompletionShape(
                completion=made.completion,
                prompt=made.prompt.shape() if made.prompt else None,
                parts=tuple(made.parts.items()),
                model=made.model,
                facts=made.facts(),
            )
        return Ignore() if self.reject is None else Reject(self.reject)
