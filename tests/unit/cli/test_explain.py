from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from stream_guard.cli import cli
from stream_guard.config import load_config
from tests.service import POLICY

CONFIG = """\
kafka: {bootstrap_servers: "${BROKERS}", start: latest, client: {security.protocol: sasl_ssl, sasl.mechanism: PLAIN, sasl.username: me, sasl.password: "${PASSWORD}"}}
engine: {kind: scripted}
policies: [policies]
routes:
  - name: chat
    topic: chat.messages
    judge: [message]
    policies: [adverts]
    outputs: {verdicts: guard.verdicts, rulings: guard.rulings, dead_letters: guard.dead-letters}
"""
MARKER = "marker-zanzibar"


@pytest.fixture
def runner() -> CliRunner:
    """Runs the command line in this process."""
    return CliRunner(env={"BROKERS": "broker-with-a-long-name-1.example:9092", "PASSWORD": MARKER, "COLUMNS": "40"})


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """A configuration that is right."""
    (tmp_path / "policies").mkdir()
    (tmp_path / "policies" / "adverts.md").write_text(POLICY, encoding="utf-8")
    path = tmp_path / "guard.yaml"
    path.write_text(CONFIG, encoding="utf-8")
    return path


def test_what_is_printed_is_a_configuration(runner: CliRunner, config: Path, tmp_path: Path) -> None:
    """However narrow the terminal: no line is folded, and it loads again."""
    result = runner.invoke(cli, ["explain", "-c", str(config)])
    assert (result.exit_code, result.stderr) == (0, "")
    assert "  bootstrap_servers: broker-with-a-long-name-1.example:9092  # guard.yaml:1 ${BROKERS}" in result.stdout
    resolved = tmp_path / "resolved.yaml"
    resolved.write_text(result.stdout, encoding="utf-8")
    assert load_config(resolved, {}).routes == load_config(config, {"BROKERS": "x", "PASSWORD": "y"}).routes


def test_the_routes_are_said_in_words(runner: CliRunner, config: Path) -> None:
    """Above each, as a comment."""
    words = " ".join(runner.invoke(cli, ["explain", "-c", str(config)]).stdout.replace("#", "").split())
    assert (
        "Records of topic chat.messages, read as our own events in JSON, are judged as messages under adverts" in words
    )


@pytest.mark.parametrize("flags", [[], ["--json"]])
def test_no_secret_is_printed(runner: CliRunner, config: Path, flags: list[str]) -> None:
    """Neither for people nor for machines."""
    result = runner.invoke(cli, ["explain", "-c", str(config), *flags])
    assert result.exit_code == 0
    assert MARKER not in result.output
    assert "**********" in result.stdout


def test_json_has_settings_origins_and_words(runner: CliRunner, config: Path) -> None:
    """One object."""
    told = json.loads(runner.invoke(cli, ["explain", "-c", str(config), "--json"]).stdout)
    assert told["settings"]["drain"] == 8.0
    assert told["origins"]["kafka.bootstrap_servers"] == "guard.yaml:1 ${BROKERS}"
    assert list(told["routes"]) == ["chat"]


def test_the_edition_is_said_first(runner: CliRunner, config: Path) -> None:
    """What `/ready` of a service that runs these files says; an edit of a policy makes another one."""
    first, _ = runner.invoke(cli, ["explain", "-c", str(config)]).stdout.split("\n", 1)
    edition = json.loads(runner.invoke(cli, ["explain", "-c", str(config), "--json"]).stdout)["edition"]
    assert first == f"# edition {edition}"
    (config.parent / "policies" / "adverts.md").write_text(
        POLICY.replace("revision: 1", "revision: 2"), encoding="utf-8"
    )
    assert json.loads(runner.invoke(cli, ["explain", "-c", str(config), "--json"]).stdout)["edition"] != edition


def test_a_wrong_configuration_ends_with_2(runner: CliRunner, config: Path) -> None:
    """As for `run`, with file, line and column on stderr."""
    config.write_text(CONFIG.replace("latest", "someday"), encoding="utf-8")
    result = runner.invoke(cli, ["explain", "-c", str(config)])
    assert (result.exit_code, result.stdout, "guard.yaml:1:" in result.stderr) == (2, "", True)


def test_a_route_under_no_policy_ends_with_2(runner: CliRunner, config: Path) -> None:
    """As for `run`: it names the route's place and what there is."""
    config.write_text(CONFIG.replace("[adverts]", "[insults]"), encoding="utf-8")
    result = runner.invoke(cli, ["explain", "-c", str(config)])
    assert (result.exit_code, result.stdout) == (2, "")
    assert "guard.yaml:8:16: there is no policy insults (loaded: adverts)" in result.stderr
