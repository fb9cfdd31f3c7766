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


def test_the_manifest_is_the_same_wherever_the_folder_lies(folder: Path) -> None:
    """Only names and contents count, not paths or times."""
    before = model_manifest(folder)
    moved = folder.rename(folder.with_name("moved"))
    assert model_manifest(moved) == before


CHANGES: dict[str, Callable[[Path], object]] = {
    "config": lambda folder: (folder / "config.json").write_text('{"a": 1}'),
    "tokenizer": lambda folder: (folder / "tokenizer.json").write_text('{"a": 1}'),
    "generation": lambda folder: (folder / "generation_config.json").unlink(),
    "template": lambda folder: (folder / "chat_template.jinja").write_text("other"),
    "size": lambda folder: (folder / "model.safetensors").write_bytes(b"more weights"),
    "name": lambda folder: (folder / "model.safetensors").rename(folder / "model-1.safetensors"),
    "shard": lambda folder: (folder / "model-2.safetensors").write_bytes(b""),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_each_part_counts(folder: Path, change: Callable[[Path], object]) -> None:
    """Every file of the model that shapes its judgement changes the manifest."""
    before = model_manifest(folder)
    change(folder)
    assert model_manifest(folder) != before


BREAKAGES: dict[str, tuple[Callable[[Path], object], str]] = {
    "no config": (lambda folder: (folder / "config.json").unlink(), "config.json: No such file"),
    "no tokenizer": (lambda folder: (folder / "tokenizer.json").unlink(), "tokenizer.json: no such file"),
    "no weights": (lambda folder: (folder / "model.safetensors").unlink(), "no weights"),
    "pickled weights": (
        lambda folder: (folder / "model.safetensors").rename(folder / "pytorch_model.bin"),
        "must be safetensors, found pytorch_model.bin",
    ),
    "gguf": (lambda folder: (folder / "model.safetensors").rename(folder / "model.gguf"), "found model.gguf"),
    "remote code": (lambda folder: (folder / "config.json").write_text('{"auto_map": {}}'), "would run code"),
    "not JSON": (lambda folder: (folder / "config.json").write_text("{"), "config.json: "),
    "not an object": (lambda folder: (folder / "config.json").write_text("[]"), "config.json: "),
    "not UTF-8": (lambda folder: (folder / "config.json").write_bytes(b'{"\xff": 1}'), "config.json: "),
}


@pytest.mark.parametrize(("breakage", "message"), BREAKAGES.values(), ids=BREAKAGES)
def test_a_folder_that_cannot_be_used_is_refused(
    folder: Path, breakage: Callable[[Path], object], message: str
) -> None:
    """What is missing, pickled, or would run code of its own is refused in a sentence that names the file."""
    breakage(folder)
    with pytest.raises(ModelError, match=message):
        model_manifest(folder)


def test_json_of_a_folder_that_is_none(tmp_path: Path) -> None:
    """A path that is a folder can't be read."""
    with pytest.raises(ModelError, match="Is a directory"):
        read_json(tmp_path)
