"""From a file and the environment to settings, or to all that is wrong with them, each finding at its place."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from stream_guard.config.checks import contradictions, contradictions_of_judge
from stream_guard.config.document import read_document
from stream_guard.config.engine import SMALL_MODEL, EngineSettings, OpenAISettings, ScriptedSettings, VllmSettings
from stream_guard.config.environment import overlay
from stream_guard.config.escalation import EscalateSettings, EscalationSettings, TriggerSettings
from stream_guard.config.judge import UNREAD, JudgeSettings
from stream_guard.config.kafka import KafkaSettings
from stream_guard.config.mapping import (
    ChatSettings,
    CompletionSettings,
    MessageSettings,
    ShapeConditionSettings,
    ShapeSettings,
)
from stream_guard.config.profiles import is_file, load_profile, misfit
from stream_guard.config.reading import ReadSettings
from stream_guard.config.registry import RegistrySettings
from stream_guard.config.route import ConditionSettings, LimitSettings, OutputSettings, RouteSettings
from stream_guard.config.settings import JudgingSettings, Settings, TelemetrySettings, WindowSettings
from stream_guard.config.terms import ContextSettings, LongSettings, QuotaSettings
from stream_guard.errors import ConfigError
from stream_guard.marked_yaml import Document, Finding, Loc, dotted

_MODELS: tuple[type[BaseModel], ...] = (
    Settings, KafkaSettings, VllmSettings, OpenAISettings, ScriptedSettings, RouteSettings, ConditionSettings,
    OutputSettings, LimitSettings, WindowSettings, JudgingSettings, TelemetrySettings, ReadSettings, RegistrySettings,
    ContextSettings, LongSettings, QuotaSettings, ShapeSettings, ShapeConditionSettings, MessageSettings, ChatSettings,
    CompletionSettings, EscalateSettings, EscalationSettings, TriggerSettings,
)  # fmt: skip
_KEYS = sorted({name for model in _MODELS for name in model.model_fields})

S = TypeVar("S", bound=BaseModel)


def load_config(path: Path, env: Mapping[str, str]) -> Settings:
    """Reads the configuration.

    1. the YAML file, references to `env` resolved; 2. `env`'s overrides; 3. the shape of each setting; 4. what settings
    mean together. Raises ConfigError with every finding of the first step that has any.
    """
    settings, findings = examine_config(path, env)
    if findings:
        raise ConfigError(*findings)
    return settings


def examine_config(path: Path, env: Mapping[str, str]) -> tuple[Settings, list[Finding]]:
    """The same, but what is found in step 4 is returned beside the settings, which must not be run with then."""
    document = overlay(read_document(path, env), env)
    settings = _relative_to(path.absolute().parent, _shaped(Settings, document))
    settings._document = Document(document.file, {}, document.places)  # noqa: SLF001 - the loader alone knows the places
    findings = [(document.place(loc), what) for loc, what in contradictions(settings)]
    return settings, findings + _missing_files(settings) + _wrong_profile(settings.engine, document)


def load_judge(path: Path, env: Mapping[str, str]) -> JudgeSettings:
    """Reads what of a configuration says who judges, and how. What its other sections hold is no matter, nor if they are there.

    Raises ConfigError as `load_config` does; a name that is no section at all is refused here, too.
    """
    document = overlay(read_document(path, env, UNREAD), env, UNREAD)
    settings, folder = _shaped(JudgeSettings, document), path.absolute().parent
    findings = [(document.place(loc), what) for loc, what in contradictions_of_judge(settings)]
    engine = _engine_beside(folder, settings.engine)
    if findings := findings + _wrong_profile(engine, document):
        raise ConfigError(*findings)
    return settings.model_copy(update={"engine": engine, "policies": _beside(folder, settings.policies)})


def _shaped(model: type[S], document: Document) -> S:
    try:
        return model.model_validate(document.values)
    except ValidationError as error:
        errors = error.errors()
    # Raised out here, without the cause: that holds the inputs, secrets among them.
    findings = [
        _finding(document, item["loc"], item["type"], item["msg"]) for item in errors if not _follows(item, errors)
    ]
    raise ConfigError(*findings)


def _follows(error: ErrorDetails, errors: Sequence[ErrorDetails]) -> bool:
    """Whether a list is too short only because one of its items is wrong."""
    loc = error["loc"]
    return error["type"] == "too_short" and any(e["loc"][: len(loc)] == loc and e["loc"] != loc for e in errors)


def _finding(document: Document, loc: Sequence[str | int], kind: str, message: str) -> Finding:
    place, what = document.finding(loc, kind, message, _path(loc))
    if kind == "extra_forbidden" and (near := difflib.get_close_matches(str(loc[-1]), _KEYS, n=1)):
        what += f"; did you mean {near[0]}?"
    return place, what


def _path(loc: Sequence[str | int]) -> str:
    """The setting's name; without the tag of an engine, which is no part of the file."""
    return dotted([part for index, part in enumerate(loc) if not (index == 1 and loc[0] == "engine" and len(loc) > 2)])  # noqa: PLR2004


def _relative_to(folder: Path, settings: Settings) -> Settings:
    """Paths in the file are relative to the folder in which it is named. Where that name links to is no matter: Kubernetes swaps it."""
    registry = settings.schema_registry
    whole: dict[str, Any] = {
        "kafka": settings.kafka.beside(folder),
        "engine": _engine_beside(folder, settings.engine),
        "policies": _beside(folder, settings.policies),
        "routes": tuple(_route_beside(folder, route) for route in settings.routes),
        "state_dir": None if settings.state_dir is None else folder / settings.state_dir,
        "schema_registry": None if registry is None else registry.beside(folder),
    }
    return settings.model_copy(update=whole)


def _engine_beside(folder: Path, engine: EngineSettings) -> EngineSettings:
    changes: dict[str, Any] = {}
    if isinstance(engine, VllmSettings | OpenAISettings) and engine.profile is not None and is_file(engine.profile):
        changes["profile"] = str(folder / engine.profile)
    if isinstance(engine, VllmSettings) and engine.model != SMALL_MODEL:
        changes["model"] = str(folder / engine.model)
    if isinstance(engine, OpenAISettings) and engine.tokenizer is not None:
        changes["tokenizer"] = folder / engine.tokenizer
    return engine.model_copy(update=changes)


def _beside(folder: Path, paths: Sequence[Path]) -> tuple[Path, ...]:
    return tuple(folder / path for path in paths)


def _wrong_profile(engine: EngineSettings, document: Document) -> list[Finding]:
    """What is wrong in the profile that is named, at its place in that file, or with naming it here."""
    place = document.place(("engine", "profile"))
    if isinstance(engine, ScriptedSettings) or engine.profile is None:
        return []
    try:
        profile = load_profile(engine.profile)
    except ConfigError as wrong:
        return [(found, what) if found.line is not None else (place, what) for found, what in wrong.findings]
    return [(place, problem)] if (problem := misfit(engine, profile)) is not None else []


def _route_beside(folder: Path, route: RouteSettings) -> RouteSettings:
    read = route.read
    if read.descriptors is None:
        return route
    return route.model_copy(update={"read": read.model_copy(update={"descriptors": folder / read.descriptors})})


def _missing_files(settings: Settings) -> list[Finding]:
    findings = [
        (settings.place("policies", index), f"there is no file or directory {path}")
        for index, path in enumerate(settings.policies)
        if not path.exists()
    ]
    for loc, path in _named_files(settings):
        if not path.is_file():
            findings.append((settings.place(*loc), f"there is no file {path}"))
    return findings


def _named_files(settings: Settings) -> Iterator[tuple[Loc, Path]]:
    if settings.schema_registry is not None:
        for name, path in settings.schema_registry.files():
            yield ("schema_registry", name), path
    for index, route in enumerate(settings.routes):
        if route.read.descriptors is not None:
            yield ("routes", index, "read", "descriptors"), route.read.descriptors
