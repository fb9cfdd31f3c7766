"""What the simulated world judges: routes, a renderer, and records of every kind."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from enum import Enum, auto
from typing import Final

from msgspec.structs import replace

from stream_guard.engines.port import EngineIdentity, LabelRead, Read, TextRead
from stream_guard.events.content import CONTEXT_PARTIAL, Judged
from stream_guard.events.model import View
from stream_guard.events.outcome import IgnoredReason, RejectionReason
from stream_guard.identity import PromptVersion
from stream_guard.judging.terms import Quota, Terms, TooLong
from stream_guard.policy.document import Category, Decision, Effort, Policy
from stream_guard.policy.packed import Asked, Packed
from stream_guard.prompting.port import (
    LabelAsk,
    LabelledAnswer,
    LabelReading,
    Look,
    Reading,
    ReasonedReading,
    Rendered,
    Template,
    TextReading,
)
from stream_guard.routing import Context, FieldCondition, HeaderCondition, Limits, Ordering, Outputs, Publish, Route
from tests.simulation.policies import ALPHA, AT_ONCE, BETA, DELTA, GAMMA, IN_STEPS, place_of, policies_of, truth

CLUSTER: Final = "sim-cluster"
EPOCH_S: Final = 1_750_000_000.0
"""Unix time at which every world begins."""

NAMESPACE: Final = "sim"
LANE: Final = "live"
NO_ID, YES_ID = 10, 11
RECORD_BYTES: Final = 2_000
MODEL_LEN: Final = 200
IDENTITY = EngineIdentity(name="sim", version="1", model="sim-judge", manifest="m" * 32, max_model_len=MODEL_LEN)


def topic_id(topic: str) -> str:
    """The KIP-516 id of a topic in the simulated cluster."""
    return f"id-of-{topic}"


_NUMBER = re.compile(r"#(\d+);")


THINKS, THOUGHT, ANSWERS = 700, 701, 702
"""Control tokens: reasoning begins, it ends, and a label is read."""

_LABELS = LabelReading(NO_ID, YES_ID, min_mass=0.5)
_LABEL = LabelAsk((ANSWERS,), _LABELS)
_TEXT = TextRead(max_tokens=64, stop_ids=(0,))
_THOUGHTS = TextRead(max_tokens=16, stop_ids=(THOUGHT, 0))
_LABELLED = LabelledAnswer(_LABEL, (replace(_TEXT, json_schema="0"), replace(_TEXT, json_schema="1")))
_ASKED: Final[Mapping[str, tuple[Read, Reading]]] = {
    ALPHA.id: (LabelRead((NO_ID, YES_ID)), _LABELS),
    GAMMA.id: (_THOUGHTS, ReasonedReading((THINKS,), THOUGHT, (THOUGHT,), _LABELLED)),
    IN_STEPS.id: (_THOUGHTS, ReasonedReading((THINKS,), THOUGHT, (THOUGHT,), _TEXT)),
}
"""How it is asked: in one word, and in steps; all else at once, as a text. Delta is looked at before."""


class SimRenderer:
    """Renders a prompt as the place of what is asked, the content's number, and as many tokens as the content has characters."""

    def template(self, asked: Asked, view: View) -> Template:
        """Encodes nothing: its place among all that is asked about stands for its text."""
        read, reading = _ASKED.get(asked.id, (_TEXT, TextReading()))
        bounds = None if isinstance(asked, Packed) else asked.quick_look
        how = [f"{asked.effort}", *([] if bounds is None else ["looked at"])]
        return Template(
            asked=asked,
            view=view,
            prompt_version=PromptVersion(f"prompt-of-{asked.id}-{view}, {', '.join(how)}"),
            read=read,
            reading=reading,
            prefix=(place_of(asked),),
            suffix=(),
            look=None if bounds is None else Look(_LABEL, bounds),
        )

    def render(self, template: Template, contents: Sequence[Judged]) -> list[Rendered]:
        """The prompts; a content of the simulation says its number, which every one of its parts repeats."""
        return [
            Rendered([*template.prefix, number_in(content.text), *_before(content), *content.text.encode()])
            for content in contents
        ]

    def text(self, token_ids: Sequence[int]) -> str:
        """One token is one character, but for control tokens."""
        return "".join(chr(token) for token in token_ids if token < THINKS)


WHOLLY, PARTLY, EARLIER = 600, 601, 1_000
"""Tokens before a message in context: whether all that was said before is shown, and, from EARLIER on, the numbers of it."""


def _before(content: Judged) -> list[int]:
    if content.view is not View.MESSAGE_IN_CONTEXT:
        return []
    numbers = [EARLIER + int(number) for number in _NUMBER.findall(content.context)]
    return [PARTLY if CONTEXT_PARTIAL in content.signals else WHOLLY, *numbers]


RENDERER = SimRenderer()


def number_in(text: str) -> int:
    """The number that a content of the simulation carries, 0 where it carries none."""
    found = _NUMBER.search(text)
    return int(found.group(1)) if found else 0


_ITEMS = 30
_ITEM = re.compile(rb"<(\d+)>")


def long_filler(number: int) -> str:
    """A filler that is too long for one ask: numbered items, each of which also says whose they are."""
    return " ".join(f"<{item}> #{number};" for item in range(_ITEMS))


def items_in(prompt: Sequence[int]) -> frozenset[int]:
    """The items that a prompt shows whole; none where the content is not a long one."""
    return frozenset(map(int, _ITEM.findall(bytes(token for token in prompt[2:] if token < 256))))


def segment_truth(policy: Policy, number: int, items: frozenset[int]) -> Category:
    """The same for a part of a content: what is wrong with a long one stands in one of its items alone."""
    return truth(policy, number) if not items or number % _ITEMS in items else policy.permitted


ALL_ITEMS: Final = frozenset(range(_ITEMS))


DEAD_LETTERS: Final = "dead"
ESCALATIONS: Final = "up"
_OUTPUTS = Outputs(verdicts="verdicts", rulings="rulings", dead_letters=DEAD_LETTERS)
_OUTPUTS_QUOTING = Outputs(verdicts="verdicts", rulings="rulings", dead_letters=DEAD_LETTERS, rationale="rationale")
_LIMITS = Limits(record_bytes=RECORD_BYTES, content_chars=1_000, turns=10, depth=8)


_TERMS = Terms(overlap=8)
_ABSTAINS = Terms(too_long=TooLong.ABSTAIN, abstain=Decision.BLOCK)
_LIMITED = Terms(overlap=8, quota=Quota(tokens=500, per_s=3.0), abstain=Decision.FLAG)


def _route(name: str, topic: str, views: dict[View, tuple[Policy, ...]], **options: object) -> Route:
    templates = {view: tuple(RENDERER.template(p, view) for p in policies) for view, policies in views.items()}
    return Route(name=name, topic=re.compile(topic), templates=templates, limits=_LIMITS, **options)  # type: ignore[arg-type]


ROUTES: Final = (
    _route(
        "messages",
        "messages",
        {View.MESSAGE: (ALPHA, BETA)},
        outputs=_OUTPUTS,
        terms=_TERMS,
        fields=(FieldCondition(field="language", any_of=("en", "de")),),
    ),
    _route(
        "last-turns",
        "chats",
        {View.LAST_TURN: (GAMMA,)},
        outputs=_OUTPUTS_QUOTING,
        headers=(HeaderCondition(header="whole", present=False),),
        publish=Publish.NON_ALLOW,
        abstain=Decision.BLOCK,
        terms=_ABSTAINS,
        expire_after_s=3_600.0,
    ),
    _route(
        "whole-chats",
        "chats",
        {View.CHAT: (BETA,), View.COMPLETION: (DELTA, ALPHA, GAMMA)},
        outputs=_OUTPUTS_QUOTING,
        publish=Publish.NON_ALLOW,
        abstain=Decision.FLAG,
        terms=_LIMITED,
    ),
    _route(
        "rooms",
        "rooms",
        {View.MESSAGE_IN_CONTEXT: (ALPHA, BETA)},
        outputs=_OUTPUTS,
        terms=Terms(too_long=TooLong.ABSTAIN),
        context=Context(3),
        fields=(FieldCondition(field="language", any_of=("en", "de")),),
    ),
)
TOPICS: Final = ("messages", "chats", "rooms")
ROOMS: Final = "rooms"
"""The topic whose messages are judged in their context."""
ROOM_CHARS: Final = 260
"""Three messages fit; one that is too long for the engine does not fit at all."""


PACKED: Final[Mapping[str, Mapping[View, Packed]]] = {
    "messages": {View.MESSAGE: AT_ONCE},
    "whole-chats": {View.COMPLETION: IN_STEPS},
    "rooms": {View.MESSAGE_IN_CONTEXT: AT_ONCE},
}
"""By route and view what is asked about together, where a schedule says so."""
_TOGETHER: Final = {
    name: {view: (RENDERER.template(pack, view),) for view, pack in packs.items()} for name, packs in PACKED.items()
}


def routes_with(
    context: Context, ordered: Collection[str], respond_by: Mapping[str, float], packing: Collection[str] = ()
) -> tuple[Route, ...]:
    """The routes, that of the rooms with this context, those of these names in the order of each key, with a deadline, or packed."""
    return tuple(
        replace(
            route,
            context=None if route.context is None else context,
            ordering=Ordering.KEY if route.name in ordered else Ordering.NONE,
            terms=replace(route.terms, respond_by_s=respond_by.get(route.name)),
            packed=_TOGETHER[route.name] if route.name in packing else {},
        )
        for route in ROUTES
    )


def asked_first(route: Route, view: View, packing: Collection[str]) -> dict[str, Template]:
    """What an event is asked under by each policy: by itself, or in the pack that holds it where the route is among those packing."""
    packs = _TOGETHER[route.name].get(view, ()) if route.name in packing else ()
    alone = {template.policy.id: template for template in route.templates[view]}
    return alone | {policy.id: pack for pack in packs for policy in policies_of(pack.asked)}


GOES_ON: Final = 2
"""Where judgements are asked again: those of this severity or more."""


def lifted(policy: Policy, view: View) -> Template:
    """What a policy is asked under again."""
    return RENDERER.template(replace(policy, effort=Effort.HIGH, quick_look=None), view)


class Fate(Enum):
    """What must become of a record, whatever happens to it on the way."""

    JUDGED = auto()
    SPLIT = auto()
    """Judged in segments: it is too long for one ask."""
    UNSUPPORTED = auto()
    """Judged, by an abstention: it holds what no model looked at."""
    TOO_LONG = auto()
    EXPIRED = auto()
    KILLER = auto()
    """Never judged: the engine's process ends whenever it is asked."""
    REJECTED = auto()
    IGNORED = auto()


class Content:
    """What a producer wrote: the bytes of one record, and what must become of it."""

    __slots__ = ("age_s", "fate", "headers", "number", "reason", "respond_by_s", "route", "value", "view")

    def __init__(
        self,
        number: int,
        value: bytes | None,
        fate: Fate,
        *,
        route: int = 0,
        view: View = View.MESSAGE,
        reason: RejectionReason | IgnoredReason | None = None,
        headers: tuple[tuple[str, bytes | None], ...] = (),
        age_s: float = 0.0,
    ) -> None:
        self.number = number
        self.value = value
        self.fate = fate
        self.route = ROUTES[route]
        self.view = view
        self.reason = reason
        self.headers = headers
        self.age_s = age_s
        self.respond_by_s: float | None = None


_WHOLE = (("whole", b"1"), ("trace", None))


def message(number: int, language: str = "en", filler: str = "a note") -> bytes:
    """A valid message."""
    return f'{{"kind":"message","id":"m{number}","language":"{language}","content":"{filler} #{number};"}}'.encode()


def chat(number: int, filler: str = "well") -> bytes:
    """A valid chat of two turns."""
    return (
        f'{{"kind":"chat","turns":[{{"role":"user","content":"hello #{number};"}},'
        f'{{"role":"assistant","content":[{{"type":"text","text":"{filler} #{number};"}}]}}]}}'
    ).encode()


def completion(number: int, filler: str = "an answer") -> bytes:
    """A valid completion."""
    return (
        f'{{"kind":"completion","prompt":[{{"role":"user","content":"a question #{number};"}}],'
        f'"completion":"{filler} #{number};","model":"m"}}'
    ).encode()


def picture(number: int) -> bytes:
    """A message of which one part is not text."""
    return (
        f'{{"kind":"message","language":"en","content":[{{"type":"text","text":"look #{number};"}},'
        f'{{"type":"image"}}]}}'
    ).encode()


_BROKEN: Final = (
    (b"", RejectionReason.EMPTY),
    (b'{"kind":"message"', RejectionReason.NOT_JSON),
    (b'{"kind":"message","content":"\xff\xfe"}', RejectionReason.NOT_UTF8),
    (b'{"kind":"message","content":"\\ud800"}', RejectionReason.LONE_SURROGATE),
    (b'{"kind":"message","content":' + b"[" * 60 + b"]" * 60 + b"}", RejectionReason.TOO_DEEP),
    (b'{"kind":"message","content":"' + b"x" * RECORD_BYTES + b'"}', RejectionReason.TOO_LARGE),
    (b'{"kind":"message","content":7}', RejectionReason.INVALID_EVENT),
    (b'{"kind":"telegram","content":"stop"}', RejectionReason.UNSUPPORTED_KIND),
)


def make_content(topic: str, number: int, draw: float) -> Content:
    """The content that a draw in [0, 1) picks for a topic: mostly valid ones, and some of each kind that is not."""
    if draw < 0.10:
        value, reason = _BROKEN[number % len(_BROKEN)]
        return Content(number, value, Fate.REJECTED, reason=reason, route=_FIRST_ROUTE[topic])
    if draw < 0.14:
        return Content(number, None, Fate.IGNORED, reason=IgnoredReason.TOMBSTONE)
    if topic == "messages":
        return _message_content(number, draw)
    if topic == ROOMS:
        return _room_content(number, draw)
    return _chat_content(number, draw)


_FIRST_ROUTE: Final = {"messages": 0, "chats": 1, ROOMS: 3}


def _room_content(number: int, draw: float) -> Content:
    view = View.MESSAGE_IN_CONTEXT
    if draw < 0.20:
        return Content(number, message(number, "xx"), Fate.IGNORED, reason=IgnoredReason.NOT_SELECTED)
    if draw < 0.26:
        return Content(number, picture(number), Fate.UNSUPPORTED, route=3, view=view)
    if draw < 0.32:
        return Content(number, message(number, filler="long " * 60), Fate.TOO_LONG, route=3, view=view)
    return Content(number, message(number), Fate.JUDGED, route=3, view=view)


def _message_content(number: int, draw: float) -> Content:
    if draw < 0.20:
        return Content(number, message(number, "xx"), Fate.IGNORED, reason=IgnoredReason.NOT_SELECTED)
    if draw < 0.25:
        return Content(number, picture(number), Fate.UNSUPPORTED)
    if draw < 0.33:
        return Content(number, message(number, filler=long_filler(number)), Fate.SPLIT)
    return Content(number, message(number, "de" if draw < 0.6 else "en"), Fate.JUDGED)


def _chat_content(number: int, draw: float) -> Content:
    if draw < 0.31:
        return _odd_chat(number, draw)
    if draw < 0.50:
        return Content(number, completion(number), Fate.JUDGED, route=2, view=View.COMPLETION)
    if draw < 0.65:
        return Content(number, chat(number), Fate.JUDGED, route=2, view=View.CHAT, headers=_WHOLE)
    return Content(number, chat(number), Fate.JUDGED, route=1, view=View.LAST_TURN)


def _odd_chat(number: int, draw: float) -> Content:
    if draw < 0.20:
        return Content(number, chat(number), Fate.EXPIRED, route=1, view=View.LAST_TURN, age_s=86_400.0)
    if draw < 0.24:
        return Content(number, chat(number, "long " * 60), Fate.TOO_LONG, route=1, view=View.LAST_TURN)
    if draw < 0.28:
        return Content(number, chat(number, long_filler(number)), Fate.SPLIT, route=2, view=View.CHAT, headers=_WHOLE)
    return Content(number, completion(number, long_filler(number)), Fate.SPLIT, route=2, view=View.COMPLETION)
