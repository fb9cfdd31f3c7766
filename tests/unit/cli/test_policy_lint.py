"""`stream-guard policy lint`."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from stream_guard.authoring.lint import Linted
from stream_guard.cli import cli
from stream_guard.cli.policy_lint_screen import show
from tests.unit.authoring.documents import GOOD, changed, make_lint
from tests.unit.cli.test_commands import CONFIG

VAGUE = changed(("choose N2.", "N2 is usually and often right."))


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder, with a configuration and a policy."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "guard.yaml").write_text(CONFIG, encoding="utf-8")
    (tmp_path / "policies").mkdir()
    (tmp_path / "policies" / "noise.md").write_text(GOOD, encoding="utf-8")
    return tmp_path


def run(*arguments: str) -> Result:
    """`stream-guard policy lint ...` in this process."""
    return CliRunner().invoke(cli, ["policy", "lint", *arguments])


def test_advice_never_fails(folder: Path) -> None:
    """A short policy may be right as it is; its length is shown beside its name."""
    result = run("policies", "--strict")
    assert result.exit_code == 0
    lines = result.stdout.splitlines()
    assert lines[0].startswith("policies/noise.md  noise, ")
    assert lines[-1] == "0 errors, 0 warnings, 1 of advice"


@pytest.mark.parametrize(("flags", "code"), [([], 0), (["--strict"], 2)])
def test_warnings_count_where_they_are_told_to(folder: Path, flags: list[str], code: int) -> None:
    """Each with its place and rule."""
    (folder / "policies" / "noise.md").write_text(VAGUE, encoding="utf-8")
    result = run("policies/noise.md", *flags)
    assert result.exit_code == code
    assert "policies/noise.md:44:60  wording.vague" in result.stdout


def test_what_to_do_is_said_once(folder: Path) -> None:
    """It is the same for all that a rule finds."""
    (folder / "policies" / "noise.md").write_text(VAGUE, encoding="utf-8")
    said = run("policies").stdout
    assert (said.count("wording.vague"), said.count("leave the word out")) == (2, 1)


def test_a_policy_that_can_not_be_loaded_is_exit_code_2(folder: Path) -> None:
    """With all that is wrong."""
    (folder / "policies" / "noise.md").write_text(changed(("revision: 1", "revision: 0")), encoding="utf-8")
    result = run("policies")
    assert result.exit_code == 2
    assert "policies/noise.md:3:11  document.wrong" in result.stdout


def test_the_configurations_policies_are_the_default(folder: Path) -> None:
    """Without a configuration it says so."""
    assert "noise.md" in run().stdout
    (folder / "guard.yaml").unlink()
    result = run()
    assert result.exit_code == 2
    assert "guard.yaml: there is no such file here" in result.stderr


def test_machines_get_one_object(folder: Path) -> None:
    """With every finding's rule, level and place."""
    (folder / "policies" / "noise.md").write_text(VAGUE, encoding="utf-8")
    value = json.loads(run("policies", "--json").stdout)
    (file,) = value["files"]
    assert (value["errors"], value["warnings"], value["advice"]) == (0, 2, 1)
    assert (file["file"], file["policy"]) == ("policies/noise.md", "noise")
    assert file["findings"][1] == {
        "rule": "wording.vague", "level": "warning", "message": "Criteria says “usually”, which leaves it open",
        "advice": "decide: say always, or name the cases in which, or leave the word out",
        "file": "policies/noise.md", "line": 44, "column": 60,
    }  # fmt: skip


def test_a_clean_policy_is_said_to_be(capsys: pytest.CaptureFixture[str]) -> None:
    """File by file, and at the end."""
    show([make_lint(GOOD)], as_json=False)
    assert capsys.readouterr().out.splitlines() == [
        "p.md  noise, 500 tokens",
        " ✓ nothing to fix",
        "",
        "nothing to fix",
    ]


def test_a_folder_without_policies_has_no_length(capsys: pytest.CaptureFixture[str]) -> None:
    """Nor a policy's name."""
    show([Linted("empty", None, None, ())], as_json=False)
    assert capsys.readouterr().out.splitlines()[0] == "empty"
