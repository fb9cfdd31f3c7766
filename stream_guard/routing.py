"""topic -> route -> cases: which records count, under which policies, and where their outputs go."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from enum import StrEnum

from msgspec import Struct

from stream_guard.events.mapping.conditions import Form, satisfied, written
from stream_guard.events.model import KIND_OF_VIEW, Chat, Completion, Event, Message, View
from stream_guard.events.reader import CANONICAL, Format, Reader
from stream_guard.judging.escalation import Triggers
from stream_guard.judging.terms import DEFAULT_TERMS, Terms
from stream_guard.policy.document import Decision, PolicyId
from stream_guard.prompting.port import Template
from stream_guard.records import Headers


class Publish(StrEnum):
    """Which verdicts a route publishes. Rulings always appear."""

    ALL = "all"
    NON_ALLOW = "non_allow"


class Ordering(StrEnum):
    """In which order a route's verdicts and rulings are published."""

    NONE = "none"
    """As they come: the answer to a short message overtakes that to a long one before it."""
    KEY = "key"
    """Those of one key in the order of its records. See `delivery/turns.py`."""


class Outputs(Struct, frozen=True):
    """The topics a route publishes to. Without a rationale topic, rationales are not published."""

    verdicts: str
    rulings: str
    dead_letters: str
    rationale: str | None = None


class Limits(Struct, frozen=True):
    """What a route takes at most. Beyond: a dead letter for a record, an abstention for a case; never a cut."""

    record_bytes: int = 1_048_576
    content_chars: int = 100_000
    turns: int = 1_000
    depth: int = 32


class HeaderCondition(Struct, frozen=True):
    """True where a header of that name has one of the values, or matches, or is merely there (or is absent)."""

    header: str
    present: bool | None = None
    any_of: tuple[str, ...] | None = None
    matches: Form | None = None

    def holds(self, headers: Headers) -> bool:
        """Looks at every header of that name; a value that is not UTF-8 equals and matches nothing."""
        values = [written(value) for name, value in headers if name == self.header]
        return satisfied(self.present, self.any_of, self.matches, values)


class FieldCondition(Struct, frozen=True):
    """The same for a field of the event: kind, id, author, language, model, or `attributes.<name>`."""

    field: str
    present: bool | None = None
    any_of: tuple[str, ...] | None = None
    matches: Form | None = None

    def holds(self, event: Event) -> bool:
        """A field that is absent or null has no value; numbers and booleans compare as JSON writes them."""
        value = field_of(event, self.field)
        return satisfied(self.present, self.any_of, self.matches, [] if value is None else [value])


class Context(Struct, frozen=True):
    """Which earlier messages are shown with a message: the `last` ones of the same key on the same route.

    `by` is `key` (the record's key) or a field of the event, as in `FieldCondition`; messages of one key must share a
    partition. A message older than `within_s` (seconds before the one that is judged) is left out; `chars` bounds the
    characters of all that is shown. `reread` is how many records of a partition are read again, before its committed
    offset, after it was assigned; `bytes` bounds the memory of all keys together.
    """

    last: int
    by: str = "key"
    within_s: float = 3600.0
    chars: int = 8_000
    reread: int = 2_000
    bytes: int = 67_108_864


class Escalation(Struct, frozen=True):
    """Which judgements of a route are not the last word, and who has it: this engine at a higher effort, or who reads `topic`.

    `final_by_s` is how many seconds a provisional verdict awaits the final one; then its decision stands for good.
    """

    when: Triggers
    final_by_s: float
    topic: str | None = None
    higher: Mapping[View, Mapping[PolicyId, Template]] = {}
    """Without a topic: what each policy is asked under again. One that asks for as much by itself is not among them."""

    def again(self, view: View, policy: PolicyId) -> Template | None:
        """What is asked after a judgement under a policy, None where this engine is not to be asked again."""
        return self.higher.get(view, {}).get(policy)


class Route(Struct, frozen=True):
    """A topic -> how to read it, which records count, which policies apply, where results go, limits."""

    name: str
    topic: re.Pattern[str]
    """Matches the whole topic name; an exact topic is an escaped pattern."""
    templates: Mapping[View, tuple[Template, ...]]
    """What this route judges, and under which policies: one template for each."""
    outputs: Outputs
    packed: Mapping[View, tuple[Template, ...]] = {}
    """Of these policies, those that are asked about together."""
    headers: tuple[HeaderCondition, ...] = ()
    fields: tuple[FieldCondition, ...] = ()
    publish: Publish = Publish.ALL
    ordering: Ordering = Ordering.NONE
    limits: Limits = Limits()
    abstain: Decision = Decision.REVIEW
    allow_unsupported: bool = False
    """Judge the text of an event that also holds parts that are not text, rather than abstain."""
    expire_after_s: float | None = None
    unique_event_id: bool = False
    """The event's own id names its subject: the same id in two records is the same event."""
    format: Format = Format.JSON
    """How the topic's values are written."""
    reader: Reader = CANONICAL
    """How an event is made of one."""
    context: Context | None = None
    terms: Terms = DEFAULT_TERMS
    quota_by: str = "key"
    """Whose quota a case uses up: the record's `key`, or a field of the event."""
    normalise: bool = True
    """Look for what hides what a content says: signal it, and show the model the content in plain letters beside the original."""
    escalation: Escalation | None = None

    @property
    def policies(self) -> tuple[Template, ...]:
        """One template for each policy of the route, for a record of which no event could be made."""
        seen = {t.policy.id: t for templates in self.templates.values() for t in reversed(templates)}
        return tuple(sorted(seen.values(), key=lambda t: t.policy.id))

    def together(self, view: View, templates: tuple[Template, ...]) -> tuple[Template, ...]:
        """What is asked in place of templates: those that are packed in one ask, where all of them are asked.

        Of a case that was redriven, only some may be: what has its verdict is not asked about again.
        """
        packs = self.packed.get(view, ())
        if not packs:
            return templates
        ids = {template.policy.id for template in templates}
        asked = [pack for pack in packs if all(policy.id in ids for policy in pack.policies)]
        taken = {policy.id for pack in asked for policy in pack.policies}
        return (*asked, *(template for template in templates if template.policy.id not in taken))

    def view(self, event: Event) -> View | None:
        """What of this event the route judges, None where it does not judge its kind."""
        kind = kind_of(event)
        for view in self.templates:
            if KIND_OF_VIEW[view] == kind:
                return view
        return None


class Routes:
    """The routes in file order: a record belongs to the first whose topic and conditions match."""

    def __init__(self, routes: Sequence[Route]) -> None:
        self.all = tuple(routes)
        self._of_topic: dict[str, tuple[Route, ...]] = {}
        self._by_headers: set[str] = set()
        """Of these, the topics for which a route looks at headers."""
        self._loosest: dict[str, Limits] = {}

    @property
    def templates(self) -> tuple[Template, ...]:
        """Each template of these routes once."""
        found = {
            t.prompt_version: t
            for route in self.all
            for by_view in (route.packed, route.templates)
            for templates in by_view.values()
            for t in templates
        }
        higher = [again for route in self.all if route.escalation for again in route.escalation.higher.values()]
        found |= {template.prompt_version: template for again in higher for template in again.values()}
        return tuple(found.values())

    def of_topic(self, topic: str) -> tuple[Route, ...]:
        """The routes whose topic matches, in order."""
        found = self._of_topic.get(topic)
        if found is None:
            found = tuple(r for r in self.all if r.topic.fullmatch(topic))
            if any(r.headers for r in found):
                self._by_headers.add(topic)
            self._of_topic[topic] = found  # last: the poll thread asks too
        return found

    def format(self, topic: str) -> Format:
        """How the values of a topic are written: the first of its routes says so."""
        routes = self.of_topic(topic)
        return routes[0].format if routes else Format.JSON

    def reread(self, topic: str) -> int:
        """How many records before the committed offset are read again for context; 0 where no route needs any."""
        return max((route.context.reread for route in self.of_topic(topic) if route.context), default=0)

    def candidates(self, topic: str, headers: Headers) -> tuple[Route, ...]:
        """The routes whose topic and header conditions match: all that can be said before the record is decoded."""
        routes = self.of_topic(topic)
        if topic not in self._by_headers:
            return routes
        return tuple(r for r in routes if all(c.holds(headers) for c in r.headers))

    def loosest(self, topic: str) -> Limits:
        """The most that a route of this topic takes: which one a record belongs to is known only once it is decoded."""
        found = self._loosest.get(topic)
        if found is None:
            limits = [route.limits for route in self.of_topic(topic)]
            found = self._loosest[topic] = Limits(
                record_bytes=max(each.record_bytes for each in limits),
                content_chars=max(each.content_chars for each in limits),
                turns=max(each.turns for each in limits),
                depth=max(each.depth for each in limits),
            )
        return found

    @staticmethod
    def select(candidates: Sequence[Route], event: Event) -> tuple[Route, View] | None:
        """The first candidate that judges this event, and what of it."""
        for route in candidates:
            view = route.view(event)
            if view is not None and (not route.fields or all(c.holds(event) for c in route.fields)):
                return route, view
        return None


def kind_of(event: Event) -> str:
    """The kind of an event, as the canonical format names it."""
    return _KINDS[type(event)]


_KINDS: Mapping[type[Event], str] = {Message: "message", Chat: "chat", Completion: "completion"}


def field_of(event: Event, path: str) -> str | None:
    """A field of an event as a text, by its name or as `attributes.<name>`; None where it is absent or null."""
    if path == "kind":
        return kind_of(event)
    if path.startswith("attributes."):
        value = event.attributes.get(path.removeprefix("attributes."))
    else:
        value = getattr(event, path, None)
    return written(value)
