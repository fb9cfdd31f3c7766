"""Which files of a folder are policies: also where it is laid out like a policy pack."""

from __future__ import annotations

from pathlib import Path

import pytest

from stream_guard.errors import PolicyError
from stream_guard.marked_yaml import Finding
from stream_guard.policy.files import policy_files, slug
from stream_guard.policy.load import load_policies
from tests.unit.policy.test_rules import DOCUMENT


def put(path: Path, text: str = "") -> None:
    """Writes a file, making its folders."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


@pytest.fixture
def pack(tmp_path: Path) -> Path:
    """A pack: folders of policies within a folder, a README at each level, and a table beside."""
    for name in ("loud", "quiet"):
        put(
            tmp_path / "pack" / "example_policies" / name / "policy.md", DOCUMENT.replace("id: shouting", f"id: {name}")
        )
    for readme in ("README.md", "example_policies/README.md"):
        put(tmp_path / "pack" / readme, "# What this is\n")
    put(tmp_path / "pack" / "datasets" / "loud.csv", "text,label\nhi,S0\n")
    put(tmp_path / "pack" / "example_policies" / "loud" / "notes.md", "no policy")
    return tmp_path / "pack"


@pytest.mark.parametrize("named", ["", "example_policies"])
def test_a_pack_is_loaded(pack: Path, named: str) -> None:
    """By the pack's own folder, or by that of its policies; each policy is named for its folder."""
    assert list(load_policies([pack / named])) == ["loud", "quiet"]
    assert [slug(file) for file in policy_files([pack / named], [])] == ["loud", "quiet"]


def test_flat_files_and_packs_stand_side_by_side(pack: Path) -> None:
    """A folder may hold both."""
    put(pack / "own.md", DOCUMENT.replace("id: shouting", "id: own"))
    assert list(load_policies([pack])) == ["own", "loud", "quiet"]
    assert slug(pack / "own.md") == "own"


def test_a_mounted_pack_is_found_once(pack: Path) -> None:
    """Hidden folders don't count: Kubernetes swaps a mounted folder by a link through `..data`."""
    mount = pack.parent / "mount"
    mount.mkdir()
    (pack / "example_policies").rename(mount / "..2026_01_01")
    (mount / "..data").symlink_to("..2026_01_01")
    for name in ("loud", "quiet"):
        (mount / name).symlink_to(f"..data/{name}")
    assert [file.parent.name for file in policy_files([mount], [])] == ["loud", "quiet"]


def test_a_pack_without_front_matter_says_what_to_do(pack: Path) -> None:
    """As others publish them; a plain file that lacks it gets no such advice."""
    foreign = pack / "example_policies" / "loud" / "policy.md"
    put(foreign, "# Loudness Policy\n")
    with pytest.raises(PolicyError, match="`stream-guard policy import` writes it"):
        load_policies([pack])
    put(pack / "own.md", "# No policy\n")
    with pytest.raises(PolicyError) as caught:
        load_policies([pack / "own.md"])
    assert "import" not in str(caught.value)


def test_a_folder_without_policies_is_told_of(tmp_path: Path) -> None:
    """With what was looked for."""
    findings: list[Finding] = []
    assert list(policy_files([tmp_path], findings)) == []
    assert [what for _, what in findings] == ["no policies (*.md, */policy.md) in this directory"]
