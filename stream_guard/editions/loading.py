"""From the files to the next edition, or to all that keeps it from taking the place of the one in force."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TypeAlias

from stream_guard.config import Settings
from stream_guard.config.load import examine_config
from stream_guard.editions.changes import needs_restart
from stream_guard.editions.edition import Edition, compose
from stream_guard.editions.files import Files
from stream_guard.errors import ConfigError, Place, StreamGuardError
from stream_guard.judging.fitting import fixed_tokens
from stream_guard.marked_yaml import Finding
from stream_guard.policy.document import Policy, PolicyId
from stream_guard.policy.load import load_policies
from stream_guard.prompting.port import Renderer, Template

Refused: TypeAlias = tuple[Finding, ...]
"""Why what stands in the files is not taken over."""


class ConfigFile:
    """The configuration file, and the environment that goes over it."""

    def __init__(self, path: Path, env: Mapping[str, str]) -> None:
        self.path = path
        self.env = env

    def __repr__(self) -> str:
        """An environment may hold secrets."""
        return f"ConfigFile({self.path})"


class Loader:
    """Looks at the files of an edition, and reads the next one. Blocks: a thread's work, one call at a time.

    `begun` is the edition of the start, `context_tokens` the model's context, 0 where it is unknown.
    """

    def __init__(self, file: ConfigFile, begun: Edition, renderer: Renderer, context_tokens: int) -> None:
        self._file = file
        self._begun = begun
        self._renderer = renderer
        self._context_tokens = context_tokens
        self._in_force = begun
        self._files = Files(file.path, *begun.settings.policies)

    def next(self) -> Edition | Refused | None:
        """What is new in the files, None where nothing is; the second call tells what stands there at all.

        In order: 1. the files hold something else than before, and two looks agree; 2. it is read; 3. they hold that still,
        and no other files are named than those that were looked at. Else a later call sees to it.
        """
        contents = self._files.look()
        if contents is None:
            return None
        paths = self._files.paths
        found = self._load()
        if self._files.paths != paths or self._files.read() != contents:
            return None
        self._files.take(contents)
        if isinstance(found, Edition):
            self._in_force = found
        return found

    @property
    def settles(self) -> bool:
        """Whether the next call may tell something: it is worth to be soon."""
        return self._files.settles

    def _load(self) -> Edition | Refused:
        try:
            return self._edition()
        except ConfigError as error:
            return error.findings
        except StreamGuardError as error:
            return ((Place(str(self._file.path)), str(error)),)
        except OSError as error:
            return ((Place(str(error.filename or self._file.path)), f"can't be read: {error.strerror}"),)
        except Exception as error:  # noqa: BLE001 - whatever a document does to a reader, the last good edition stays
            return ((Place(str(self._file.path)), f"can't be loaded: {type(error).__name__}"),)

    def _edition(self) -> Edition | Refused:
        settings, findings = examine_config(self._file.path, self._file.env)
        self._watch(settings)
        if findings:
            return tuple(findings)
        findings = needs_restart(self._begun.settings, settings)
        policies, wrong = _policies(settings)
        if findings or wrong:
            return (*findings, *wrong)
        known = self._in_force.routes.templates
        edition = compose(settings, policies, self._renderer, known)
        return tuple(self._unfit(edition, known)) or edition

    def _watch(self, settings: Settings) -> None:
        """Until it is taken over, both are looked at: what is wrong may be mended in either's files."""
        named = [route.read.descriptors for route in settings.routes if route.read.descriptors is not None]
        paths = (self._file.path, *self._in_force.settings.policies, *settings.policies, *named)
        self._files.paths = tuple(dict.fromkeys(paths))

    def _unfit(self, edition: Edition, known: tuple[Template, ...]) -> Iterator[Finding]:
        """Policies under which every case would abstain as too long."""
        for template in edition.routes.templates if self._context_tokens else ():
            taken = fixed_tokens(template) + template.reply_tokens
            if template not in known and taken >= self._context_tokens:
                what = f"policy {template.asked.id} and the reply take {taken} tokens of {self._context_tokens}"
                yield edition.settings.place("policies"), f"{what}: that leaves no room for a content"


def _policies(settings: Settings) -> tuple[Mapping[PolicyId, Policy], tuple[Finding, ...]]:
    try:
        return load_policies(settings.policies), ()
    except ConfigError as error:
        return {}, error.findings
