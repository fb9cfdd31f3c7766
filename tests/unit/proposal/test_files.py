from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from stream_guard.config import build_routes, load_config
from stream_guard.config.reading import ReadSettings
from stream_guard.errors import ConfigError
from stream_guard.policy.load import load_policies
from stream_guard.prompting.plain import PlainRenderer
from stream_guard.proposal.configuration import Attachment, create_commands, outputs_of
from stream_guard.proposal.files import files_of, loaded, options_of, written
from stream_guard.proposal.looks import Look, look
from stream_guard.proposal.propose import BLANK, Proposal, propose
from stream_guard.proposal.sight import sight
from tests.unit.proposal.samples import RECORDS, forum_post, make_records

PLAIN = Attachment("chat.messages", "localhost:9092")


def make_proposal(topic: str) -> Proposal:
    """What is proposed for one of the topics; for `blank` without looking."""
    return BLANK if topic == "blank" else propose(RECORDS[topic]())


@pytest.mark.parametrize("topic", ["blank", *RECORDS])
def test_what_is_written_is_what_the_service_reads(tmp_path: Path, topic: str) -> None:
    """Configuration, policy and routes load, whatever was found; and mean what was proposed and measured."""
    proposal = make_proposal(topic)
    written(files_of(PLAIN, proposal), tmp_path)
    settings = load_config(tmp_path / "guard.yaml", {})
    policies = load_policies(settings.policies)
    routes = build_routes(settings, policies, PlainRenderer())
    assert [route.name for route in routes.all] == ["chat.messages"]
    assert settings.routes[0].read == ReadSettings.model_validate(proposal.read)
    assert settings.routes[0].judge == proposal.judge
    assert len(policies["first-policy"].examples) == 6


@pytest.mark.parametrize("topic", RECORDS)
def test_no_file_holds_what_stood_in_a_record(topic: str) -> None:
    """Names of fields, of kinds and of roles are all that is taken over."""
    records = RECORDS[topic]()
    text = "\n".join(files_of(PLAIN, propose(records)).values())
    contents = {value for record in records for value in strings(sight(record).document) if telling(value)}
    contents |= {value.decode() for record in records if (value := record.value) and topic == "plain_text"}
    assert [value for value in contents if value in text and telling(value)] == []


def strings(document: Any) -> Iterator[str]:
    """Every text in a document, its names left out."""
    if isinstance(document, str):
        yield document
    children = document.values() if isinstance(document, dict) else document if isinstance(document, list) else ()
    for child in children:
        yield from strings(child)


def telling(value: str) -> bool:
    """Whether a text tells anything: short words may stand in a file by chance."""
    return look(value) in {Look.TEXT, Look.URL, Look.UUID, Look.TOKEN, Look.TIME, Look.EPOCH} or len(value) > 15


def test_secrets_become_references() -> None:
    """One that is a reference already stays; what is no secret stands as it is."""
    options = options_of(
        {
            "security.protocol": "SASL_SSL",
            "sasl.username": "guard",
            "sasl.password": "s3cret",
            "ssl.key.password": "${MY_KEY}",
            "ssl.ca.location": "/etc/ca.pem",
        }
    )
    assert options.written == {
        "security.protocol": "SASL_SSL",
        "sasl.username": "guard",
        "sasl.password": "${KAFKA_SASL_PASSWORD}",
        "ssl.key.password": "${MY_KEY}",
        "ssl.ca.location": "/etc/ca.pem",
    }
    assert options.secrets == {"KAFKA_SASL_PASSWORD": "s3cret"}


def test_options_reach_the_settings() -> None:
    """References are resolved where the service loads the file; overrides of the environment change nothing."""
    given = {"security.protocol": "SASL_SSL", "sasl.mechanism": "PLAIN", "sasl.username": "guard"}
    options = options_of({**given, "sasl.password": "s3cret"})
    attachment = Attachment("chat", "a:1,b:2", "my group", options.written)
    files = files_of(attachment, BLANK)
    assert "s3cret" not in "".join(files.values())
    assert "--command-config" in files["guard.yaml"]
    env = {**options.secrets, "STREAM_GUARD_KAFKA__GROUP": "another"}
    kafka = loaded(files, env).kafka
    assert (kafka.bootstrap_servers, kafka.group, kafka.client["sasl.mechanism"]) == ("a:1,b:2", "my group", "PLAIN")
    with pytest.raises(ConfigError, match="KAFKA_SASL_PASSWORD is not set"):
        loaded(files, {})


@pytest.mark.parametrize("topic", ["x" * 249, "_private", "..", "123", "null", "a-b_c.D"])
def test_any_name_of_a_topic_will_do(topic: str) -> None:
    """Long ones leave no room for what is put behind them, others are no name of a route."""
    settings = loaded(files_of(Attachment(topic, "localhost:9092"), BLANK), {})
    assert settings.routes[0].topic == topic
    assert len({*outputs_of(topic).values()}) == 3
    assert all(len(output) <= 249 for output in outputs_of(topic).values())


def test_the_commands_make_the_topics_that_are_needed() -> None:
    """As many partitions as the source has; a dead-letter topic that takes its largest record."""
    attachment = Attachment("chat", "localhost:9092", partitions=6, dead_letter_bytes=2_065_536)
    verdicts, rulings, letters = create_commands(attachment)
    assert verdicts == "kafka-topics.sh --bootstrap-server localhost:9092 --create --topic chat.verdicts --partitions 6"
    assert "--topic chat.rulings --partitions 6" in rulings
    assert "--topic chat.dead-letters" in letters
    assert "max.message.bytes=2065536" in letters
    assert files_of(attachment, BLANK)["guard.yaml"].count("kafka-topics.sh") == 3


def test_a_configuration_that_only_a_test_may_have_says_so() -> None:
    """It is refused unless one insists."""
    options = {"enable.ssl.certificate.verification": "false", "security.protocol": "SSL"}
    with pytest.raises(ConfigError, match="allow_insecure_tls"):
        loaded(files_of(Attachment("chat", "localhost:9092", options=options), BLANK), {})
    files = files_of(Attachment("chat", "localhost:9092", options=options, insecure=True), BLANK)
    assert loaded(files, {}).kafka.allow_insecure_tls
    assert "FOR A TEST ALONE" in files["guard.yaml"]


def test_the_policy_fits_what_is_judged() -> None:
    """Where conversations come, two of the examples are conversations."""
    texts = files_of(PLAIN, propose(make_records(forum_post)))["policies/first-policy.md"]
    chats = files_of(PLAIN, make_proposal("support_chat"))["policies/first-policy.md"]
    assert "role:" not in texts
    assert chats.count("role: assistant") == 2
