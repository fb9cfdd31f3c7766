"""Where the small model comes from."""

from __future__ import annotations

import importlib.util
import subprocess
from importlib.metadata import PackageNotFoundError
from pathlib import Path
from typing import Any

import pytest

from stream_guard.engines import small_model
from stream_guard.engines.small_model import small_model_folder
from stream_guard.errors import ModelError


@pytest.fixture
def cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """An empty cache of the user's, with the package installed."""
    monkeypatch.delenv("STREAM_GUARD_SMALL_MODEL", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(small_model, "version", lambda _: "0.1.2")
    monkeypatch.setattr(small_model, "_check_installed", lambda: None)
    monkeypatch.setattr(small_model, "_package_folder", lambda: tmp_path)
    return tmp_path / "stream-guard" / "models"


def make_folder(folder: Path) -> Path:
    """A folder that looks like a model."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.json").write_text("{}")
    return folder


def test_a_named_folder_is_used(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """STREAM_GUARD_SMALL_MODEL wins over everything."""
    monkeypatch.setenv("STREAM_GUARD_SMALL_MODEL", str(make_folder(tmp_path / "mine")))
    assert small_model_folder() == tmp_path / "mine"


def test_a_named_folder_that_is_no_model_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The error names it."""
    monkeypatch.setenv("STREAM_GUARD_SMALL_MODEL", str(tmp_path))
    with pytest.raises(ModelError, match=str(tmp_path)):
        small_model_folder()


def test_the_model_is_made_once(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The second time it is there."""
    made: list[Path] = []

    def convert(_: Path, into: Path) -> None:
        made.append(make_folder(into))

    monkeypatch.setattr(small_model, "_convert", convert)
    assert small_model_folder() == small_model_folder()
    assert len(made) == 1
    assert small_model_folder().parent == cache


def test_a_failed_conversion_leaves_nothing(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No half a model is ever taken for one; the error says what went wrong."""

    def run(command: list[str], **_: Any) -> None:
        (Path(command[-1]) / "model.safetensors").write_bytes(b"half")
        raise subprocess.CalledProcessError(1, command, b"", b"Traceback\nOSError: the disk is full\n")

    monkeypatch.setattr(subprocess, "run", run)
    with pytest.raises(ModelError, match="the disk is full"):
        small_model_folder()
    assert list(cache.iterdir()) == []


def test_another_program_may_have_made_it_meanwhile(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its model is as good as ours."""

    def convert(_: Path, into: Path) -> None:
        make_folder(into)
        make_folder(cache / f"{small_model.SMALL_MODEL.lower()}-0.1.2-1")

    monkeypatch.setattr(small_model, "_convert", convert)
    assert (small_model_folder() / "config.json").is_file()
    assert len(list(cache.iterdir())) == 1


def test_without_the_extra_the_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    """The package of the model is not there."""

    def missing(name: str) -> str:
        raise PackageNotFoundError(name)

    monkeypatch.delenv("STREAM_GUARD_SMALL_MODEL", raising=False)
    monkeypatch.setattr(small_model, "version", missing)
    with pytest.raises(ModelError, match=r"stream-guard\[cpu\]"):
        small_model_folder()


def test_a_part_of_the_extra_that_is_missing_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """The packages that convert the model may be missing alone."""
    monkeypatch.delenv("STREAM_GUARD_SMALL_MODEL", raising=False)
    monkeypatch.setattr(small_model, "version", lambda _: "0.1.2")
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "gguf" else object())
    with pytest.raises(ModelError, match="without gguf"):
        small_model_folder()
