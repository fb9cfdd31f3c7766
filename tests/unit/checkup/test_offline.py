from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from stream_guard.checkup.finding import Finding, Severity
from stream_guard.checkup.offline import Offline, check_files
from tests.inspections import only
from tests.service import POLICY

CONFIG = """\
kafka: {bootstrap_servers: "localhost:9092", start: earliest}
engine: {kind: scripted}
policies: [policies]
routes:
  - name: chat
    topic: chat.messages
    judge: [message]
    policies: [adverts]
    outputs: {verdicts: guard.verdicts, rulings: guard.rulings, dead_letters: guard.dead-letters}
"""
SASL = "security.protocol: sasl_ssl, sasl.mechanism: PLAIN, sasl.username: guard"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A configuration with one policy, both right."""
    (tmp_path / "policies").mkdir()
    (tmp_path / "policies" / "adverts.md").write_text(POLICY, encoding="utf-8")
    (tmp_path / "guard.yaml").write_text(CONFIG, encoding="utf-8")
    return tmp_path


def write(folder: Path, config: str) -> Path:
    """Another configuration in its place."""
    path = folder / "guard.yaml"
    path.write_text(config, encoding="utf-8")
    return path


def findings(offline: Offline) -> list[Finding]:
    """All of them."""
    return list(offline.report.sections[0].findings)


def test_what_is_right_is_counted(folder: Path) -> None:
    """One line says what was looked at."""
    offline = check_files(folder / "guard.yaml", {})
    assert [(each.severity, each.sentence) for each in findings(offline)] == [
        (Severity.OK, "1 route, 1 policy and 0 mappings are right")
    ]
    assert offline.settings is not None
    assert list(offline.policies) == ["adverts"]


def test_the_findings_of_all_steps_come_at_once(folder: Path) -> None:
    """A contradiction in the configuration does not hide what is wrong in two policy files."""
    wrong = CONFIG.replace("topic: chat.messages", "topic: guard.rulings")
    for name in ("a", "b"):
        (folder / "policies" / f"{name}.md").write_text("no front matter", encoding="utf-8")
    offline = check_files(write(folder, wrong), {})
    places = [str(each.place) for each in only(findings(offline), Severity.ERROR)]
    assert [Path(place.split(":")[0]).name for place in places] == ["guard.yaml", "a.md", "b.md"]
    assert places[0].endswith("guard.yaml:6:12")
    assert offline.settings is None


def test_policies_are_checked_where_the_configuration_has_no_shape(folder: Path) -> None:
    """It at least says where they are."""
    (folder / "policies" / "adverts.md").write_text("no front matter", encoding="utf-8")
    offline = check_files(write(folder, CONFIG.replace("start: earliest", "start: sometime")), {})
    assert len(only(findings(offline), Severity.ERROR)) == 2


def test_a_policy_that_is_missing_is_placed(folder: Path) -> None:
    """At the name of it in the route."""
    offline = check_files(write(folder, CONFIG.replace("[adverts]", "[adverts, spam]")), {})
    (found,) = only(findings(offline), Severity.ERROR)
    assert (str(found.place).rpartition("guard.yaml")[2], found.sentence) == (
        ":8:25",
        "there is no policy spam (loaded: adverts)",
    )


def test_a_wrong_policy_alone_leaves_the_cluster_to_be_asked(folder: Path) -> None:
    """The configuration itself is right."""
    (folder / "policies" / "adverts.md").write_text("no front matter", encoding="utf-8")
    offline = check_files(folder / "guard.yaml", {})
    assert offline.settings is not None
    assert offline.policies == {}
    assert [found.severity for found in findings(offline)] == [Severity.ERROR]


def test_a_folder_of_policies_that_is_missing_is_one_finding(folder: Path) -> None:
    """Not one for the path and one for what is not in it."""
    shutil.rmtree(folder / "policies")
    (found,) = findings(check_files(folder / "guard.yaml", {}))
    assert "there is no file or directory" in found.sentence


@pytest.mark.parametrize(
    ("raw", "says"),
    [
        (None, "can't be read: No such file or directory"),
        (b"\xff\xfe\x00\x01", "is not UTF-8"),
        (b"kafka: {", "expected"),
        (b"\x00\x01\x02", "character U+0000 is not allowed"),
        (b"just a text", "must be a mapping"),
        (b"", "must be a mapping"),
    ],
)
def test_a_file_that_is_no_configuration_is_one_finding(tmp_path: Path, raw: bytes | None, says: str) -> None:
    """Missing, binary, no YAML, another document."""
    path = tmp_path / "guard.yaml"
    if raw is not None:
        path.write_bytes(raw)
    (found,) = findings(check_files(path, {}))
    assert (found.severity, says in found.sentence) == (Severity.ERROR, True)


def test_a_directory_is_no_configuration(tmp_path: Path) -> None:
    """It can't be read."""
    (found,) = findings(check_files(tmp_path, {}))
    assert found.sentence == "can't be read: Is a directory"


def test_an_environment_variable_that_is_wrong_is_a_finding(folder: Path) -> None:
    """It is named."""
    (found,) = only(findings(check_files(folder / "guard.yaml", {"STREAM_GUARD_DRAIN": "soon"})))
    assert str(found.place) == "environment variable STREAM_GUARD_DRAIN"


@pytest.mark.parametrize(
    ("line", "env", "count"),
    [
        (f"{{{SASL}, sasl.password: hunter2}}", {}, 1),
        (f'{{{SASL}, sasl.password: "${{SECRET}}"}}', {"SECRET": "hunter2"}, 0),
        (f'{{{SASL}, sasl.password: "${{A}}-${{B}}"}}', {"A": "x", "B": "y"}, 0),
        (f"{{{SASL}}}", {"STREAM_GUARD_KAFKA__CLIENT__SASL_PASSWORD": "hunter2"}, 0),
        (f"{{{SASL}}}, client_files: {{sasl.password: guard.yaml}}", {}, 0),
        ("{security.protocol: ssl, ssl.key.location: guard.yaml}", {}, 0),
    ],
)
def test_secrets_do_not_belong_into_the_file(folder: Path, line: str, env: dict[str, str], count: int) -> None:
    """References and environment variables do; the advice names one, and no finding shows a value."""
    config = CONFIG.replace("start: earliest", f"start: earliest, client: {line}")
    found = only(findings(check_files(write(folder, config), env)))
    assert [each.severity for each in found] == [Severity.WARNING] * count
    assert all("${KAFKA_CLIENT_SASL_PASSWORD}" in each.advice for each in found)
    assert "hunter2" not in repr(found)
