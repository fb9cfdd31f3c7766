"""The lists of names that an image is made of."""

from __future__ import annotations

from pathlib import Path

import pytest

from image.closure import HERE, closure, lists, walk
from tests.unit.image.planted import plant


@pytest.mark.parametrize("name", ["runtime.txt", "build.txt"])
def test_a_list_holds_what_pyproject_needs(name: str) -> None:
    """After a change of dependencies: `make constraints`, then `python -m image.closure`."""
    assert (HERE / name).read_text(encoding="utf-8") == lists()[name]


def test_what_is_needed_is_followed_through_extras(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An extra that is asked for counts, another does not; circles end."""
    monkeypatch.syspath_prepend(str(tmp_path))
    plant(tmp_path, "sg-first", needs=["SG_second[fast]"])
    plant(tmp_path, "sg-second", needs=["sg-third; extra == 'fast'", "sg-fourth; extra == 'slow'", "sg-first"])
    plant(tmp_path, "sg-third", needs=["sg-fifth; python_version < '3'"])
    assert closure(["sg-first"]).split() == ["sg-first", "sg-second", "sg-third"]


def test_who_needs_what_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first needs come from nobody."""
    monkeypatch.syspath_prepend(str(tmp_path))
    plant(tmp_path, "sg-first", needs=["sg-second>=2"])
    plant(tmp_path, "sg-second")
    assert [(need.by, str(need.what)) for need in walk(["sg-first"])] == [
        ("", "sg-first"),
        ("sg-first", "sg-second>=2"),
    ]
