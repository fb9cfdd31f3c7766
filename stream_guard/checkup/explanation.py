"""A configuration in words, and as it is in force. Pure."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Mapping
from pathlib import PurePath
from typing import Any

from msgspec import Struct

from stream_guard.checkup.words import counted, span
from stream_guard.config.dump import Line, yaml_lines
from stream_guard.config.reading import ReadSettings
from stream_guard.config.resolved import Origins, resolved
from stream_guard.config.route import ConditionSettings, RouteSettings
from stream_guard.config.settings import Settings
from stream_guard.editions.edition import edition_id
from stream_guard.events.model import View
from stream_guard.events.reader import Format
from stream_guard.marked_yaml import Loc, dotted
from stream_guard.policy.document import Policy
from stream_guard.routing import Ordering

_SHORT = 8
"""So many characters of a policy's version tell it from its neighbours."""
_WIDTH = 76
"""Columns of a comment."""
_VIEWS: Mapping[View, str] = {
    View.MESSAGE: "messages",
    View.MESSAGE_IN_CONTEXT: "messages in their context",
    View.LAST_TURN: "chats' last turns in their context",
    View.CHAT: "whole chats",
    View.COMPLETION: "completions",
}


class Explanation(Struct, frozen=True):
    """What a configuration comes to. No secret is in it."""

    edition: str
    """The hash of its routes and policies: what `/ready` of a service that runs them says."""
    values: Mapping[str, Any]
    """Every setting, defaults filled in."""
    origins: Mapping[str, str]
    """Where each value that is not a default came from, by its name."""
    routes: Mapping[str, str]
    """Each route in words, by its name."""

    def lines(self) -> Iterator[Line]:
        """The whole as YAML, with the rest as comments; the loader of configurations takes it."""
        routes = list(self.routes.values())

        def above(loc: Loc) -> list[str]:
            match loc:
                case ("routes", int(index)):
                    return textwrap.wrap(routes[index], _WIDTH, break_long_words=False, break_on_hyphens=False)
            return []

        yield Line("", f"edition {self.edition}")
        yield from yaml_lines(self.values, lambda loc: self.origins.get(dotted(loc), ""), above)


def explain(settings: Settings, policies: Mapping[str, Policy], origins: Origins) -> Explanation:
    """What a configuration comes to."""
    values = resolved(settings)
    return Explanation(
        edition=edition_id(settings, policies),
        values=values,
        origins={dotted(loc): origin for loc in _locs(values, ()) if (origin := _origin(origins, loc))},
        routes={route.name: describe_route(route, policies) for route in settings.routes},
    )


def describe_route(route: RouteSettings, policies: Mapping[str, Policy]) -> str:
    """One route as a sentence."""
    conditions = " and ".join(_condition(condition) for condition in route.when)
    named = ", ".join(_policy(policies[policy]) for policy in route.policies)
    named += "".join(f"; {' and '.join(group)} in one ask" for group in route.packed)
    that = f" that {conditions}," if conditions else ""
    return f"{_source(route)}, {_reading(route)},{that} are judged as {_views(route)} under {named}; {_outputs(route)}."


def _source(route: RouteSettings) -> str:
    records = "Records" if route.subscribe else "Escalated or redriven records"
    if route.topic is not None:
        return f"{records} of topic {route.topic}"
    return f"{records} of every topic that matches {route.pattern.pattern if route.pattern else ''}"


def _reading(route: RouteSettings) -> str:
    """How values become events."""
    read, words = route.read, []
    if read.format is not Format.JSON:
        words.append(f"as {read.format.replace('_', ' ')}")
    if read.message is not None:
        words.append(f"of type {read.message}")
    if read.envelope is not None:
        words.append(f"out of {read.envelope}")
    if not isinstance(read.mapping, str):
        words.append(f"by a mapping of {counted(len(read.mapping), 'shape')}")
    elif read.mapping != ReadSettings().mapping:
        words.append(f"by the mapping {read.mapping}")
    elif read.format is not Format.TEXT:
        words.append("as our own events" if words else "as our own events in JSON")
    return f"read {' '.join(words)}"


def _condition(condition: ConditionSettings) -> str:
    what = f"header {condition.header}" if condition.header is not None else str(condition.field)
    parts = []
    if condition.present is not None:
        parts.append(f"{'have' if condition.present else 'lack'} {what}")
    if condition.any_of is not None:
        parts.append(f"have {what} {' or '.join(condition.any_of)}")
    if condition.matches is not None:
        parts.append(f"have {what} that matches {condition.matches.pattern}")
    return " and ".join(parts)


def _views(route: RouteSettings) -> str:
    views = ", ".join(_VIEWS[view] for view in route.views)
    if route.context is None:
        return views
    context = route.context
    return f"{views} (the last {context.last} of the same {context.by} within {span(context.within)})"


def _policy(policy: Policy) -> str:
    return f"{policy.id} (version {policy.version[:_SHORT]}, effort {policy.effort}, {policy.output})"


def _outputs(route: RouteSettings) -> str:
    outputs = route.outputs
    which = "verdicts" if route.publish == "all" else "verdicts that do not allow"
    rationale = f", rationales to {outputs.rationale}" if outputs.rationale else ""
    order = ", those of one key in the order of its records" if route.ordering is Ordering.KEY else ""
    abstain = f"what can't be judged counts as {route.abstain}"
    return (
        f"{which} go to {outputs.verdicts}, rulings to {outputs.rulings}, dead letters to {outputs.dead_letters}"
        f"{rationale}{order}; {abstain}{_escalation(route)}"
    )


def _escalation(route: RouteSettings) -> str:
    """Which judgements go on, and where."""
    if route.escalate is None:
        return ""
    when, effort, words = route.escalate.when, route.escalate.effort, list[str]()
    where = f"asked again with effort {effort}" if effort else f"sent on to {route.escalate.topic}"
    if when.always:
        return f"; every judgement is {where}"
    if when.policies is not None:
        words.append(f"under {' or '.join(when.policies)}")
    if when.confidence is not None:
        words.append(f"of a stated confidence of {when.confidence} or less")
    if when.probability is not None:
        words.append(f"of a label's probability below {when.probability:g}")
    if when.categories is not None:
        words.append(f"in category {' or '.join(when.categories)}")
    if when.severity is not None:
        words.append(f"of severity {when.severity} or more")
    if when.effort is not None:
        words.append(f"under a policy of effort {when.effort} or more")
    return f"; judgements {', or '.join(words)} are {where}"


def _origin(origins: Origins, loc: Loc) -> str:
    """`guard.yaml:3` or the environment variable, and what the value refers to."""
    place = origins.place(loc)
    if place is None:
        return ""
    where = place.file if place.line is None else f"{PurePath(place.file).name}:{place.line}"
    return " ".join(
        [where.removeprefix("environment variable "), *(f"${{{name}}}" for name in origins.references(loc))]
    )


def _locs(value: object, loc: Loc) -> Iterator[Loc]:
    """Every scalar, and every list or mapping that is empty."""
    match value:
        case Mapping() if value:
            for key, inner in value.items():
                yield from _locs(inner, (*loc, key))
        case list() if value and any(isinstance(item, Mapping) for item in value):
            for index, inner in enumerate(value):
                yield from _locs(inner, (*loc, index))
        case _:
            yield loc
