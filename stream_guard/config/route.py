"""A route: a topic -> what of its events is judged, which records count, under which policies, and where results go."""

from __future__ import annotations

from collections import Counter
from typing import Annotated, Any, Literal, Self, TypeAlias

from pydantic import Field, ValidationInfo, WithJsonSchema, field_validator, model_validator

from stream_guard.config.engine import Count
from stream_guard.config.escalation import EscalateSettings
from stream_guard.config.kafka import Topic
from stream_guard.config.model import Model
from stream_guard.config.patterns import LinearRegex, Regex
from stream_guard.config.quantities import Bytes, Seconds
from stream_guard.config.reading import ReadSettings
from stream_guard.config.terms import ContextSettings, LongSettings, QuotaSettings
from stream_guard.events.model import KIND_OF_VIEW, View
from stream_guard.policy.document import Decision
from stream_guard.routing import Limits, Ordering, Publish

_DEFAULTS = Limits()
_Judged: TypeAlias = Literal["message", "last_turn", "chat", "completion"]
"""A message in context is not chosen but follows from `context`."""
_FIELD = r"^(kind|id|author|language|model|created_at|attributes\.[^.].*)$"

_GROUP: dict[str, Any] = {"type": "array", "items": {"type": "string"}, "minItems": 2}
_GROUPS: dict[str, Any] = {"anyOf": [_GROUP, {"type": "array", "items": _GROUP}]}


class ConditionSettings(Model):
    """One condition on a record: a header or a field of the event, and what must be true of it."""

    header: str | None = Field(default=None, min_length=1)
    """The header's name."""
    field: Annotated[str, Field(pattern=_FIELD)] | None = None
    """kind, id, author, language, model, created_at or `attributes.<name>`."""
    present: bool | None = None
    """Whether it must be there."""
    any_of: tuple[str, ...] | None = Field(default=None, min_length=1)
    """Values of which it must have one."""
    matches: LinearRegex | None = None
    """A regular expression that its whole value must match; without look-around and back-references, so that no value takes long."""

    @model_validator(mode="after")
    def _complete(self) -> Self:
        if (self.header is None) == (self.field is None):
            msg = "needs either header or field"
            raise ValueError(msg)
        if self.present is None and self.any_of is None and self.matches is None:
            msg = "needs at least one of present, any_of and matches"
            raise ValueError(msg)
        return self


class OutputSettings(Model):
    """The topics of a route's outputs. Routes may share them, and verdicts and rulings may share one."""

    verdicts: Topic
    """One verdict for each event and policy."""
    rulings: Topic
    """One ruling for each event."""
    dead_letters: Topic
    """Records that could not be judged, kept whole."""
    rationale: Topic | None = None
    """What quotes a user. Unset: rationales are not published."""


class LimitSettings(Model):
    """What a route takes at most. Beyond: a dead letter for a record, an abstention for a case; never a cut."""

    record_bytes: Bytes = _DEFAULTS.record_bytes
    """Bytes of key, value and headers."""
    content_chars: Count = _DEFAULTS.content_chars
    """Characters of what is judged, its context included."""
    content_tokens: Count | None = None
    """Tokens of the content of one ask, its context included. Unset: as many as the model's context takes."""
    turns: Count = _DEFAULTS.turns
    """Turns of a chat or a prompt."""
    depth: Count = _DEFAULTS.depth
    """Nested levels of a record's JSON."""


class RouteSettings(Model):
    """A record belongs to the first route, in the order of the file, whose topic and conditions match."""

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$")
    """Unique; stands in verdicts, metrics and logs."""
    topic: Topic | None = None
    """The topic to read."""
    pattern: Regex | None = None
    """Or a regular expression that matches whole names of topics. It never matches our own output topics."""
    subscribe: bool = True
    """Read the topic. `false`: the route is for records of it that come by `escalation.topic`, or are redriven."""
    read: ReadSettings = ReadSettings()
    """How a record of the topic becomes an event."""
    judge: tuple[_Judged, ...] = Field(min_length=1)
    """What of an event is judged; one view for each kind of event. Other kinds fall through to the next route."""
    when: tuple[ConditionSettings, ...] = ()
    """Conditions that must all hold."""
    policies: tuple[str, ...] = Field(min_length=1)
    """Ids of the policies that apply."""
    packed: Annotated[tuple[tuple[str, ...], ...], WithJsonSchema(_GROUPS)] = ()
    """A group of these policies that are asked about together, or several: one ask for a group, one reply for all of it. Policies in
    no group are asked about each by itself. `stream-guard policy pack-test` measures what a group costs and saves."""
    outputs: OutputSettings
    """Where results go."""
    publish: Publish = Publish.ALL
    """Which verdicts are published. Rulings always are."""
    ordering: Ordering = Ordering.NONE
    """With `key`, verdicts and rulings of one key are published in the order of its records; other keys don't wait. A record's
    outputs go out once all that its key had before it is acknowledged: one key has at most one record published at a time."""
    limits: LimitSettings = LimitSettings()
    """What the route takes at most."""
    abstain: Decision = Decision.REVIEW
    """The decision of a verdict without a judgement; never `allow`."""
    allow_unsupported: bool = False
    """Judge the text of an event that also holds parts that are not text, rather than abstain."""
    normalise: bool = True
    """Look for what hides or disguises what a content says (invisible characters, look-alikes, encodings, ...): signal it, and show
    the model the content with that undone, beside the original."""
    expire_after: Seconds | None = None
    """An event older than this abstains. Unset: never."""
    respond_by: Seconds | None = None
    """How long after the record's timestamp an answer is still of use. What can still be answered by then goes first; once the
    time is up, an event that was not asked about yet abstains. Unset: always, and after what has a time."""
    unique_event_id: bool = False
    """The event's own id is unique on this route: two records with the same id are the same event."""
    context: ContextSettings | None = None
    """Show earlier messages with a message. Unset: each message is judged alone."""
    long: LongSettings = LongSettings()
    """What becomes of a content that is too long for one ask."""
    quota: QuotaSettings | None = None
    """How much one key may have judged. Unset: as much as it writes."""
    escalate: EscalateSettings | None = None
    """Which judgements are not the last word, and who has it. Unset: all are."""

    @field_validator("judge")
    @classmethod
    def _one_view_per_kind(cls, judge: tuple[_Judged, ...]) -> tuple[_Judged, ...]:
        kinds = Counter(KIND_OF_VIEW[View(view)] for view in judge)
        if repeated := [kind for kind, count in kinds.items() if count > 1]:
            msg = f"more than one view of a {repeated[0]}: an event is judged in one view"
            raise ValueError(msg)
        return judge

    @field_validator("policies")
    @classmethod
    def _distinct(cls, policies: tuple[str, ...]) -> tuple[str, ...]:
        if repeated := [policy for policy, count in Counter(policies).items() if count > 1]:
            msg = f"policy {repeated[0]} is named twice"
            raise ValueError(msg)
        return policies

    @field_validator("packed", mode="before")
    @classmethod
    def _groups(cls, packed: Any) -> Any:
        """One group needs no list around it."""
        if isinstance(packed, list) and packed and all(isinstance(each, str) for each in packed):
            return [packed]
        groups = isinstance(packed, list | tuple) and all(isinstance(group, list | tuple) for group in packed)
        if not groups or not all(isinstance(policy, str) for group in packed for policy in group):
            msg = "must be policies that are asked about together, [a, b], or several such groups, [[a, b], [c, d]]"
            raise ValueError(msg)
        return packed

    @field_validator("packed")
    @classmethod
    def _of_its_own(cls, packed: tuple[tuple[str, ...], ...], info: ValidationInfo) -> tuple[tuple[str, ...], ...]:
        if too_small := [group for group in packed if len(group) < 2]:  # noqa: PLR2004
            msg = f"a group takes two policies or more, not {list(too_small[0])}"
            raise ValueError(msg)
        named = Counter(policy for group in packed for policy in group)
        own = info.data.get("policies", tuple(named))
        if strangers := [policy for policy in named if policy not in own]:
            msg = f"{strangers[0]} is none of the route's policies"
            raise ValueError(msg)
        if repeated := [policy for policy, count in named.items() if count > 1]:
            msg = f"{repeated[0]} is named twice, and is asked about once"
            raise ValueError(msg)
        return packed

    @field_validator("abstain")
    @classmethod
    def _never_allow(cls, abstain: Decision) -> Decision:
        if abstain is Decision.ALLOW:
            msg = "must not be allow: no failure may publish an allow"
            raise ValueError(msg)
        return abstain

    @model_validator(mode="after")
    def _context_of_messages(self) -> Self:
        if self.context is not None and "message" not in self.judge:
            msg = "context is for single messages, and this route does not judge any"
            raise ValueError(msg)
        return self

    @property
    def views(self) -> tuple[View, ...]:
        """What is judged, a message in its context where the route has one."""
        views = tuple(View(view) for view in self.judge)
        if self.context is None:
            return views
        return tuple(View.MESSAGE_IN_CONTEXT if view is View.MESSAGE else view for view in views)

    @model_validator(mode="after")
    def _one_input(self) -> Self:
        if (self.topic is None) == (self.pattern is None):
            msg = "needs either topic or pattern"
            raise ValueError(msg)
        return self
