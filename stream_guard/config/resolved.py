"""The configuration as it is in force: every default filled in, secrets masked, and where each value came from."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from enum import Enum
from pathlib import Path, PurePath
from typing import Any

from pydantic import SecretStr

from stream_guard.config.document import read_as_written
from stream_guard.config.references import references
from stream_guard.config.settings import Settings
from stream_guard.errors import Place
from stream_guard.events.linear import LinearPattern
from stream_guard.marked_yaml import Loc

MASK = "**********"
_PASSED_THROUGH = ("engine", "extra")
_SECRET = re.compile(r"password|passphrase|secret|token$|credential|api_?key|authorization", re.IGNORECASE)
"""Names of what is passed through to an engine, and may be a secret."""


def resolved(settings: Settings) -> dict[str, Any]:
    """All settings as plain values that JSON and YAML can hold; no secret is among them."""
    values: dict[str, Any] = _plain(settings.model_dump(), ())
    engine = values["engine"]
    return values | {"engine": {"kind": engine["kind"], **engine}}  # what it is comes first


def secrets(settings: Settings) -> Iterator[Loc]:
    """Where secrets stand."""
    return (loc for loc, value in _leaves(settings.model_dump(), ()) if _is_secret(value, loc))


class Origins:
    """Where the values of a configuration file came from, and by which references."""

    def __init__(self, settings: Settings, path: Path) -> None:
        self._settings = settings
        self._written = read_as_written(path).values
        self._file = str(path)

    def place(self, loc: Loc) -> Place | None:
        """Where a value was written, None where it is a default."""
        return self._settings.given_at(*loc)

    def references(self, loc: Loc) -> tuple[str, ...]:
        """The environment variables that a value of the file names."""
        text = self._text(loc)
        return references(text) if isinstance(text, str) else ()

    def in_clear(self, loc: Loc) -> bool:
        """Whether a value stands in the file itself, rather than in the environment."""
        place = self.place(loc)
        return place is not None and place.file == self._file and not self.references(loc)

    def __repr__(self) -> str:
        return f"Origins({self._file})"

    def _text(self, loc: Loc) -> object:
        place = self.place(loc)
        if place is None or place.file != self._file:
            return None
        value: Any = self._written
        for part in loc:
            try:
                value = value[part]
            except (KeyError, IndexError, TypeError):
                return None
        return value


def _plain(value: object, loc: Loc) -> Any:
    """A value without its type."""
    if isinstance(value, Mapping):
        return {str(key): _plain(inner, (*loc, str(key))) for key, inner in value.items()}
    if isinstance(value, tuple | list):
        return [_plain(inner, (*loc, index)) for index, inner in enumerate(value)]
    if _is_secret(value, loc):
        return MASK
    return next((write(value) for kind, write in _WRITTEN if isinstance(value, kind)), value)


_WRITTEN: Sequence[tuple[type, Callable[[Any], object]]] = (
    (Enum, lambda member: member.value),
    (re.Pattern, lambda pattern: pattern.pattern),
    (LinearPattern, lambda pattern: pattern.pattern),
    (PurePath, str),
    (datetime, datetime.isoformat),
)


def _leaves(value: object, loc: Loc) -> Iterator[tuple[Loc, object]]:
    match value:
        case Mapping():
            for key, inner in value.items():
                yield from _leaves(inner, (*loc, str(key)))
        case tuple() | list():
            for index, inner in enumerate(value):
                yield from _leaves(inner, (*loc, index))
        case _:
            yield loc, value


def _is_secret(value: object, loc: Loc) -> bool:
    """What is declared to be one; and of what is passed through to an engine, whatever is called or lies under such a name."""
    if isinstance(value, SecretStr):
        return True
    passed_through = loc[2:] if loc[:2] == _PASSED_THROUGH else ()
    names = (part for part in passed_through if isinstance(part, str))
    return value is not None and any(_SECRET.search(name) for name in names)
