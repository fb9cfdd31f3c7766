from __future__ import annotations

from pathlib import Path

import pytest

import stream_guard
from stream_guard.errors import ConfigError
from stream_guard.policy.load import load_policies
from stream_guard.policy.shipped import shipped_policies


@pytest.fixture
def installation(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder in which stream_guard seems to be installed."""
    package = tmp_path / "stream_guard"
    package.mkdir()
    monkeypatch.setattr("stream_guard.policy.shipped.files", lambda _: package)
    monkeypatch.setattr(stream_guard, "__file__", str(package / "__init__.py"))
    return tmp_path


def test_a_checkout_has_its_policies() -> None:
    """What is found here loads, spam among it."""
    assert "spam" in load_policies([shipped_policies()])


def test_a_wheel_holds_them_in_the_package(installation: Path) -> None:
    """The package's own folder goes before anything beside it."""
    inside = installation / "stream_guard" / "policies"
    inside.mkdir()
    (installation / "policies").mkdir()
    assert shipped_policies() == inside


def test_a_folder_beside_an_installed_package_is_not_ours(installation: Path) -> None:
    """Without a pyproject.toml it is no checkout, and a folder of that name belongs to somebody else."""
    (installation / "policies").mkdir()
    with pytest.raises(ConfigError, match="install stream-guard again"):
        shipped_policies()
    (installation / "pyproject.toml").touch()
    assert shipped_policies() == installation / "policies"
