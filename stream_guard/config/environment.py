"""Environment variables, laid over a configuration file: `STREAM_GUARD_KAFKA__GROUP` overrides `kafka.group`."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from pydantic_settings import EnvSettingsSource
from pydantic_settings.exceptions import SettingsError

from stream_guard.config.settings import ENV_NESTING, ENV_PREFIX, Settings
from stream_guard.errors import ConfigError, Place
from stream_guard.marked_yaml import Document, Loc

_OPTION_MAPS = ("client", "client_files", "consumer", "producer")


def overlay(document: Document, env: Mapping[str, str], unread: Collection[str] = ()) -> Document:
    """The document with the environment's overrides, each placed at its variable, but of sections in `unread`. Raises ConfigError.

    An unknown name is an error where it is nested (has `__`). Others are passed over: Kubernetes sets variables like
    `STREAM_GUARD_PORT` by itself for a service of that name. librdkafka's options are written with `_` for `.`
    (`STREAM_GUARD_KAFKA__CLIENT__SASL_PASSWORD`).
    """
    names = {name: _loc(name) for name in env if name.upper().startswith(ENV_PREFIX)}
    names = {name: loc for name, loc in names.items() if loc[0] not in unread}
    unknown = [name for name, loc in names.items() if len(loc) > 1 and loc[0] not in Settings.model_fields]
    if unknown:
        raise ConfigError(*((_place(name), "no setting has this name") for name in sorted(unknown)))
    places = dict(document.places)
    for name, loc in sorted(names.items()):
        if loc[0] in Settings.model_fields:
            places = {known: place for known, place in places.items() if known[: len(loc)] != loc}
            places |= {loc[:depth]: _place(name) for depth in range(1, len(loc) + 1) if loc[:depth] not in places}
    return Document(document.file, _merged(document.values, _overrides({name: env[name] for name in names})), places)


def _overrides(env: Mapping[str, str]) -> dict[str, Any]:
    if unread := [name for name in sorted(env) if _values({name: env[name]}) is None]:
        raise ConfigError(*((_place(name), f"{_dots(name)} must be JSON") for name in unread))
    values = _values(env) or {}
    if isinstance(kafka := values.get("kafka"), dict):
        values["kafka"] = {key: _dotted(value) if key in _OPTION_MAPS else value for key, value in kafka.items()}
    return values


def _values(env: Mapping[str, str]) -> dict[str, Any] | None:
    """The settings in these variables, None where a list or mapping is not JSON."""
    source = EnvSettingsSource(Settings)
    source.env_vars = {name.lower(): value for name, value in env.items()}
    try:
        return source()
    except SettingsError:  # not kept as a cause: it holds the value, maybe a secret
        return None


def _dots(name: str) -> str:
    return ".".join(map(str, _loc(name)))


def _dotted(options: object) -> object:
    return {key.replace("_", "."): value for key, value in options.items()} if isinstance(options, dict) else options


def _loc(name: str) -> Loc:
    parts = name[len(ENV_PREFIX) :].lower().split(ENV_NESTING)
    if parts[0] == "kafka" and len(parts) > 2 and parts[1] in _OPTION_MAPS:  # noqa: PLR2004 - section, map, option
        parts[2:] = [part.replace("_", ".") for part in parts[2:]]
    return tuple(parts)


def _place(name: str) -> Place:
    return Place(f"environment variable {name}")


def _merged(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(below)
    for key, value in above.items():
        under = below.get(key)
        merged[key] = _merged(under, value) if isinstance(under, dict) and isinstance(value, dict) else value
    return merged
