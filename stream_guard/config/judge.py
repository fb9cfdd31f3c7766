"""What of the configuration says who judges, and how: all that it takes to try a policy, without a cluster to read from."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

from stream_guard.config.engine import EngineSettings
from stream_guard.config.model import Model
from stream_guard.config.route import RouteSettings
from stream_guard.config.settings import JudgingSettings, Settings, WindowSettings


class Judge(Protocol):
    """Settings that an engine can be opened by, whatever else they say."""

    @property
    def engine(self) -> EngineSettings:
        """Who judges."""

    @property
    def window(self) -> WindowSettings:
        """What may be in flight at once."""

    @property
    def judging(self) -> JudgingSettings:
        """How long a case is tried."""


class JudgeSettings(Model):
    """These sections of the configuration. Its others may be missing, wrong, or name what only a cluster has."""

    engine: EngineSettings
    """Who judges."""
    policies: tuple[Path, ...] = ()
    """Policy files, or directories of them, where the author names none."""
    routes: tuple[RouteSettings, ...] = ()
    """In which views they judge under each policy. None: in the view that suits an example best."""
    window: WindowSettings = WindowSettings()
    """What may be in flight at once."""
    judging: JudgingSettings = JudgingSettings()
    """How long a case is tried."""


UNREAD = frozenset(Settings.model_fields) - frozenset(JudgeSettings.model_fields)
"""The other sections. A name that is none of either is a slip, and refused."""
