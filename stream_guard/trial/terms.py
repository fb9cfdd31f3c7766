"""What is tried: which topic, under which policies, and what of a route's terms makes no sense for a sample."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from msgspec.structs import replace

from stream_guard.attaching import selection
from stream_guard.config import Settings, build_routes
from stream_guard.config.route import RouteSettings
from stream_guard.errors import ConfigError, Place
from stream_guard.policy.document import Policy, PolicyId
from stream_guard.policy.load import load_policies
from stream_guard.prompting.port import Renderer
from stream_guard.routing import Publish, Route, Routes
from stream_guard.trial.transcript import OUTPUTS


class Terms(NamedTuple):
    """The routes as they are tried, and in what they differ from those of the service."""

    routes: Routes
    notes: tuple[str, ...]


def topic_of(settings: Settings, named: str | None) -> str:
    """The topic to try: the named one, else the first that a route names. Raises ConfigError where no route reads it."""
    exact = [route.topic for route in settings.routes if route.topic is not None]
    if named is None:
        if not exact:
            raise ConfigError((Place("--topic"), f"is needed: no route names its topic ({_readable(settings)})"))
        return exact[0]
    if named not in exact and named not in selection(settings).among([named]):
        raise ConfigError((Place("--topic"), f"no route reads {named!r}: {_readable(settings)}"))
    return named


def policies_of(settings: Settings, named: Sequence[str]) -> tuple[Settings, Mapping[PolicyId, Policy]]:
    """The settings and policies, each route under the `named` policies instead of its own where there are any.

    A name is a file, a folder, or the id of a policy that the configuration loads. Raises ConfigError.
    """
    known = load_policies(settings.policies)
    if not named:
        return settings, known
    chosen: list[PolicyId] = []
    for name in named:
        path = Path(name)
        if path.exists():
            found = load_policies([path])
        elif name in known:
            found = {known[name].id: known[name]}
        else:
            raise ConfigError((Place("--policy"), f"{name!r} is no file, and no policy of {', '.join(sorted(known))}"))
        known |= found
        chosen += [policy for policy in found if policy not in chosen]
    routes = tuple(_under(route, tuple(chosen)) for route in settings.routes)
    return settings.model_copy(update={"routes": routes}), known


def _under(route: RouteSettings, chosen: tuple[PolicyId, ...]) -> RouteSettings:
    """A route under other policies. What it says of those that are not among them is left out."""
    groups = [tuple(policy for policy in group if policy in chosen) for group in route.packed]
    update: dict[str, Any] = {"policies": chosen, "packed": tuple(group for group in groups if len(group) > 1)}
    if route.escalate is not None and route.escalate.when.policies is not None:
        named = tuple(policy for policy in route.escalate.when.policies if policy in chosen)
        when = route.escalate.when.model_copy(update={"policies": named or None})
        update["escalate"] = route.escalate.model_copy(update={"when": when})
    return route.model_copy(update=update)


def terms_of(
    settings: Settings, policies: Mapping[PolicyId, Policy], renderer: Renderer, topic: str, *, rationale: bool
) -> Terms:
    """The routes that read the topic, as they are tried.

    A sample of hours is judged in seconds: what depends on when a record comes would say nothing of the service.
    """
    reading = [route for route in build_routes(settings, policies, renderer).all if route.topic.fullmatch(topic)]
    notes = []
    if any(route.expire_after_s is not None for route in reading):
        notes.append("expire_after is not applied: a sample is old")
    if any(route.terms.respond_by_s is not None for route in reading):
        notes.append("respond_by is not applied: a sample is old")
    if any(route.terms.quota is not None for route in reading):
        notes.append("quotas are not applied: a sample of hours is judged in seconds")
    if any(route.escalation is not None and route.escalation.topic is not None for route in reading):
        notes.append("nothing is escalated to another deployment: what would be is judged here for good")
    if reread := [route.context.reread for route in reading if route.context is not None]:
        notes.append(f"context goes back {max(reread):,} records before the sample at most")
    return Terms(Routes([_tried(route, rationale=rationale) for route in reading]), tuple(notes))


def _tried(route: Route, *, rationale: bool) -> Route:
    return replace(
        route,
        outputs=OUTPUTS if rationale else replace(OUTPUTS, rationale=None),
        publish=Publish.ALL,
        expire_after_s=None,
        terms=replace(route.terms, quota=None, respond_by_s=None),
        escalation=None if route.escalation is None or route.escalation.topic is not None else route.escalation,
    )


def _readable(settings: Settings) -> str:
    names = sorted({route.topic for route in settings.routes if route.topic is not None})
    patterns = sorted({route.pattern.pattern for route in settings.routes if route.pattern is not None})
    parts = [f"the routes read {', '.join(names)}"] if names else []
    parts += [f"{'and ' if names else 'the routes read '}what matches {' or '.join(patterns)}"] if patterns else []
    return " ".join(parts)
