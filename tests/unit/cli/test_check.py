from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner

from stream_guard.checkup.finding import Report, error, ok, section, warning
from stream_guard.checkup.question import Plan
from stream_guard.cli import cli
from stream_guard.cli.check_screen import show
from stream_guard.errors import Place
from tests.service import POLICY

CONFIG = """\
kafka: {bootstrap_servers: "localhost:9092", start: latest}
engine: {kind: scripted}
policies: [policies]
routes:
  - name: chat
    topic: chat.messages
    judge: [message]
    policies: [adverts]
    outputs: {verdicts: guard.verdicts, rulings: guard.rulings, dead_letters: guard.dead-letters}
"""
LONG = (
    "a sentence that goes on for so long that no terminal of eighty columns can hold it on one line, whatever it does"
)


@pytest.fixture
def runner() -> CliRunner:
    """Runs the command line in this process."""
    return CliRunner()


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """A configuration that is right."""
    (tmp_path / "policies").mkdir()
    (tmp_path / "policies" / "adverts.md").write_text(POLICY, encoding="utf-8")
    path = tmp_path / "guard.yaml"
    path.write_text(CONFIG, encoding="utf-8")
    return path


@pytest.fixture
def cluster(monkeypatch: pytest.MonkeyPatch) -> Callable[[Report], list[Plan]]:
    """Puts a report in the place of the live checks. Returns the plans that they were given."""

    def replace(report: Report) -> list[Plan]:
        plans = list[Plan]()

        async def check_live(settings: object, policies: object, plan: Plan, now: float) -> Report:
            plans.append(plan)
            return report

        monkeypatch.setattr("stream_guard.checkup.live.check_live", check_live)
        return plans

    return replace


def test_a_right_configuration_ends_with_0(runner: CliRunner, config: Path) -> None:
    """One line says what was looked at."""
    result = runner.invoke(cli, ["check", "-c", str(config)])
    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout.splitlines()[1].endswith("1 route, 1 policy and 0 mappings are right")
    assert result.stdout.splitlines()[-1] == "nothing to fix"


@pytest.mark.parametrize(("flags", "code"), [([], 0), (["--strict"], 2)])
def test_warnings_count_where_they_are_told_to(runner: CliRunner, config: Path, flags: list[str], code: int) -> None:
    """With their place, and what to do."""
    config.write_text(CONFIG + "content_hash_key: 0123456789abcdef\n", encoding="utf-8")
    result = runner.invoke(cli, ["check", "-c", str(config), *flags])
    assert result.exit_code == code
    assert f"{config}:10:19" in result.stdout.replace("\n   ", "")
    assert "write ${CONTENT_HASH_KEY} here" in result.stdout
    assert "0123456789abcdef" not in result.stdout
    assert result.stdout.splitlines()[-1] == "0 errors, 1 warning"


def test_errors_end_with_2_and_nothing_is_asked(
    runner: CliRunner, config: Path, cluster: Callable[[Report], list[Plan]]
) -> None:
    """What an operator wrote wrong must not be acted on."""
    plans = cluster(Report(()))
    config.write_text(CONFIG.replace("start: latest", "start: someday"), encoding="utf-8")
    result = runner.invoke(cli, ["check", "-c", str(config), "--live"])
    assert (result.exit_code, plans) == (2, [])
    assert "live checks were not made: the configuration is wrong" in result.stdout


@pytest.mark.parametrize(
    ("found", "flags", "code"),
    [
        (ok("fine"), [], 0),
        (warning("hm"), [], 0),
        (warning("hm"), ["--strict"], 3),
        (error("no"), [], 3),
    ],
)
def test_a_live_error_ends_with_3(
    runner: CliRunner, config: Path, cluster: Callable[[Report], list[Plan]], found: object, flags: list[str], code: int
) -> None:
    """What the operator plans reaches the checks."""
    plans = cluster(Report((section("cluster", [found]),)))  # type: ignore[list-item]  # a finding
    asked = ["check", "-c", str(config), "--live", "--replicas", "3", "--rate", "2.5", *flags]
    result = runner.invoke(cli, asked)
    assert (result.exit_code, plans) == (code, [Plan(3, 2.5)])


@pytest.mark.parametrize("code", [0, 2])
def test_json_is_one_object_on_stdout(runner: CliRunner, config: Path, code: int) -> None:
    """Right or wrong: a machine reads the same fields."""
    if code:
        config.write_text("kafka: {", encoding="utf-8")
    result = runner.invoke(cli, ["check", "-c", str(config), "--json"])
    assert (result.exit_code, result.stderr) == (code, "")
    report = json.loads(result.stdout)
    assert (report["errors"], report["warnings"], report["live_skipped"]) == (int(code > 0), 0, False)
    (found,) = report["sections"][0]["findings"]
    assert found["severity"] == ("error" if code else "ok")
    assert (found.get("line") is not None) == bool(code)


@pytest.mark.parametrize("what", ["missing", "directory", "binary"])
def test_what_is_no_file_of_text_ends_with_2(runner: CliRunner, tmp_path: Path, what: str) -> None:
    """As a finding, without a stack of calls."""
    path = tmp_path / "guard.yaml"
    if what == "directory":
        path.mkdir()
    if what == "binary":
        path.write_bytes(bytes(range(256)))
    result = runner.invoke(cli, ["check", "-c", str(path)])
    assert (result.exit_code, result.stderr, "1 error, 0 warnings" in result.stdout) == (2, "", True)


@pytest.mark.parametrize("columns", [80, 120])
def test_lines_fit_the_terminal(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, columns: int
) -> None:
    """Sentences are folded beside their mark; nothing is filled up with blanks."""
    monkeypatch.setenv("COLUMNS", str(columns))
    place = Place("guard.yaml", 3, 5)
    report = Report((section("cluster", [ok("fine"), error(LONG, LONG, place)]), section("topics", [warning(LONG)])))
    show(report, skipped=False, as_json=False)
    lines = capsys.readouterr().out.splitlines()
    assert max(map(len, lines)) <= columns
    assert all(line == line.rstrip() for line in lines)
    assert lines[:3] == ["cluster", " ✓ fine", " ✗ guard.yaml:3:5"]
    assert all(line.startswith("   ") for line in lines[3 : lines.index("topics") - 1])


def test_a_terminal_of_ascii_gets_marks_that_it_knows(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rather than an error of encoding."""
    monkeypatch.setattr("rich.console.Console.encoding", "ascii")
    show(Report((section("cluster", [ok("fine"), error("no", "do")]),)), skipped=False, as_json=False)
    assert [line.split() for line in capsys.readouterr().out.splitlines()[1:4]] == [
        ["ok", "fine"],
        ["x", "no"],
        ["->", "do"],
    ]
