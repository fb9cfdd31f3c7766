"""What can be said without the cluster: everything that is wrong in the files, and advice on what is right."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from msgspec import Struct

from stream_guard.checkup.finding import Finding, Report, error, ok, section
from stream_guard.checkup.lint import advise
from stream_guard.checkup.words import counted
from stream_guard.config import Settings, build_routes
from stream_guard.config.document import read_document
from stream_guard.config.environment import overlay
from stream_guard.config.load import examine_config
from stream_guard.config.reading import ReadSettings
from stream_guard.config.resolved import Origins
from stream_guard.documents import open_documents
from stream_guard.errors import ConfigError, StartRefused
from stream_guard.policy.document import Policy
from stream_guard.policy.load import load_policies
from stream_guard.prompting.plain import PlainRenderer


class Offline(Struct, frozen=True):
    """What was found, and what can be gone on with. `settings` is None where they must not be acted on."""

    report: Report
    settings: Settings | None
    policies: Mapping[str, Policy]


def check_files(path: Path, env: Mapping[str, str]) -> Offline:
    """Checks the configuration and all that it names. Never raises for what an operator wrote.

    1. the file, and the environment over it; 2. what settings mean together; 3. every policy file, even where the
    configuration is wrong but for them; 4. routes against policies; 5. advice.
    """
    settings, wrong = _settings(path, env)
    policies, broken = _policies([] if settings is None else settings.policies, path, env)
    if settings is not None and not broken and all(file.exists() for file in settings.policies):
        wrong = [*wrong, *_unbound(settings, policies)]
    advice = advise(settings, policies, Origins(settings, path), env) if settings is not None else []
    found = [*wrong, *broken, *advice]
    if settings is not None and not wrong and not broken:
        found = [ok(_checked(settings, policies)), *found]
    return Offline(Report((section("configuration", found),)), None if wrong else settings, policies)


def _settings(path: Path, env: Mapping[str, str]) -> tuple[Settings | None, list[Finding]]:
    try:
        settings, findings = examine_config(path, env)
    except ConfigError as raised:
        return None, _errors(raised)
    return settings, [error(what, place=place) for place, what in findings]


def _policies(paths: Sequence[Path], path: Path, env: Mapping[str, str]) -> tuple[Mapping[str, Policy], list[Finding]]:
    """The policies; those of a configuration that could not be read otherwise, where it at least says where they are."""
    named = [file for file in paths or _named(path, env) if file.exists()]  # missing ones were found already
    if not named:
        return {}, []
    try:
        return load_policies(named), []
    except ConfigError as raised:
        return {}, _errors(raised)


def _named(path: Path, env: Mapping[str, str]) -> list[Path]:
    try:
        named = overlay(read_document(path, env), env).values.get("policies")
    except ConfigError:
        return []
    folder = path.absolute().parent
    return [folder / name for name in named if isinstance(name, str)] if isinstance(named, list) else []


def _unbound(settings: Settings, policies: Mapping[str, Policy]) -> list[Finding]:
    """Routes that can't be made. The renderer is the simplest: the real one may need a model that is not on this machine."""
    try:
        documents = open_documents(settings, build_routes(settings, policies, PlainRenderer()))
    except ConfigError as raised:
        return _errors(raised)
    except StartRefused as refused:
        return [error(str(refused), place=settings.place("schema_registry"))]
    if documents is not None:
        documents.close()
    return []


def _errors(raised: ConfigError) -> list[Finding]:
    return [error(what, place=place) for place, what in raised.findings]


def _checked(settings: Settings, policies: Mapping[str, Policy]) -> str:
    routes, mappings = counted(len(settings.routes), "route"), counted(_mappings(settings), "mapping")
    return f"{routes}, {counted(len(policies), 'policy')} and {mappings} are right"


def _mappings(settings: Settings) -> int:
    """Routes that say where in a record an event is."""
    default = ReadSettings()
    return sum(
        (route.read.mapping, route.read.envelope) != (default.mapping, default.envelope) for route in settings.routes
    )
