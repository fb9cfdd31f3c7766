"""`stream-guard policy import`, and what an author does then."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from stream_guard.cli import cli
from tests.unit.authoring.packs import decide, make_pack
from tests.unit.cli.test_commands import CONFIG


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder, with a configuration and a pack."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "guard.yaml").write_text(CONFIG, encoding="utf-8")
    make_pack(tmp_path / "pack")
    return tmp_path


def run(*arguments: str) -> Result:
    """`stream-guard policy ...` in this process."""
    return CliRunner().invoke(cli, ["policy", *arguments])


def test_an_author_is_told_what_is_left(folder: Path) -> None:
    """And how to go on."""
    result = run("import", "pack")
    assert result.exit_code == 0
    assert result.stdout.splitlines() == [
        "Wrote policies/loud-evenings.md, of pack/example_policies/loud-evenings/policy.md.",
        "  left to you: owner, severity and decision of LE1, severity and decision of LE2, severity and decision of LE3, yes_means",
        "",
        "Decide each TODO, then go on with:",
        "  stream-guard policy lint policies/loud-evenings.md",
        "  stream-guard policy test policies/loud-evenings.md --labelled pack/datasets",
    ]


def test_what_is_told_works(folder: Path) -> None:
    """The lint finds each TODO; once they are decided, the pack's labelled contents are asked."""
    run("import", "pack")
    told = run("lint", "policies/loud-evenings.md")
    assert told.exit_code == 2
    assert "document.todo" in told.stdout
    path = folder / "policies" / "loud-evenings.md"
    path.write_text(decide(path.read_text(encoding="utf-8")), encoding="utf-8")
    assert run("lint", "policies/loud-evenings.md").exit_code == 0
    value = json.loads(run("test", "policies/loud-evenings.md", "--labelled", "pack/datasets", "--json").stdout)
    assert (value["unlabelled"], value["policies"][0]["examples"]) == (0, 3)


def test_files_that_exist_are_kept(folder: Path) -> None:
    """Unless told otherwise."""
    run("import", "pack", "--out", "mine")
    (folder / "mine" / "loud-evenings.md").write_text("mine", encoding="utf-8")
    result = run("import", "pack", "--out", "mine")
    assert result.exit_code == 2
    assert "loud-evenings.md" in result.stderr
    assert (folder / "mine" / "loud-evenings.md").read_text(encoding="utf-8") == "mine"
    assert run("import", "pack", "--out", "mine", "--force").exit_code == 0


def test_a_folder_that_can_not_be_written_is_exit_code_2(folder: Path) -> None:
    """It says why."""
    (folder / "policies").write_text("a file", encoding="utf-8")
    result = run("import", "pack")
    assert result.exit_code == 2
    assert "can't be written" in result.stderr


def test_what_can_not_be_read_is_exit_code_2(folder: Path) -> None:
    """Nothing is written."""
    result = run("import", "pack", "absent.md")
    assert result.exit_code == 2
    assert "absent.md: can't be read" in result.stderr
    assert not (folder / "policies").exists()


def test_machines_get_one_object(folder: Path) -> None:
    """With what is undecided."""
    (policy,) = json.loads(run("import", "pack", "--json").stdout)["policies"]
    assert policy["file"] == "policies/loud-evenings.md"
    assert policy["labelled"] == "pack/datasets/loud-evenings.csv"
    assert policy["undecided"][0] == "owner"
