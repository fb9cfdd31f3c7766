"""When files hold something new, and when they only seem to."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from stream_guard.editions.files import Contents, Files
from tests.mounted import Mounted

NOBODY = 65_534


def settled(files: Files) -> Contents | None:
    """What so many looks tell as last are needed for anything to be noticed; what is told is taken in."""
    told = None
    for _ in range(3):
        if (found := files.look()) is not None:
            files.take(found)
            told = found
    return told


@pytest.fixture
def policies(tmp_path: Path) -> Mounted:
    """A mounted folder of two policies."""
    return Mounted(tmp_path / "policies", **{"a.md": b"first", "b.md": b"second"})


@pytest.fixture
def files(policies: Mounted) -> Files:
    """That folder, taken in as it is."""
    files = Files(policies.folder)
    assert settled(files) is not None
    assert settled(files) is None
    return files


def test_what_is_there_is_told_once(policies: Mounted) -> None:
    """At the second look, when it is known to hold still, and never again."""
    files = Files(policies.folder)
    assert files.look() is None
    assert files.settles
    told = files.look()
    assert told is not None
    assert list(told) == [str(policies / "a.md"), str(policies / "b.md")]
    files.take(told)
    assert [files.look() for _ in range(20)] == [None] * 20
    assert not files.settles


def test_the_swap_of_a_mounted_folder_is_a_change(policies: Mounted, files: Files) -> None:
    """Kubernetes writes no file: it swaps the link to their directory."""
    policies.swap(**{"a.md": b"FIRST", "b.md": b"second"})
    assert settled(files) is not None
    assert settled(files) is None


def test_a_swap_of_the_same_contents_is_none(policies: Mounted, files: Files) -> None:
    """As when a label of the ConfigMap changed."""
    policies.swap(**{"a.md": b"first", "b.md": b"second"})
    assert settled(files) is None


def test_a_touched_file_is_no_change(policies: Mounted, files: Files) -> None:
    """Nor is one that was written as it was."""
    os.utime(policies / "a.md", (1, 1))
    (policies / "b.md").write_bytes(b"second")
    assert settled(files) is None


def test_a_folder_may_gain_and_lose_files(policies: Mounted, files: Files) -> None:
    """Also by a folder of its own, as in a policy pack."""
    policies.swap(**{"a.md": b"first", "b.md": b"second", "c.md": b"third"})
    assert settled(files) is not None
    policies.swap(**{"c.md": b"third"})
    assert list(settled(files) or ()) == [str(policies / "c.md")]
    (policies.folder / "pack").mkdir()
    (policies.folder / "pack" / "policy.md").write_bytes(b"fourth")
    assert settled(files) is not None


def test_what_is_still_being_written_is_not_told(policies: Mounted, files: Files) -> None:
    """Each look sees more of it; it counts once two see the same."""
    for half in (b"", b"fir", b"first of"):
        (policies / "a.md").write_bytes(half)
        assert files.look() is None
    (policies / "a.md").write_bytes(b"first of all")
    assert files.look() is None
    assert files.look() is not None


def test_a_file_that_is_put_back_is_no_change(policies: Mounted, files: Files) -> None:
    """As an editor does that moves the old file out of the way first."""
    (policies / "a.md").rename(policies.folder / "a.bak")
    assert files.look() is None
    (policies.folder / "a.bak").rename(policies / "a.md")
    assert settled(files) is None


def test_a_second_write_that_nothing_shows_is_seen(policies: Mounted, files: Files) -> None:
    """A clock that is too coarse gives two writes the same time, and the size may be the same too."""
    file = policies / "a.md"
    file.write_bytes(b"FIRST")
    assert settled(files) is not None
    seen = file.stat()
    file.write_bytes(b"fIRST")
    os.utime(file, ns=(seen.st_atime_ns, seen.st_mtime_ns))
    assert settled(files) is not None


@pytest.mark.parametrize("gone", ["unlink", "dangling", "directory", "loop"])
def test_what_can_not_be_read_is_an_answer_too(policies: Mounted, files: Files, gone: str) -> None:
    """So that it is told once; and told when it can be read again, unless it holds what it did."""
    named = Files(policies / "a.md")
    settled(named)
    (policies / "a.md").unlink()
    if gone == "dangling":
        (policies / "a.md").symlink_to("nowhere")
    elif gone == "loop":
        (policies / "a.md").symlink_to("a.md")
    elif gone == "directory":
        (policies / "a.md").mkdir()
    assert settled(named) is not None
    assert settled(named) is None
    (policies / "a.md").rmdir() if gone == "directory" else (policies / "a.md").unlink(missing_ok=True)
    (policies / "a.md").write_bytes(b"first")
    assert settled(named) is not None


@contextmanager
def forbidden(folder: Path) -> Iterator[None]:
    """Nobody may look into it; for root, to whom nothing is forbidden, as somebody else."""
    folder.chmod(0o000)
    if root := os.geteuid() == 0:
        os.seteuid(NOBODY)
    try:
        yield
    finally:
        if root:
            os.seteuid(0)
        folder.chmod(0o700)


def test_a_folder_that_may_not_be_looked_into_is_an_answer_too(policies: Mounted) -> None:
    """Rights that are withdrawn end no watch, and are noticed when they are back."""
    named = Files(policies / "a.md")
    settled(named)
    with forbidden(policies.folder):
        (told,) = (settled(named) or {}).values()
        assert "Permission denied" in told
        assert settled(named) is None
    assert settled(named) is not None


def test_a_file_that_vanishes_between_two_glances_ends_nothing(policies: Mounted, files: Files) -> None:
    """The folder is read again at the next look."""
    seen = iter([policies / "a.md", policies.folder / "gone.md"])
    files._all = lambda: list(seen)  # type: ignore[method-assign]  # listed, and gone by the time it is read
    assert files.read() == {
        str(policies / "a.md"): Files(policies / "a.md").read()[str(policies / "a.md")],
        str(policies.folder / "gone.md"): "no file",
    }
