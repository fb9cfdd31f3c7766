"""The configuration that a command is given, or finds where it is run."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from stream_guard.config import JudgeSettings, Settings

DEFAULT_CONFIG = Path("guard.yaml")
"""What `stream-guard init` writes."""


def found(path: Path) -> Path:
    """The path. Raises ConfigError where none was named and none is there; it says how to make a file."""
    from stream_guard.errors import ConfigError, Place

    if path == DEFAULT_CONFIG and not path.exists():
        what = (
            "there is no such file here: name one with -c, or let `stream-guard init` write one from a topic's records"
        )
        raise ConfigError((Place(str(path)), what))
    return path


def configured(path: Path) -> Settings:
    """The settings in a file. Raises ConfigError with all that is wrong."""
    from stream_guard.config import load_config

    return load_config(found(path), os.environ)


def judge_of(path: Path) -> JudgeSettings:
    """What settings in a file say of who judges, whatever else they say. Raises ConfigError with all that is wrong."""
    from stream_guard.config import load_judge

    return load_judge(found(path), os.environ)
