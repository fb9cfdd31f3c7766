"""What makes a model itself, as one hash."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypeAlias

import msgspec

from stream_guard.errors import ModelError
from stream_guard.identity import digest

Json: TypeAlias = dict[str, Any]

_HASHED = (
    "config.json",
    "tokenizer.json",
    "tokenizer_config.json",
    "generation_config.json",
    "chat_template.jinja",
    "chat_template.json",
    "model.safetensors.index.json",
)
_SAMPLES = 16
_SAMPLE_BYTES = 65_536


def model_manifest(folder: Path, weights: Sequence[str]) -> str:
    """A hash of a model folder: its configuration, tokenizer, chat template and index, and a sample of its `weights`.

    Of each file of weights its name, its size and 16 blocks of 64 KiB from all over it count, as to read 60 GB would take
    minutes at every start. Training moves nearly every weight, so that another model of the same shape is told apart; who
    changes single weights on purpose is not found out. Raises ModelError where a file can't be read.
    """
    fields = [field for name in _HASHED for field in (name, _sha256(folder / name))]
    sampled = [field for name in sorted(weights) for field in (name, *_sampled(folder / name))]
    return digest("model", *fields, *sampled)


def _sha256(path: Path) -> str:
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else "-"
    except OSError as error:
        raise _unreadable(path, error) from error


def _sampled(path: Path) -> tuple[int, str]:
    """The size of a file, and the hash of its sample: of all of it where that is no more."""
    sample = hashlib.sha256()
    try:
        size = path.stat().st_size
        last = max(size - _SAMPLE_BYTES, 0)
        with path.open("rb") as file:
            for start in sorted({last * number // (_SAMPLES - 1) for number in range(_SAMPLES)}):
                file.seek(start)
                sample.update(file.read(_SAMPLE_BYTES))
    except OSError as error:
        raise _unreadable(path, error) from error
    return size, sample.hexdigest()


def read_json(path: Path) -> Json:
    """A JSON object of a model folder. Raises ModelError where it is missing or isn't one."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=Json)
    except OSError as error:
        raise _unreadable(path, error) from error
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise ModelError(f"{path}: {error}") from error


def _unreadable(path: Path, error: OSError) -> ModelError:
    return ModelError(f"{path}: {error.strerror or 'unreadable'}")
