"""Where the policies that ship lie: package data in a wheel, the top of the repository in a checkout."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

import stream_guard
from stream_guard.errors import ConfigError, Place

_FOLDER = "policies"


def shipped_policies() -> Path:
    """The folder with the policies that ship. Raises ConfigError where this installation holds none."""
    in_wheel = Path(str(files(stream_guard) / _FOLDER))
    if in_wheel.is_dir():
        return in_wheel
    checkout = Path(stream_guard.__file__).resolve().parents[1]
    # Beside an installed package, a folder of that name would be somebody else's.
    if (checkout / "pyproject.toml").is_file() and (checkout / _FOLDER).is_dir():
        return checkout / _FOLDER
    raise ConfigError((Place(str(in_wheel)), "the policies that ship are missing: install stream-guard again"))
