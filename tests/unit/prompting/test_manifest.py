from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from stream_guard.errors import ModelError
from stream_guard.prompting.manifest import model_manifest, read_json


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A model folder with the smallest files that count."""
    for name in ("config.json", "tokenizer.json", "generation_config.json"):
        (tmp_path / name).write_text("{}")
    (tmp_path / "chat_template.jinja").write_text("{{ messages }}")
    (tmp_path / "model.safetensors").write_bytes(b"weights")
    return tmp_path


def manifest_of(folder: Path) -> str:
    """The manifest with all weights that are there."""
    return model_manifest(folder, [path.name for path in folder.glob("*.safetensors")])


def test_the_manifest_is_the_same_wherever_the_folder_lies(folder: Path) -> None:
    """Only names and contents count, not paths or times."""
    before = manifest_of(folder)
    moved = folder.rename(folder.with_name("moved"))
    assert manifest_of(moved) == before


CHANGES: dict[str, Callable[[Path], object]] = {
    "config": lambda folder: (folder / "config.json").write_text('{"a": 1}'),
    "tokenizer": lambda folder: (folder / "tokenizer.json").write_text('{"a": 1}'),
    "generation": lambda folder: (folder / "generation_config.json").unlink(),
    "template": lambda folder: (folder / "chat_template.jinja").write_text("other"),
    "index": lambda folder: (folder / "model.safetensors.index.json").write_text("{}"),
    "bytes": lambda folder: (folder / "model.safetensors").write_bytes(b"WEIGHTS"),
    "size": lambda folder: (folder / "model.safetensors").write_bytes(b"more weights"),
    "name": lambda folder: (folder / "model.safetensors").rename(folder / "model-1.safetensors"),
    "shard": lambda folder: (folder / "model-2.safetensors").write_bytes(b""),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_each_part_counts(folder: Path, change: Callable[[Path], object]) -> None:
    """Every file of the model that shapes its judgement changes the manifest."""
    before = manifest_of(folder)
    change(folder)
    assert manifest_of(folder) != before


def test_a_change_anywhere_in_large_weights_is_likely_seen(tmp_path: Path) -> None:
    """Another training moves nearly every weight: of two files of one size, blocks from all over are compared."""
    weights = tmp_path / "model.safetensors"
    weights.write_bytes(bytes(3_000_000))
    before = model_manifest(tmp_path, ["model.safetensors"])
    weights.write_bytes(b"\x01".join([bytes(9)] * 300_000)[:3_000_000])
    assert model_manifest(tmp_path, ["model.safetensors"]) != before


@pytest.mark.parametrize("at", [0, 65_535, 500_000, 1_048_575])
def test_small_weights_count_whole(tmp_path: Path, at: int) -> None:
    """Up to a mebibyte, every byte does."""
    weights = tmp_path / "model.safetensors"
    weights.write_bytes(bytes(1_048_576))
    before = model_manifest(tmp_path, ["model.safetensors"])
    weights.write_bytes(bytes(at) + b"\x01" + bytes(1_048_575 - at))
    assert model_manifest(tmp_path, ["model.safetensors"]) != before


def test_weights_that_are_not_there_are_refused(tmp_path: Path) -> None:
    """The file is named."""
    with pytest.raises(ModelError, match=r"gone\.safetensors: No such file"):
        model_manifest(tmp_path, ["gone.safetensors"])


def test_json_of_a_folder_that_is_none(tmp_path: Path) -> None:
    """A path that is a folder can't be read."""
    with pytest.raises(ModelError, match="Is a directory"):
        read_json(tmp_path)
