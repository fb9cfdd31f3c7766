"""What makes a model itself, as one hash; and the refusal of folders that could run code when they are loaded."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any, TypeAlias

import msgspec

from stream_guard.errors import ModelError
from stream_guard.identity import digest

Json: TypeAlias = dict[str, Any]

_REQUIRED = ("config.json", "tokenizer.json")
_HASHED = (*_REQUIRED, "tokenizer_config.json", "generation_config.json", "chat_template.jinja", "chat_template.json")


def model_manifest(folder: Path) -> str:
    """A hash of a model folder: its configuration, tokenizer and chat template, and names and sizes of its weights.

    The weights themselves are not read: a 120b model holds 60 GB, which would take minutes at every start. Two sets of
    weights of the same names and sizes are therefore told apart only by what stands beside them; put the revision in
    the folder's configuration where that matters. Raises ModelError where a file is missing, the weights aren't
    safetensors, or loading the model would run code of its own.
    """
    configuration = read_json(folder / "config.json")
    if "auto_map" in configuration:
        raise ModelError(f"{folder / 'config.json'}: has auto_map, so loading the model would run code from its folder")
    if not (folder / "tokenizer.json").is_file():
        raise ModelError(f"{folder / 'tokenizer.json'}: no such file")
    fields = [field for name in _HASHED for field in (name, _sha256(folder / name))]
    weights = [field for path in _weights(folder) for field in (path.name, path.stat().st_size)]
    return digest("model", *fields, *weights)


def _weights(folder: Path) -> list[Path]:
    weights = sorted(folder.glob("*.safetensors"))
    if weights:
        return weights
    others = sorted(path.name for suffix in ("*.bin", "*.pt", "*.pth", "*.gguf") for path in folder.glob(suffix))
    if others:
        raise ModelError(f"{folder}: the weights must be safetensors, found {', '.join(others)}")
    raise ModelError(f"{folder}: no weights (*.safetensors)")


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else "-"


def read_json(path: Path) -> Json:
    """A JSON object of a model folder. Raises ModelError where it is missing or isn't one."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=Json)
    except OSError as error:
        raise ModelError(f"{path}: {error.strerror or 'unreadable'}") from error
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise ModelError(f"{path}: {error}") from error
