"""What a running service can't take over: whatever the start has asked the cluster about, reserved or opened. Pure.

Each change is held against the settings of the start, not against those before it: so whatever was in force once can be
in force again.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from typing import TypeAlias

from stream_guard.config import Settings
from stream_guard.config.route import RouteSettings
from stream_guard.events.reader import Format
from stream_guard.marked_yaml import Finding, Loc, dotted

_RELOADED = frozenset({"policies", "routes"})
_RESTART = "needs a restart"
_AS_THEY_ARE = (Format.JSON, Format.TEXT)
_Input: TypeAlias = tuple[str | None, str | None]
"""A topic, or a pattern."""
_Found: TypeAlias = tuple[Loc, str]


def needs_restart(begun: Settings, now: Settings) -> list[Finding]:
    """What of `now` differs from the settings of the start and needs another one, each at its place in the file."""
    checks: tuple[Callable[[Settings, Settings], Iterator[_Found]], ...] = (
        _elsewhere,
        _inputs,
        _outputs,
        _formats,
        _sizes,
        _contexts,
    )
    return [(now.place(*loc), what) for check in checks for loc, what in check(begun, now)]


def _elsewhere(begun: Settings, now: Settings) -> Iterator[_Found]:
    before, after = begun.model_dump(exclude=set(_RELOADED)), now.model_dump(exclude=set(_RELOADED))
    for loc in _differences(before, after, ()):
        yield loc, f"{dotted(loc)} is not what it was at the start: to change it {_RESTART}"


def _differences(before: object, after: object, loc: Loc) -> Iterator[Loc]:
    """Where two values differ. Something of another kind (an engine) differs in its kind alone."""
    if not isinstance(before, Mapping) or not isinstance(after, Mapping):
        if before != after:
            yield loc
    elif before.get("kind") != after.get("kind"):
        yield *loc, "kind"
    else:
        for key in {**before, **after}:
            yield from _differences(before.get(key), after.get(key), (*loc, str(key)))


def _inputs(begun: Settings, now: Settings) -> Iterator[_Found]:
    """The topics that are read were resolved, attached and subscribed to."""
    known, before, after = _by_input(begun), _read(begun), _read(now)
    for index, route in enumerate(now.routes):
        source = _input(route)
        if source not in known or (route.subscribe and source not in before):
            field = "pattern" if route.topic is None else "topic"
            loc = ("routes", index, "subscribe" if source in known else field)
            yield loc, f"{_named(source)} was not read at the start: to read it {_RESTART}"
    for source in before:
        if source not in after:
            yield ("routes",), f"{_named(source)} is read, and no route takes its records any more: that {_RESTART}"


def _outputs(begun: Settings, now: Settings) -> Iterator[_Found]:
    """That a topic is there, and takes what will be written to it, was checked."""
    before = {
        source: {output for route in routes for output in _written(route)}
        for source, routes in _by_input(begun).items()
    }
    for index, route in enumerate(now.routes):
        for output in _written(route) - before.get(_input(route), _written(route)):
            loc, topic = output
            if topic is not None:
                yield (
                    ("routes", index, *loc),
                    f"{topic} was not checked for {'escalations' if loc[0] == 'escalate' else loc[-1]} of {_named(_input(route))} at the start: that {_RESTART}",
                )


def _formats(begun: Settings, now: Settings) -> Iterator[_Found]:
    """Values that are no JSON are decoded by what was opened at the start; of several routes the first says how."""
    before, after = _decoding(begun), _decoding(now)
    if before != after and not all(each[1] in _AS_THEY_ARE for each in (*before, *after)):
        index = next((n for n, route in enumerate(now.routes) if _reading(route) not in before), None)
        loc: Loc = ("routes",) if index is None else ("routes", index, "read")
        yield loc, f"another format, type or file of descriptors, or another first route to say so, {_RESTART}"


def _sizes(begun: Settings, now: Settings) -> Iterator[_Found]:
    """Room in the window is reserved for the largest record."""
    before = {source: max(route.limits.record_bytes for route in routes) for source, routes in _by_input(begun).items()}
    for index, route in enumerate(now.routes):
        most = before.get(_input(route))
        if most is not None and route.limits.record_bytes > most:
            yield (
                ("routes", index, "limits", "record_bytes"),
                f"room was reserved at the start for records of {most} bytes: for larger ones it {_RESTART}",
            )


def _contexts(begun: Settings, now: Settings) -> Iterator[_Found]:
    """How much is read again when a partition comes was settled."""
    before = {route.name: route.context for route in begun.routes}
    for index, route in enumerate(now.routes):
        if route.context != before.pop(route.name, None):
            yield (
                ("routes", index, "context"),
                f"route {route.name} has another context than at the start: that {_RESTART}",
            )
    for name, context in before.items():
        if context is not None:
            yield ("routes",), f"route {name}, which had a context at the start, is gone: that {_RESTART}"


def _by_input(settings: Settings) -> Mapping[_Input, list[RouteSettings]]:
    found: defaultdict[_Input, list[RouteSettings]] = defaultdict(list)
    for route in settings.routes:
        found[_input(route)].append(route)
    return dict(found)


def _read(settings: Settings) -> set[_Input]:
    """The inputs that are subscribed to."""
    return {_input(route) for route in settings.routes if route.subscribe}


def _written(route: RouteSettings) -> set[tuple[Loc, str | None]]:
    """The topics that a route writes to, each with its place in the route."""
    outputs: set[tuple[Loc, str | None]] = {(("outputs", output), topic) for output, topic in route.outputs}
    return outputs | {(("escalate", "topic"), route.escalate.topic)} if route.escalate else outputs


def _input(route: RouteSettings) -> _Input:
    return route.topic, None if route.pattern is None else route.pattern.pattern


def _named(source: _Input) -> str:
    topic, pattern = source
    return f"the pattern {pattern}" if topic is None else f"topic {topic}"


def _decoding(settings: Settings) -> list[tuple[_Input, Format, object]]:
    """How the values of each input are written, in the order of the routes."""
    return list(dict.fromkeys(map(_reading, settings.routes)))


def _reading(route: RouteSettings) -> tuple[_Input, Format, object]:
    return _input(route), route.read.format, (route.read.descriptors, route.read.message)
