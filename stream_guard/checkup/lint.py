"""Advice on a configuration that is right: what `run` would do, and hardly anybody wants."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import TypeAlias
from urllib.parse import urlsplit

from stream_guard.checkup.finding import Finding, warning
from stream_guard.checkup.words import span
from stream_guard.config.binding import own_topics
from stream_guard.config.engine import OpenAISettings
from stream_guard.config.resolved import Origins, secrets
from stream_guard.config.route import RouteSettings
from stream_guard.config.settings import Settings
from stream_guard.events.model import KIND_OF_VIEW
from stream_guard.marked_yaml import dotted
from stream_guard.policy.document import Policy

_POD = "KUBERNETES_SERVICE_HOST"
"""Kubernetes sets it in every container."""
_LOCAL = ("127.0.0.1", "localhost", "::1")
_EVERYTHING = ".*"

Rule: TypeAlias = Callable[[Settings], Iterator[Finding]]


def advise(
    settings: Settings, policies: Mapping[str, Policy], origins: Origins, env: Mapping[str, str]
) -> list[Finding]:
    """All advice, rule by rule. Pure."""
    rules: tuple[Rule, ...] = (
        _shadowed,
        _own_matched,
        _content_tokens,
        _expiry,
        _response,
        _context_reread,
        _readable_key,
    )
    return [
        *(found for rule in rules for found in rule(settings)),
        *_unused(settings, policies),
        *_clear_secrets(settings, origins),
        *_unreachable_probes(settings, env),
    ]


def _shadowed(settings: Settings) -> Iterator[Finding]:
    """A route that gets no record, because an earlier one takes all that it could."""
    for index, route in enumerate(settings.routes):
        shadow = next((earlier for earlier in settings.routes[:index] if _takes_all(earlier, route)), None)
        if shadow is not None:
            yield warning(
                f"route {route.name} can never be reached: {shadow.name} stands before it and takes every record of "
                f"{route.topic or _text(route)} that it judges",
                f"put {route.name} first, or give {shadow.name} a `when`",
                settings.place("routes", index, "name"),
            )


def _takes_all(earlier: RouteSettings, later: RouteSettings) -> bool:
    """Whether nothing is left for the later route. An earlier one that reads otherwise may pass records on."""
    if earlier.when or earlier.read != later.read:
        return False
    kinds = {KIND_OF_VIEW[view] for view in earlier.views}
    return kinds >= {KIND_OF_VIEW[view] for view in later.views} and _covers(earlier, later)


def _covers(earlier: RouteSettings, later: RouteSettings) -> bool:
    """Whether every topic of the later route is one of the earlier. Of two patterns only equal ones and `.*` are seen."""
    if later.topic is not None:
        return earlier.topic == later.topic or bool(earlier.pattern and earlier.pattern.fullmatch(later.topic))
    return earlier.pattern is not None and _text(earlier) in (_text(later), _EVERYTHING)


def _text(route: RouteSettings) -> str | None:
    return None if route.pattern is None else route.pattern.pattern


def _own_matched(settings: Settings) -> Iterator[Finding]:
    """Not wrong, as patterns pass our own topics over; but a reader of the configuration may think otherwise."""
    own = sorted(own_topics(settings))
    for index, route in enumerate(settings.routes):
        matched = [topic for topic in own if route.pattern and route.pattern.fullmatch(topic)]
        if matched:
            yield warning(
                f"the pattern of route {route.name} also matches output topics, which are passed over: {', '.join(matched)}",
                "narrow the pattern, so that it says what is read",
                settings.place("routes", index, "pattern"),
            )


def too_many_tokens(settings: Settings, longest: int | None, whose: str) -> Iterator[Finding]:
    """Contents that can't fit beside their policy: an ask of more than `longest` tokens is refused by `whose` limit."""
    for index, route in enumerate(settings.routes):
        tokens = route.limits.content_tokens
        if tokens is not None and longest is not None and tokens >= longest:
            yield warning(
                f"route {route.name} takes contents of {tokens:,} tokens, but policy, content and reply together must fit "
                f"into {whose}, {longest:,}",
                "set content_tokens well below it, or leave it out: then the model's context decides",
                settings.place("routes", index, "limits", "content_tokens"),
            )


def _content_tokens(settings: Settings) -> Iterator[Finding]:
    return too_many_tokens(settings, settings.engine.max_model_len, "engine.max_model_len")


def _expiry(settings: Settings) -> Iterator[Finding]:
    """An expiry that any hand-over of partitions reaches makes events abstain that nobody could have judged in time."""
    for index, route in enumerate(settings.routes):
        if route.expire_after is None:
            continue
        place = settings.place("routes", index, "expire_after")
        if route.expire_after <= settings.drain:
            yield warning(
                f"route {route.name} expires events after {span(route.expire_after)}, but handing a partition over may "
                f"alone take {span(settings.drain)} (drain): at every rebalance its events would abstain",
                "make expire_after longer than drain and the group's session timeout together",
                place,
            )
        if settings.kafka.start == "earliest":
            yield warning(
                f"route {route.name} expires events after {span(route.expire_after)}, but kafka.start is earliest: at the "
                f"first start all that is older than that abstains ({route.abstain})",
                "leave expire_after out until the backlog is judged, or start at a time or at latest",
                place,
            )


def _response(settings: Settings) -> Iterator[Finding]:
    """A time for answers, and a backlog that is past it."""
    for index, route in enumerate(settings.routes):
        if route.respond_by is not None and settings.kafka.start == "earliest":
            yield warning(
                f"route {route.name} has answers respond_by {span(route.respond_by)}, but kafka.start is earliest: at the "
                f"first start all that is older than that abstains ({route.abstain})",
                "leave respond_by out until the backlog is judged, or start at a time or at latest",
                settings.place("routes", index, "respond_by"),
            )


def _context_reread(settings: Settings) -> Iterator[Finding]:
    """After a restart, a context is as good as what was read again."""
    for index, route in enumerate(settings.routes):
        if route.context is not None and route.context.reread < route.context.last:
            yield warning(
                f"route {route.name} shows the last {route.context.last} messages of a key, but reads only "
                f"{route.context.reread} records of all keys again after a restart: most contexts would be empty then",
                "make context.reread a multiple of context.last: about as many records as come within context.within",
                settings.place("routes", index, "context", "reread"),
            )


def _readable_key(settings: Settings) -> Iterator[Finding]:
    """Unlike Kafka and the registry, servers for models mostly have no certificate: advice, not a refusal."""
    engine = settings.engine
    if not isinstance(engine, OpenAISettings) or engine.api_key is None:
        return
    address = urlsplit(engine.base_url)
    if address.scheme == "http" and address.hostname not in _LOCAL:
        yield warning(
            "engine.api_key is sent over http, where anybody on the way can read it, and the contents with it",
            "use an https address, or keep that way within a network of your own",
            settings.place("engine", "base_url"),
        )


def _unused(settings: Settings, policies: Mapping[str, Policy]) -> Iterator[Finding]:
    named = {policy for route in settings.routes for policy in route.policies}
    for policy in sorted(set(policies) - named):
        yield warning(
            f"policy {policy} is loaded, but no route uses it",
            "name it in a route's policies, or move its file out of the way",
            settings.place("policies"),
        )


def _clear_secrets(settings: Settings, origins: Origins) -> Iterator[Finding]:
    for loc in secrets(settings):
        if origins.in_clear(loc):
            name = "_".join(str(part) for part in loc if isinstance(part, str)).upper()
            variable = "".join(character if character.isalnum() else "_" for character in name)
            yield warning(
                f"{dotted(loc)} stands in the file in clear text",
                f"write ${{{variable}}} here and set that environment variable from a secret",
                origins.place(loc),
            )


def _unreachable_probes(settings: Settings, env: Mapping[str, str]) -> Iterator[Finding]:
    """A loopback address is right on a machine of one's own, and wrong in a pod."""
    telemetry = settings.telemetry
    if _POD in env and telemetry.http_port is not None and telemetry.http_host in _LOCAL:
        yield warning(
            f"metrics and health are served at {telemetry.http_host} alone: in a pod the kubelet's probes can't reach them",
            "set telemetry.http_host to 0.0.0.0",
            settings.place("telemetry", "http_host"),
        )
