from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import jsonschema
import pytest
from typer.testing import CliRunner

from stream_guard import __version__
from stream_guard.cli import cli
from stream_guard.cli.schema import Schema
from stream_guard.config import Settings
from stream_guard.editions.loading import ConfigFile
from stream_guard.errors import InvariantViolated, StartRefused

CONFIG = """\
kafka: {bootstrap_servers: "localhost:9092", start: latest}
engine: {kind: scripted}
policies: [policies]
routes:
  - name: chat
    topic: chat.messages
    judge: [message]
    policies: [spam]
    outputs: {verdicts: guard.verdicts, rulings: guard.rulings, dead_letters: guard.dead-letters}
"""


@pytest.fixture
def runner() -> CliRunner:
    """Runs the command line in this process."""
    return CliRunner()


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """A configuration file that is right."""
    (tmp_path / "policies").mkdir()
    path = tmp_path / "guard.yaml"
    path.write_text(CONFIG, encoding="utf-8")
    return path


@pytest.fixture
def service(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Puts a function in the place of the service."""

    def replace(run: Callable[..., None], name: str = "run") -> None:
        module = ModuleType("stream_guard.app")
        vars(module)[name] = run
        monkeypatch.setitem(sys.modules, "stream_guard.app", module)

    return replace


@pytest.mark.parametrize("attach", [False, True])
def test_run_starts_the_service_with_the_settings(
    runner: CliRunner, config: Path, service: Callable[[Callable[..., None]], None], attach: bool
) -> None:
    """What the file says and whether to attach reach the service; a drained service ends with 0."""
    started: list[tuple[str, bool, str]] = []

    def run(settings: Settings, *, attach: bool, file: ConfigFile) -> None:
        started.append((settings.routes[0].name, attach, file.path.name))

    service(run)
    result = runner.invoke(cli, ["run", "-c", str(config), *(["--attach"] if attach else [])])
    assert (result.exit_code, started) == (0, [("chat", attach, "guard.yaml")])


@pytest.mark.parametrize(
    ("error", "code"), [(StartRefused("no offsets"), 3), (InvariantViolated("a bug"), 70), (OSError("disk"), 1)]
)
@pytest.mark.parametrize("flags", [[], ["--json"]])
def test_run_ends_with_the_code_of_what_the_service_raised(
    runner: CliRunner,
    config: Path,
    service: Callable[[Callable[..., None]], None],
    error: Exception,
    code: int,
    flags: list[str],
) -> None:
    """The exit code is the same with and without --json; stdout stays empty."""

    def run(settings: Settings, *, attach: bool, file: ConfigFile) -> None:
        raise error

    service(run)
    result = runner.invoke(cli, ["run", "-c", str(config), *flags])
    assert (result.exit_code, result.stdout) == (code, "")
    assert bool(flags) == result.stderr.startswith('{"error"')


def test_attach_hands_the_settings_to_what_commits(
    runner: CliRunner, config: Path, service: Callable[..., None]
) -> None:
    """It ends with 0 once that is done, and with 3 where it is refused."""
    groups: list[str] = []
    service(lambda settings: groups.append(settings.kafka.group), "attach_alone")
    assert (runner.invoke(cli, ["attach", "-c", str(config)]).exit_code, groups) == (0, ["stream-guard"])

    def refuse(settings: Settings) -> None:
        raise StartRefused("no right to commit")

    service(refuse, "attach_alone")
    assert runner.invoke(cli, ["attach", "-c", str(config)]).exit_code == 3


def test_run_reads_the_environment_over_the_file(
    runner: CliRunner, config: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A wrong variable is an error that names it."""
    monkeypatch.setenv("STREAM_GUARD_WINDOW__RECORDS", "many")
    result = runner.invoke(cli, ["run", "-c", str(config)])
    assert result.exit_code == 2
    assert "environment variable STREAM_GUARD_WINDOW__RECORDS: window.records: Input should be" in result.stderr


def test_a_wrong_command_line_is_json_on_request(runner: CliRunner) -> None:
    """Exit code 2, as for any file that the operator wrote wrong."""
    plain, as_json = runner.invoke(cli, ["schema", "nothing"]), runner.invoke(cli, ["schema", "nothing", "--json"])
    assert (plain.exit_code, as_json.exit_code) == (2, 2)
    assert json.loads(as_json.stderr)["error"]["title"] == "the command line is wrong"


@pytest.mark.parametrize("name", [name for name in Schema if name is not Schema.ASYNCAPI])
def test_every_schema_is_a_json_schema(runner: CliRunner, name: Schema) -> None:
    """What is printed can be used as it is."""
    result = runner.invoke(cli, ["schema", name])
    assert result.exit_code == 0, result.output
    jsonschema.Draft202012Validator.check_schema(json.loads(result.stdout))


def test_the_asyncapi_document_is_printed(runner: CliRunner, config: Path) -> None:
    """Its channels are the topics of the configuration, where one is given."""
    plain = json.loads(runner.invoke(cli, ["schema", "asyncapi"]).stdout)
    own = json.loads(runner.invoke(cli, ["schema", "asyncapi", "-c", str(config)]).stdout)
    assert plain["asyncapi"].startswith("3.")
    assert set(own["channels"]) == {"guard.verdicts", "guard.rulings", "guard.dead-letters"}


def test_the_schema_of_the_configuration_accepts_what_loads(runner: CliRunner) -> None:
    """An editor that checks against the schema agrees with the service."""
    import yaml  # noqa: PLC0415 - beside its only use

    schema = json.loads(runner.invoke(cli, ["schema", "config"]).stdout)
    jsonschema.Draft202012Validator(schema).validate(yaml.safe_load(CONFIG))


@pytest.mark.parametrize("command", [[], ["attach"], ["run"], ["schema"]])
def test_help_says_what_a_command_does(runner: CliRunner, command: list[str]) -> None:
    """Every command documents its exit codes."""
    result = runner.invoke(cli, [*command, "--help"])
    assert result.exit_code == 0
    assert not command or "Exit codes:" in result.stdout


def test_help_is_folded_for_the_terminal_alone() -> None:
    """The source's own line ends would leave lines of a few words."""
    told = CliRunner(env={"COLUMNS": "80"}).invoke(cli, ["try", "--help"]).stdout.splitlines()
    paragraph = told[told.index(next(line for line in told if "No consumer group" in line)) :][:2]
    assert all(len(line.strip()) > 60 for line in paragraph)


def test_commands_stand_in_the_order_of_a_first_day(runner: CliRunner) -> None:
    """From the demo to the service."""
    told = runner.invoke(cli, ["--help"]).stdout
    names = ["demo", "init", "check", "try", "attach", "run", "explain", "schema", "policy"]
    assert [line.split()[1] for line in told.splitlines() if line[2:9].strip() in names] == names


def test_the_command_runs_as_a_process(tmp_path: Path) -> None:
    """Version and errors arrive as a shell sees them; neither needs a heavy library."""
    command = [sys.executable, "-X", "importtime", "-m", "stream_guard.cli"]
    version = subprocess.run([*command, "--version"], capture_output=True, text=True, check=False, timeout=60)
    assert (version.returncode, version.stdout) == (0, f"stream-guard {__version__}\n")
    loaded = {line.rpartition("|")[2].strip() for line in version.stderr.splitlines()}
    assert not loaded & {"torch", "vllm", "pydantic", "confluent_kafka", "rich"}
    missing = [*command[:1], *command[3:], "run", "--json", "-c", str(tmp_path / "nothing.yaml")]
    failed = subprocess.run(missing, capture_output=True, text=True, check=False, timeout=60)
    assert (failed.returncode, failed.stdout) == (2, "")
    assert json.loads(failed.stderr)["error"]["findings"][0]["file"].endswith("nothing.yaml")
