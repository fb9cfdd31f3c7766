"""What a base may lack, and how it is told."""

from __future__ import annotations

from pathlib import Path

import pytest

from image import unmet
from tests.unit.image.planted import plant


@pytest.fixture
def base(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder whose distributions come before all others."""
    monkeypatch.syspath_prepend(str(tmp_path))
    return tmp_path


def test_here_nothing_is_unmet(capsys: pytest.CaptureFixture[str]) -> None:
    """The environment of the tests is what constraints.txt pins."""
    assert unmet.main() == 0
    assert capsys.readouterr().err == ""


def test_a_version_that_ours_does_not_take_is_told(base: Path) -> None:
    """Who needs it, what is needed, what is there."""
    plant(base, "sg-first", needs=["sg-second>=2,<3"])
    plant(base, "sg-second", "1.9")
    assert list(unmet.unmet(["sg-first"])) == ["sg-first needs sg-second<3,>=2: it is 1.9"]


def test_what_is_missing_is_told(base: Path) -> None:
    """And ends the search: what it would need itself nobody knows."""
    plant(base, "sg-first", needs=["sg-second"])
    assert list(unmet.unmet(["sg-first"])) == ["sg-first needs sg-second: it is not there"]


@pytest.mark.parametrize(("found", "code"), [("0.31.9", 1), ("0.32.0", 0)])
def test_a_base_must_have_the_engine_that_is_pinned(
    base: Path, found: str, code: int, capsys: pytest.CaptureFixture[str]
) -> None:
    """No other version was tested."""
    assert str(unmet.pinned("vllm").specifier) == "==0.32.0"
    plant(base, "vllm", found)
    assert unmet.main("vllm") == code
    assert capsys.readouterr().err == ("" if code == 0 else f"the base must have vllm==0.32.0: it is {found}\n")


def test_only_what_the_extra_asks_for_can_be_asked_for() -> None:
    """A slip in the Dockerfile fails the build."""
    with pytest.raises(LookupError, match="does not ask for sg-first"):
        unmet.pinned("sg-first")
