"""What is made once is made once, and stays for as long as it is of use."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from tests.kept import is_kept, kept, used

WEEK_S = 7 * 24 * 3600


class Made:
    """How often something was made."""

    def __init__(self) -> None:
        self.count = 0

    def __call__(self, folder: Path) -> None:
        """Once more."""
        self.count += 1
        (folder / "made").write_text(str(self.count))


def age(path: Path, seconds: float) -> None:
    """Makes a file or folder so much older."""
    before = time.time() - seconds
    os.utime(path, (before, before))


def test_the_same_is_made_once(tmp_path: Path) -> None:
    """Another input makes another, and the first stays."""
    make = Made()
    folders = [kept("thing", [each], make, tmp_path) for each in (b"a", b"a", b"b", b"a")]
    assert make.count == 2
    assert [(folder / "made").read_text() for folder in folders] == ["1", "1", "2", "1"]
    assert is_kept("thing", [b"b"], tmp_path)
    assert not is_kept("thing", [b"c"], tmp_path)


def test_what_was_not_made_to_its_end_is_made_anew(tmp_path: Path) -> None:
    """Nothing is left of the first attempt."""

    def fails(folder: Path) -> None:
        (folder / "half").touch()
        raise RuntimeError("no room")

    with pytest.raises(RuntimeError, match="no room"):
        kept("thing", [b"a"], fails, tmp_path)
    assert [each.name for each in kept("thing", [b"a"], Made(), tmp_path).iterdir() if each.name != "whole"] == ["made"]


def test_what_nobody_used_for_a_week_goes(tmp_path: Path) -> None:
    """Whole or not, by whatever made it; what was used since, or has another stem, stays."""
    for number, seconds in enumerate((WEEK_S + 60.0, WEEK_S - 60.0)):
        age(kept("thing", [bytes([number])], Made(), tmp_path) / "whole", seconds)
    for name, seconds in (
        ("thing-" + "1" * 16, WEEK_S + 60),
        ("thing-" + "2" * 16, 0.0),
        ("other-" + "3" * 16, 2 * WEEK_S),
    ):
        (tmp_path / name).mkdir()
        age(tmp_path / name, seconds)
    built = tmp_path / ("thing-" + "4" * 16)
    built.mkdir()
    age(built, 2 * WEEK_S)
    used("thing", built)
    assert [is_kept("thing", [bytes([number])], tmp_path) for number in (0, 1)] == [False, True]
    assert [
        (tmp_path / f"{stem}-{digit * 16}").exists() for stem, digit in (("thing", "1"), ("thing", "2"), ("other", "3"))
    ] == [False, True, True]
    assert built.exists()
