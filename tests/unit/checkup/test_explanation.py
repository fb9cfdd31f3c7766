from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from stream_guard.checkup.explanation import Explanation, describe_route, explain
from stream_guard.config import load_config
from stream_guard.config.resolved import Origins
from tests.cases import make_policy
from tests.inspections import make_route, make_settings

POLICIES = {"spam": make_policy("spam")}
CONFIG = """\
kafka:
  bootstrap_servers: ${BROKERS}
  start: 2026-01-31T00:00:00Z
  client: {security.protocol: sasl_ssl, sasl.mechanism: PLAIN, sasl.username: guard, sasl.password: "${KAFKA_PASSWORD}"}
engine: {kind: openai, base_url: "http://127.0.0.1:1/v1", model: "a: b", api: chat, api_key: "${KEY}"}
policies: [policies]
routes:
  - name: chat
    pattern: 'chat\\..*'
    judge: [message]
    when: [{header: tenant, any_of: ["on", "2026-01-31"]}]
    policies: [spam]
    outputs: &outputs {verdicts: guard.verdicts, rulings: guard.rulings, dead_letters: guard.dead-letters}
    expire_after: 1h
  - name: rest
    topic: rest
    read:
      mapping:
        - when: {path: $.kind, any_of: ["7"]}
          completion: {completion: "$.out['text']", model: {header: model}, attributes: {token: $.token}}
        - ignore: true
    judge: [completion]
    policies: [spam]
    outputs: *outputs
telemetry: {log_level: "info"}
"""
ENV = {"BROKERS": "a:1,b:2", "KAFKA_PASSWORD": "marker-password", "KEY": "marker-key", "STREAM_GUARD_DRAIN": "9s"}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A configuration file."""
    (tmp_path / "policies").mkdir()
    path = tmp_path / "guard.yaml"
    path.write_text(CONFIG, encoding="utf-8")
    return path


@pytest.fixture
def explanation(path: Path) -> Explanation:
    """What it comes to."""
    settings = load_config(path, ENV)
    return explain(settings, POLICIES, Origins(settings, path))


def test_every_default_is_filled_in(explanation: Explanation) -> None:
    """Down to the last section that nobody wrote."""
    assert explanation.values["window"]["records"] == 1000
    assert explanation.values["routes"][1]["limits"]["turns"] == 1000
    assert explanation.values["kafka"]["bootstrap_servers"] == "a:1,b:2"


def test_a_value_says_where_it_came_from(explanation: Explanation) -> None:
    """The line of the file, what it refers to, or the variable that overrides it; a default says nothing."""
    origins = explanation.origins
    assert origins["kafka.bootstrap_servers"] == "guard.yaml:2 ${BROKERS}"
    assert origins["kafka.client.sasl.password"] == "guard.yaml:4 ${KAFKA_PASSWORD}"
    assert origins["routes[1].outputs.verdicts"] == "guard.yaml:13"
    assert origins["drain"] == "STREAM_GUARD_DRAIN"
    assert "window.records" not in origins


def test_the_output_is_the_same_configuration(explanation: Explanation, path: Path) -> None:
    """It loads, from anywhere, and means the same; masked secrets apart."""
    again = path.parent / "elsewhere" / "resolved.yaml"
    again.parent.mkdir()
    again.write_text("\n".join(map(str, explanation.lines())), encoding="utf-8")
    settings = load_config(again, {})
    assert explain(settings, POLICIES, Origins(settings, again)).values == explanation.values


def test_each_route_is_described_above_it(explanation: Explanation) -> None:
    """As a comment of lines that fit a terminal."""
    lines = [str(line) for line in explanation.lines()]
    begin = lines.index("  - name: chat  # guard.yaml:8")
    above = [line for line in lines[:begin] if line.startswith("  # ")]
    assert " ".join(line.removeprefix("  # ") for line in above) == explanation.routes["chat"]
    assert max(map(len, above)) <= 80


def test_no_secret_is_shown(explanation: Explanation) -> None:
    """Neither in the lines nor in the values."""
    whole = "\n".join(map(str, explanation.lines())) + repr(explanation)
    assert "marker" not in whole
    assert "sasl.password: '**********'" in whole


@pytest.mark.parametrize(
    ("route", "words"),
    [
        ({}, "Records of topic in, read as our own events in JSON, are judged as messages under spam (version spam-1, effort low, binary)"),
        ({}, "verdicts go to verdicts, rulings to rulings, dead letters to letters; what can't be judged counts as review."),
        ({"pattern": "a.*"}, "Records of every topic that matches a.*,"),
        ({"read": {"format": "json_schema"}}, "read as json schema as our own events,"),
        ({"read": {"format": "protobuf", "message": "acme.Chat"}}, "read as protobuf of type acme.Chat as our own events,"),
        ({"read": {"format": "text"}}, "read as text,"),
        ({"read": {"envelope": "cloudevents", "mapping": [{"message": {"text": "$.t"}}]}}, "read out of cloudevents by a mapping of 1 shape,"),
        ({"read": {"mapping": "openai_chat"}}, "read by the mapping openai_chat,"),
        ({"when": [{"header": "t", "any_of": ["a", "b"]}, {"field": "language", "present": False}]},
         " that have header t a or b and lack language, are judged"),
        ({"when": [{"field": "language", "matches": "d.*"}]}, " that have language that matches d.*, are judged"),
        ({"judge": ["last_turn", "completion"]}, "as chats' last turns in their context, completions under"),
        ({"context": {"last": 5}}, "messages in their context (the last 5 of the same key within 1 h)"),
        ({"publish": "non_allow"}, "verdicts that do not allow go to verdicts"),
        ({"ordering": "key"}, "dead letters to letters, those of one key in the order of its records; what"),
        ({"outputs": {"verdicts": "v", "rulings": "v", "dead_letters": "d", "rationale": "r"}}, "dead letters to d, rationales to r;"),
    ],
)  # fmt: skip
def test_a_route_reads_as_a_sentence(route: Mapping[str, Any], words: str) -> None:
    """Source, reading, conditions, views, policies, outputs."""
    assert words in describe_route(make_settings(make_route(**route)).routes[0], POLICIES)


@pytest.mark.parametrize(
    ("more", "words"),
    [
        (
            {"escalate": {"when": {"confidence": "low", "severity": 3}, "effort": "high"}},
            "; judgements of a stated confidence of low or less, or of severity 3 or more are asked again with effort high.",
        ),
        (
            {"escalate": {"when": {"categories": ["A", "B"], "effort": "high"}, "topic": "up", "final_by": 9}},
            "; judgements in category A or B, or under a policy of effort high or more are sent on to up.",
        ),
        (
            {"escalate": {"when": {"probability": 0.5}, "effort": "high"}},
            "; judgements of a label's probability below 0.5 are asked again with effort high.",
        ),
        (
            {"escalate": {"when": {"always": True}, "effort": "high"}},
            "; every judgement is asked again with effort high.",
        ),
        ({"escalate": {"when": {"always": True}, "topic": "up", "final_by": 9}}, "; every judgement is sent on to up."),
        ({"subscribe": False}, "Escalated or redriven records of topic in, "),
    ],
)
def test_an_escalation_is_said_in_words(more: dict[str, Any], words: str) -> None:
    """Which judgements, and where they go; and of what a route is for that reads nothing."""
    assert words in describe_route(make_settings(make_route(**more)).routes[0], POLICIES)
