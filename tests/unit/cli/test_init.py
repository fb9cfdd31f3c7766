from __future__ import annotations

import json
from collections.abc import Callable, Collection, Sequence
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from stream_guard.cli import cli
from stream_guard.config import load_config
from stream_guard.errors import StartRefused
from stream_guard.kafka.cluster.tail import PartitionTail, Tail
from stream_guard.kafka.settings import KafkaSettings
from stream_guard.records import Record
from tests.unit.proposal.samples import RECORDS, TEXTS, forum_post, make_record, make_records

ATTACH = ["init", "-b", "localhost:9092", "-t", "chat.messages"]
SASL = ["security.protocol=SASL_SSL", "sasl.mechanism=PLAIN", "sasl.username=guard"]


class FakeCluster:
    """A topic that holds these records, and what it was asked."""

    def __init__(self, records: Sequence[Record] = (), error: Exception | None = None) -> None:
        """With an error, nothing can be read."""
        self.records, self.error = tuple(records), error
        self.asked: list[KafkaSettings] = []

    def read_tail(self, settings: KafkaSettings, topic: str, last: int) -> Tail:
        """The newest records."""
        self.asked.append(settings)
        if self.error is not None:
            raise self.error
        partitions = (PartitionTail(0, 0, 90, 1), PartitionTail(1, 0, 0, 0), PartitionTail(2, 0, 9, 0, "no leader"))
        return Tail(topic, self.records[-last:], partitions, 1_790_000_000_000)


class FakeAdmin:
    """Knows how large a record of any topic may be."""

    def __init__(self, settings: KafkaSettings) -> None:
        """Asks nobody."""

    def max_message_bytes(self, topics: Collection[str]) -> dict[str, int | None]:
        """Two million bytes."""
        return dict.fromkeys(topics, 2_000_000)


@pytest.fixture
def cluster(monkeypatch: pytest.MonkeyPatch) -> Callable[..., FakeCluster]:
    """Makes the cluster that `init` looks at."""

    def make(records: Sequence[Record] = (), error: Exception | None = None) -> FakeCluster:
        made = FakeCluster(records, error)
        monkeypatch.setattr("stream_guard.kafka.cluster.tail.read_tail", made.read_tail)
        monkeypatch.setattr("stream_guard.kafka.cluster.admin.Admin", FakeAdmin)
        return made

    return make


@pytest.fixture
def init(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Result]:
    """Runs `init` in an empty folder, on a terminal of 100 columns."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "100")
    return lambda *arguments: CliRunner().invoke(cli, [*ATTACH, *arguments])


def test_files_are_written_and_what_was_found_is_shown(
    init: Callable[..., Result], cluster: Callable[..., FakeCluster], tmp_path: Path
) -> None:
    """Which records were looked at, the fields, how many are read, the files, and what to do next."""
    cluster(make_records(forum_post))
    result = init()
    assert (result.exit_code, result.stderr) == (0, "")
    for part in (
        "the newest 40 records of chat.messages (3 partitions, ",
        "Partition 2 was not read to its end: no leader",
        "$.author.id",
        "100%  numbers",
        "Of 40 records 40 become events (40 messages), none would be a dead letter.",
        "Wrote guard.yaml and policies/first-policy.md.",
        "stream-guard check -c guard.yaml --live",
        "stream-guard try -c guard.yaml --last 200",
        "stream-guard policy test -c guard.yaml",
        "stream-guard run -c guard.yaml --attach",
    ):
        assert part in result.stdout
    settings = load_config(tmp_path / "guard.yaml", {})
    assert settings.kafka.bootstrap_servers == "localhost:9092"
    text = (tmp_path / "guard.yaml").read_text(encoding="utf-8")
    assert "--partitions 3" in text
    assert "max.message.bytes=2065536" in text


@pytest.mark.parametrize(
    "topic", ["mixed_events", "support_chat", "debezium_change", "strange_names", "garbage", "avro_like"]
)
@pytest.mark.parametrize("columns", ["80", "120"])
def test_nothing_that_was_sampled_is_shown(
    init: Callable[..., Result],
    cluster: Callable[..., FakeCluster],
    monkeypatch: pytest.MonkeyPatch,
    topic: str,
    columns: str,
) -> None:
    """Whatever was found; and no line is wider than the terminal, but for the name of a topic."""
    monkeypatch.setenv("COLUMNS", columns)
    cluster(RECORDS[topic]())
    result = init()
    assert result.exit_code == 0, result.output
    assert not any(each in result.output for each in TEXTS if len(each) > 3)
    assert max(map(len, result.stdout.splitlines())) <= int(columns)


def test_as_json_it_is_one_document(init: Callable[..., Result], cluster: Callable[..., FakeCluster]) -> None:
    """With all that a person sees, and why each field was chosen."""
    cluster([*RECORDS["sparse_event"](), make_record(b"\xff", 99), make_record(None, 100)])
    told: dict[str, Any] = json.loads(init("--json").stdout)
    assert (told["topic"], told["holds"]) == ("chat.messages", "mapped")
    assert told["sampled"] == {"records": 42, "json": 40, "binary": 1, "tombstone": 1}
    assert told["read"]["mapping"][0]["message"]["text"] == "$.note"
    assert told["fields"][0] == {
        "shape": 1,
        "what": "text",
        "path": "$.note",
        "share": 0.95,
        "looks": "text or single words, 2-62 characters",
        "sure": "likely",
        "why": "its name allows it; 79% of the values read like sentences",
    }
    assert told["reads"] == {
        "events": {"message": 40},
        "ignored": 0,
        "rejected": [{"reason": "not_utf8", "detail": "at byte 0", "records": 1}],
    }
    assert told["files"] == ["guard.yaml", "policies/first-policy.md"]
    assert len(told["create"]) == 3
    assert [command.split()[1] for command in told["next"]] == ["check", "try", "policy", "run"]


@pytest.mark.parametrize("there", ["guard.yaml", "policies/first-policy.md"])
def test_nothing_is_overwritten_unless_one_insists(
    init: Callable[..., Result], cluster: Callable[..., FakeCluster], tmp_path: Path, there: str
) -> None:
    """Exit code 2, before the cluster is asked anything."""
    kafka = cluster(make_records(forum_post))
    path = tmp_path / there
    path.parent.mkdir(exist_ok=True)
    path.write_text("mine", encoding="utf-8")
    refused = init()
    assert (refused.exit_code, refused.stdout, kafka.asked) == (2, "", [])
    assert there in refused.stderr
    assert path.read_text(encoding="utf-8") == "mine"
    assert [found.name for found in tmp_path.rglob("*") if found.is_file()] == [path.name]
    assert init("--force").exit_code == 0
    assert path.read_text(encoding="utf-8") != "mine"


def test_another_folder_is_made(
    init: Callable[..., Result], cluster: Callable[..., FakeCluster], tmp_path: Path
) -> None:
    """And named in the commands, quoted as a shell needs it."""
    cluster(make_records(forum_post))
    assert "-c 'my guard/new/guard.yaml'" in init("--out", "my guard/new").stdout
    assert load_config(tmp_path / "my guard/new/guard.yaml", {}).routes[0].topic == "chat.messages"


def test_a_folder_that_cannot_be_made_is_a_wrong_command_line(
    init: Callable[..., Result], cluster: Callable[..., FakeCluster], tmp_path: Path
) -> None:
    """A file stands in its place."""
    cluster(make_records(forum_post))
    (tmp_path / "taken").write_text("", encoding="utf-8")
    result = init("--out", "taken/here")
    assert result.exit_code == 2
    assert "can't be written" in result.stderr


@pytest.mark.parametrize("records", [[], [make_record(None, n) for n in range(3)], [make_record(b" ")]])
def test_an_empty_topic_says_what_can_be_done(
    init: Callable[..., Result], cluster: Callable[..., FakeCluster], tmp_path: Path, records: list[Record]
) -> None:
    """Exit code 3, and nothing is written."""
    cluster(records)
    result = init()
    assert (result.exit_code, result.stdout) == (3, "")
    assert "there is nothing to look at" in result.stderr
    assert "--blank" in result.stderr
    assert list(tmp_path.iterdir()) == []


def test_without_looking_our_own_events_are_configured(
    init: Callable[..., Result], cluster: Callable[..., FakeCluster], tmp_path: Path
) -> None:
    """No cluster is asked."""
    kafka = cluster()
    result = init("--blank", "--group", "guards")
    assert (result.exit_code, kafka.asked) == (0, [])
    settings = load_config(tmp_path / "guard.yaml", {})
    assert (settings.kafka.group, settings.routes[0].read.mapping) == ("guards", "canonical")


@pytest.mark.parametrize("flags", [[], ["--json"]])
def test_a_topic_that_cannot_be_read_is_refused(
    init: Callable[..., Result], cluster: Callable[..., FakeCluster], tmp_path: Path, flags: list[str]
) -> None:
    """Exit code 3, the reason on stderr, nothing written."""
    cluster(error=StartRefused("there is no such topic"))
    result = init(*flags)
    assert (result.exit_code, result.stdout) == (3, "")
    assert "there is no such topic" in result.stderr
    assert list(tmp_path.iterdir()) == []


def test_a_secret_is_used_and_never_written(
    init: Callable[..., Result], cluster: Callable[..., FakeCluster], tmp_path: Path
) -> None:
    """The file refers to a variable, and it is said which one must be set."""
    kafka = cluster(make_records(forum_post))
    result = init(*(part for option in [*SASL, "sasl.password=s3cret"] for part in ("-X", option)))
    assert result.exit_code == 0, result.output
    assert kafka.asked[0].client["sasl.password"] == "s3cret"
    assert "set KAFKA_SASL_PASSWORD before you go on" in result.stdout
    assert not any("s3cret" in path.read_text(encoding="utf-8") for path in tmp_path.rglob("*") if path.is_file())
    assert "s3cret" not in result.output
    assert load_config(tmp_path / "guard.yaml", {"KAFKA_SASL_PASSWORD": "x"}).kafka.client["sasl.username"] == "guard"


def test_a_reference_is_resolved_and_written_as_it_is(
    init: Callable[..., Result], cluster: Callable[..., FakeCluster], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So that no secret stands in the history of a shell."""
    monkeypatch.setenv("MY_PASSWORD", "s3cret")
    kafka = cluster(make_records(forum_post))
    assert init(*(part for option in [*SASL, "sasl.password=${MY_PASSWORD}"] for part in ("-X", option))).exit_code == 0
    assert kafka.asked[0].client["sasl.password"] == "s3cret"
    assert "${MY_PASSWORD}" in (tmp_path / "guard.yaml").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["-X", "sasl.mechanism"], "NAME=VALUE"),
        (["-X", "group.id=mine"], "kafka.group"),
        (["-X", "sasl.username=${NO_SUCH_VARIABLE}"], "NO_SUCH_VARIABLE is not set"),
        (["-X", "enable.ssl.certificate.verification=false"], "give --allow-insecure-tls"),
        (["-t", "no topic"], "no name of a topic"),
        (["--sample", "0"], "--sample"),
        (["--group", ""], "group"),
    ],
)
def test_a_wrong_command_line_is_refused(
    init: Callable[..., Result], cluster: Callable[..., FakeCluster], tmp_path: Path, arguments: list[str], says: str
) -> None:
    """Exit code 2, before the cluster is asked anything."""
    kafka = cluster(make_records(forum_post))
    result = init(*arguments, "--json")
    assert (result.exit_code, result.stdout, kafka.asked) == (2, "", [])
    assert says in result.stderr
    assert list(tmp_path.iterdir()) == []


def test_a_test_may_insist_on_what_is_not_safe(
    init: Callable[..., Result], cluster: Callable[..., FakeCluster], tmp_path: Path
) -> None:
    """The file says that it is for a test alone."""
    cluster(make_records(forum_post))
    insecure = ["-X", "security.protocol=SSL", "-X", "enable.ssl.certificate.verification=false"]
    assert init(*insecure, "--allow-insecure-tls").exit_code == 0
    assert load_config(tmp_path / "guard.yaml", {}).kafka.allow_insecure_tls


def test_the_environment_does_not_change_what_is_looked_at(
    init: Callable[..., Result], cluster: Callable[..., FakeCluster], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Overrides are for the service: here the command line says which cluster is meant."""
    monkeypatch.setenv("STREAM_GUARD_KAFKA__BOOTSTRAP_SERVERS", "elsewhere:9092")
    kafka = cluster(make_records(forum_post))
    assert init().exit_code == 0
    assert kafka.asked[0].bootstrap == "localhost:9092"
