from __future__ import annotations

import json
import sys

import pytest

from stream_guard.cli.output import ExitCode, report
from stream_guard.errors import (
    ConfigError,
    EngineUnavailable,
    InvariantViolated,
    ModelError,
    Place,
    PolicyError,
    StartRefused,
)

ERRORS = [
    (ConfigError((Place("guard.yaml", 3, 5), "kafka.start is required")), ExitCode.WRONG_CONFIG),
    (PolicyError((Place("spam.md"), "has no title")), ExitCode.WRONG_CONFIG),
    (StartRefused("the group has no offsets"), ExitCode.START_REFUSED),
    (ModelError("there is no model"), ExitCode.START_REFUSED),
    (InvariantViolated("a commit passed an unsettled record"), ExitCode.INVARIANT),
    (EngineUnavailable("gone"), ExitCode.UNEXPECTED),
    (KeyError("content that must not show"), ExitCode.UNEXPECTED),
]


@pytest.mark.parametrize(("error", "code"), ERRORS)
@pytest.mark.parametrize("as_json", [False, True])
def test_every_error_has_its_exit_code(error: Exception, code: int, as_json: bool) -> None:
    """Scripts can tell what went wrong by the code alone."""
    assert report(error, as_json=as_json) == code


def test_a_wrong_configuration_is_one_block_of_findings(capsys: pytest.CaptureFixture[str]) -> None:
    """Each finding stands on its own line, place first."""
    report(ConfigError((Place("a.yaml", 1, 2), "one"), (Place("a.yaml", 3, 4), "two")), as_json=False)
    captured = capsys.readouterr()
    assert captured.err == "error: the configuration is wrong\n  a.yaml:1:2: one\n  a.yaml:3:4: two\n"
    assert captured.out == ""


def test_a_wrong_policy_is_called_one(capsys: pytest.CaptureFixture[str]) -> None:
    """Nobody should look for it in the configuration."""
    report(PolicyError((Place("spam.md", 1, 1), "has no title")), as_json=False)
    assert capsys.readouterr().err == "error: a policy is wrong\n  spam.md:1:1: has no title\n"


def test_a_wrong_configuration_as_json_has_its_findings(capsys: pytest.CaptureFixture[str]) -> None:
    """One object on stderr, nothing on stdout."""
    report(ConfigError((Place("a.yaml", 1, 2), "one")), as_json=True)
    captured = capsys.readouterr()
    assert json.loads(captured.err) == {
        "error": {
            "code": 2,
            "title": "the configuration is wrong",
            "findings": [{"file": "a.yaml", "line": 1, "column": 2, "message": "one"}],
        }
    }
    assert captured.out == ""


@pytest.mark.parametrize("as_json", [False, True])
def test_an_unexpected_error_shows_where_but_not_its_message(capsys: pytest.CaptureFixture[str], as_json: bool) -> None:
    """A library's message can quote content."""
    content = "what somebody wrote"
    try:
        int(content)
    except ValueError as error:
        report(error, as_json=as_json)
    shown = capsys.readouterr().err
    assert "unexpected ValueError" in shown
    assert "test_output.py" in shown
    assert content not in shown.replace(f'content = "{content}"', "")


@pytest.mark.parametrize(("no_color", "coloured"), [("", True), ("1", False)])
def test_no_color_is_respected(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], no_color: str, coloured: bool
) -> None:
    """On a terminal the word `error` is red, unless NO_COLOR is set."""
    monkeypatch.setenv("NO_COLOR", no_color)
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    report(StartRefused("no"), as_json=False)
    shown = capsys.readouterr().err
    assert shown.startswith("error: can't go on") is not coloured
