from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeAlias

import pytest
from pydantic import SecretStr

from stream_guard.app import guard_bounds
from stream_guard.config import Settings, load_config, revealed
from stream_guard.config.engine import OpenAISettings, ScriptedSettings, VllmSettings
from stream_guard.delivery.guard import GuardBounds
from stream_guard.errors import ConfigError
from stream_guard.events.model import View

MINIMAL = """\
kafka:
  bootstrap_servers: localhost:9092
  start: earliest
engine:
  kind: scripted
policies: [policies]
routes:
  - name: chat
    topic: chat.messages
    judge: [message]
    policies: [spam]
    outputs:
      verdicts: guard.verdicts
      rulings: guard.rulings
      dead_letters: guard.dead-letters
"""
FULL = """\
namespace: acme
kafka:
  bootstrap_servers: ${BROKERS}
  group: guard
  group_protocol: consumer
  start: 2026-01-31T00:00:00Z
  client: {security.protocol: SASL_SSL, sasl.mechanism: PLAIN, sasl.username: guard, sasl.password: "${KAFKA_PASSWORD}"}
  consumer: {fetch.max.bytes: 1000000, check.crcs: true}
  producer: {linger.ms: 5}
engine:
  kind: vllm
  model: models/safeguard
  profile: gpt-oss
  max_model_len: 8192
  extra: {block_size: 32}
policies: [policies, other.md]
routes:
  - name: chat
    pattern: 'chat\\..*'
    judge: [message, last_turn, completion]
    when: [{header: tenant, any_of: [acme]}, {field: attributes.tier, matches: 'free.*'}]
    policies: [spam, harassment]
    outputs: &outputs
      verdicts: guard.verdicts
      rulings: guard.rulings
      rationale: guard.rationale
      dead_letters: guard.dead-letters
    publish: non_allow
    limits: {record_bytes: 512KiB, content_chars: 50000, turns: 100, depth: 16}
    abstain: block
    allow_unsupported: true
    expire_after: 1h30m
    unique_event_id: true
  - name: rest
    topic: reviews
    judge: [message]
    policies: [spam]
    outputs: *outputs
window: {records: 500, bytes: 32MiB, tokens: 100000, asks: 64}
judging: {attempts: 2, timeout: 90s}
drain: 8s
content_hash_key: ${HASH_KEY}
telemetry: {http_host: 0.0.0.0, http_port: 0, log_level: debug}
"""
ENV = {"BROKERS": "one:9092,two:9092", "KAFKA_PASSWORD": "k4fka-hush", "HASH_KEY": "a-key-nobody-may-see"}

Load: TypeAlias = Callable[..., Settings]


@pytest.fixture
def load(tmp_path: Path) -> Load:
    """Loads a text as the configuration `guard.yaml` beside a directory `policies`."""
    (tmp_path / "policies").mkdir()
    (tmp_path / "other.md").touch()

    def from_text(text: str, env: Mapping[str, str] | None = None) -> Settings:
        (tmp_path / "guard.yaml").write_text(text, encoding="utf-8")
        return load_config(tmp_path / "guard.yaml", env or {})

    return from_text


def findings(load: Load, text: str, env: Mapping[str, str] | None = None) -> list[str]:
    """What is wrong with a configuration, each finding as `line:column: message`."""
    with pytest.raises(ConfigError) as caught:
        load(text, env)
    return [f"{place.line}:{place.column}: {what}" for place, what in caught.value.findings]


def replaced(old: str, new: str, text: str = MINIMAL) -> str:
    """The text with one thing changed."""
    assert text.count(old) == 1
    return text.replace(old, new)


def test_a_minimal_file_has_defaults_for_the_rest(load: Load) -> None:
    """Only what nobody can guess must be written."""
    settings = load(MINIMAL)
    assert (settings.namespace, settings.kafka.group, settings.kafka.group_protocol) == (
        "default", "stream-guard", "classic",
    )  # fmt: skip
    assert (settings.window.records, settings.judging.attempts, settings.drain) == (1000, 3, 8.0)
    assert (settings.telemetry.http_host, settings.content_hash_key) == ("127.0.0.1", None)
    assert isinstance(settings.engine, ScriptedSettings)


def test_the_guard_of_the_dead_letters_may_be_loosened_or_switched_off(load: Load) -> None:
    """Each limit by itself."""
    assert guard_bounds(load(MINIMAL)) == GuardBounds(200, 0.5, 1000)
    off = load(MINIMAL + "dead_letters: {max_consecutive: null, max_ratio: null}\n")
    assert guard_bounds(off) == GuardBounds(None, None, 1000)
    assert guard_bounds(load(MINIMAL + "dead_letters: {max_ratio: 0.9, over: 50}\n")) == GuardBounds(200, 0.9, 50)
    for wrong in ("max_ratio: 0", "max_ratio: 1", "max_consecutive: 0", "over: 5"):
        with pytest.raises(ConfigError):
            load(f"{MINIMAL}dead_letters: {{{wrong}}}\n")


def test_every_setting_of_a_full_file_arrives(load: Load, tmp_path: Path) -> None:
    """Sizes, durations, references, anchors, paths and secrets read as documented."""
    settings = load(FULL, ENV)
    kafka, route, engine = settings.kafka, settings.routes[0], settings.engine
    assert kafka.bootstrap_servers == "one:9092,two:9092"
    assert kafka.start == datetime(2026, 1, 31, tzinfo=UTC)
    assert revealed(kafka.client)["sasl.password"] == "k4fka-hush"
    assert kafka.consumer == {"fetch.max.bytes": 1000000, "check.crcs": True}
    assert isinstance(engine, VllmSettings)
    assert (engine.model, engine.extra) == (str(tmp_path / "models/safeguard"), {"block_size": 32})
    assert settings.policies == (tmp_path / "policies", tmp_path / "other.md")
    assert (route.judge, route.limits.record_bytes) == ((View.MESSAGE, View.LAST_TURN, View.COMPLETION), 524_288)
    assert (route.expire_after, settings.judging.timeout, settings.window.bytes) == (5400.0, 90.0, 33_554_432)
    assert settings.routes[1].outputs == route.outputs
    assert settings.content_hash_key == SecretStr("a-key-nobody-may-see")


def test_the_small_model_is_no_path(load: Load) -> None:
    """`small` stays the name of the packaged model."""
    engine = load(replaced("kind: scripted", "kind: vllm\n  model: small")).engine
    assert isinstance(engine, VllmSettings)
    assert engine.model == "small"


def test_a_tokenizer_is_found_beside_the_file_and_the_key_is_secret(load: Load, tmp_path: Path) -> None:
    """The settings of a server keep its key masked."""
    text = "kind: openai\n  base_url: http://127.0.0.1:8000/v1/\n  model: m\n  tokenizer: tok\n  api_key: hush-hush"
    engine = load(replaced("kind: scripted", text)).engine
    assert isinstance(engine, OpenAISettings)
    assert (engine.base_url, engine.tokenizer) == ("http://127.0.0.1:8000/v1", tmp_path / "tok")
    assert "hush-hush" not in repr(engine)


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("  start: earliest\n", "", "1:1: kafka.start is required"),
        ("start: earliest", "start: yesterday", "3:10: kafka.start: must be earliest, latest or an RFC 3339 time"),
        ("start: earliest", "start: 2026-01-31T00:00:00", "3:10: kafka.start: must be earliest, latest or an RFC 3339"),
        ("kind: scripted", "kind: magic", "4:1: engine: Input tag 'magic' found using 'kind' does not match"),
        ("kind: scripted", "kind: vllm", "4:1: engine.model is required"),
        (
            "kind: scripted",
            "kind: scripted\n  violation_share: 2",
            "6:20: engine.violation_share: Input should be less",
        ),
        ("kind: scripted", "kind: openai\n  model: m\n  base_url: ftp://x", "7:13: engine.base_url: must be an http"),
        (
            "kind: scripted",
            "kind: openai\n  model: m\n  base_url: http://u:p@x",
            "7:13: engine.base_url: must not hold",
        ),
        (
            "kind: scripted",
            "kind: openai\n  model: m\n  base_url: http://x/v1?key=k",
            "7:13: engine.base_url: must end with its path",
        ),
        ("[policies]", "[nowhere]", "6:12: there is no file or directory"),
        ("[policies]", "[]", "6:1: policies: Tuple should have at least 1 item"),
        ("name: chat", "name: chat room", "8:11: routes[0].name: String should match pattern"),
        ("topic: chat.messages", "topic: chat/messages", "9:12: routes[0].topic: String should match pattern"),
        ("topic: chat.messages", "pattern: 'chat(.*'", "9:14: routes[0].pattern: not a regular expression: missing )"),
        (
            "topic: chat.messages",
            "pattern: '(a+)+b'",
            "9:14: routes[0].pattern: a repeated group must not itself repeat",
        ),
        (
            "topic: chat.messages",
            f"pattern: '{'a' * 257}'",
            "9:14: routes[0].pattern: a regular expression may have at most",
        ),
        ("    topic: chat.messages\n", "", "8:5: routes[0]: needs either topic or pattern"),
        ("topic: chat.messages", "topic: a\n    pattern: b", "8:5: routes[0]: needs either topic or pattern"),
        ("[message]", "[chat, last_turn]", "10:5: routes[0].judge: more than one view of a chat"),
        (
            "[message]",
            "[image]",
            "10:13: routes[0].judge[0]: Input should be 'message', 'last_turn', 'chat' or 'completion'",
        ),
        ("[spam]", "[spam, spam]", "11:5: routes[0].policies: policy spam is named twice"),
        ("[spam]", "[spam]\n    abstain: allow", "12:14: routes[0].abstain: must not be allow: no failure may publish"),
        ("[spam]", "[spam]\n    publish: some", "12:14: routes[0].publish: Input should be 'all' or 'non_allow'"),
        ("[spam]", "[spam]\n    expire_after: soon", "12:19: routes[0].expire_after: not a duration"),
        ("[spam]", "[spam]\n    respond_by: 0", "12:17: routes[0].respond_by: Input should be greater than 0"),
        ("[spam]", "[spam]\n    limits: {record_bytes: 1 furlong}", "12:28: routes[0].limits.record_bytes: not a size"),
        (
            "[spam]",
            "[spam]\n    limits: {record_bytes: 1GiB}",
            "12:28: a record of this size would never fit window.bytes",
        ),
        ("[spam]", "[spam]\n    when: [{header: a}]", "12:12: routes[0].when[0]: needs at least one of present"),
        ("[spam]", "[spam]\n    when: [{present: true}]", "12:12: routes[0].when[0]: needs either header or field"),
        (
            "[spam]",
            "[spam]\n    when: [{field: content, present: true}]",
            "12:20: routes[0].when[0].field: String should",
        ),
        (
            "topic: chat.messages",
            "topic: guard.rulings",
            "9:12: guard.rulings is an output topic (rulings): it can't be",
        ),
        (
            "dead_letters: guard.dead-letters",
            "dead_letters: guard.verdicts",
            "15:21: guard.verdicts holds verdicts: dead_let",
        ),
        (
            "kind: scripted",
            "kind: vllm\n  model: m\n  extra: {max_model_len: 1}",
            "7:26: max_model_len is a setting of its own",
        ),
        (
            "kind: scripted",
            "kind: vllm\n  model: m\n  extra: {trust_remote_code: true}",
            "7:30: trust_remote_code would run",
        ),
        (
            "kind: scripted",
            "kind: openai\n  model: m\n  base_url: http://x\n  profile: messages",
            "8:12: api completions takes token ids: messages needs api chat",
        ),
        (
            "kind: scripted",
            "kind: openai\n  model: m\n  base_url: http://x\n  api: chat\n  profile: gpt-oss",
            "9:12: api chat takes messages",
        ),
        ("kind: scripted", "kind: scripted\n  profile: chat", "6:12: engine.profile is unknown"),
        (
            "kind: scripted",
            "kind: vllm\n  model: m\n  profile: plain",
            "7:12: there is no profile plain; there are chat",
        ),
        ("kind: scripted", "kind: vllm\n  model: m\n  profile: own.yaml", "7:12: there is no file /"),
        ("kind: scripted", "kind: vllm\n  model: m\n  profile: messages", "7:12: vllm takes token ids"),
        ("kind: scripted", "kind: vllm\n  model: m\n  manifest: main", "7:13: engine.manifest: String should match"),
        (
            "kind: scripted",
            "kind: vllm\n  model: m\n  extra: {load_format: pt}",
            "7:24: load_format would load other weights",
        ),
        (
            "kind: scripted",
            "kind: openai\n  model: m\n  base_url: http://x\n  profile: chat",
            "8:12: api completions takes token ids: set tokenizer",
        ),
        (
            "kind: scripted",
            "kind: openai\n  model: m\n  base_url: http://x",
            "4:1: api completions takes token ids: set tokenizer",
        ),
    ],
)
def test_a_wrong_setting_is_named_with_its_place(load: Load, old: str, new: str, expected: str) -> None:
    """Every error says line, column, setting and reason."""
    [finding] = findings(load, replaced(old, new))
    assert finding.startswith(expected)


def test_a_profile_of_ones_own_lies_beside_the_file(load: Load, tmp_path: Path) -> None:
    """What is wrong in it is found at its place in that file."""
    text = replaced("kind: scripted", "kind: vllm\n  model: m\n  profile: own.yaml")
    own = "name: own\nrenderer: messages\nanswer: {form: text}\n"
    (tmp_path / "own.yaml").write_text(own.replace("messages", "harmony"), encoding="utf-8")
    with pytest.raises(ConfigError) as caught:
        load(text)
    assert {str(place) for place, _ in caught.value.findings} == {f"{tmp_path}/own.yaml:1:1"}
    (tmp_path / "own.yaml").write_text(own, encoding="utf-8")
    assert findings(load, text) == ["7:12: vllm takes token ids: own is for a server with api chat"]


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("kafka:\n", "kafak:\n", ["1:1: kafka is required", "1:1: kafak is unknown; did you mean kafka?"]),
        (
            "bootstrap_servers:",
            "bootstrap_server:",
            [
                "1:1: kafka.bootstrap_servers is required",
                "2:21: kafka.bootstrap_server is unknown; did you mean bootstrap_servers?",
            ],
        ),
    ],
)
def test_a_misspelt_setting_is_named_with_what_was_meant(load: Load, old: str, new: str, expected: list[str]) -> None:
    """Both what is there and what is not are findings."""
    assert findings(load, replaced(old, new)) == expected


def test_several_findings_are_reported_at_once(load: Load) -> None:
    """Nobody has to mend one error to see the next."""
    text = replaced("kind: scripted", "kind: scripted\n  delay: never", replaced("start: earliest", "start: 1"))
    assert [finding.split(" ")[1] for finding in findings(load, text)] == ["kafka.start:", "engine.delay:"]


def test_verdicts_and_rulings_may_share_a_topic(load: Load) -> None:
    """In one partition a ruling then comes after its verdicts."""
    outputs = load(replaced("rulings: guard.rulings", "rulings: guard.verdicts")).routes[0].outputs
    assert outputs.rulings == outputs.verdicts


def test_two_routes_may_not_share_a_name(load: Load) -> None:
    """The second of that name is the finding."""
    [finding] = findings(load, replaced("name: rest", "name: chat", FULL), ENV)
    assert "another route is named chat already" in finding


@pytest.mark.parametrize(
    ("section", "option", "reason"),
    [
        ("client", "bootstrap.servers: other:9092", "use kafka.bootstrap_servers"),
        ("consumer", "topic.auto.offset.reset: latest", "never skip records"),
        ("consumer", "offset.store.method: none", "coordinator"),
        ("consumer", "enable.auto.commit: true", "only those of settled records"),
        ("consumer", "enable.auto.offset.store: true", "once its record is settled"),
        ("consumer", "auto.offset.reset: latest", "never skip records"),
        ("consumer", "group.id: other", "use kafka.group"),
        ("consumer", "group.instance.id: pod-1", "use kafka.instance_id"),
        ("client", "group.instance.id: pod-1", "use kafka.instance_id"),
        ("producer", "acks: 1", "all in-sync replicas"),
        ("producer", "topic.acks: 1", "all in-sync replicas"),
        ("producer", "enable.idempotence: false", "repeat or reorder"),
        ("producer", "transactional.id: t", "not transactional"),
        ("producer", "partitioner: random", "one partition"),
    ],
)
def test_an_option_that_breaks_the_promise_is_refused(load: Load, section: str, option: str, reason: str) -> None:
    """The refusal names the option, its place and why."""
    [finding] = findings(load, replaced("start: earliest", f"start: earliest\n  {section}: {{{option}}}"))
    assert finding.startswith("4:")
    assert option.split(":", maxsplit=1)[0] in finding
    assert reason in finding


def test_the_new_group_protocol_refuses_what_the_broker_decides(load: Load) -> None:
    """KIP-848 leaves the session timeout to the broker."""
    options = "group_protocol: consumer\n  consumer: {session.timeout.ms: 6000}"
    [finding] = findings(load, replaced("start: earliest", f"start: earliest\n  {options}"))
    assert finding == "5:34: session.timeout.ms: under group_protocol consumer the broker decides this"


def test_a_replica_has_its_name_from_the_environment(load: Load) -> None:
    """By the variable of the setting, or by one that the file names; without it, there is none."""
    assert load(MINIMAL).kafka.instance_id is None
    assert load(MINIMAL, {"STREAM_GUARD_KAFKA__INSTANCE_ID": "guard-0"}).kafka.instance_id == "guard-0"
    text = replaced("start: earliest", "start: earliest\n  instance_id: ${POD_NAME}")
    assert load(text, {"POD_NAME": "guard-1"}).kafka.instance_id == "guard-1"
    [finding] = findings(load, text, {"POD_NAME": "guard 1"})
    assert finding.startswith("4:16: kafka.instance_id: ")


def test_an_option_must_be_a_scalar(load: Load) -> None:
    """One finding at the option, not one for each type that it could have been."""
    [finding] = findings(load, replaced("start: earliest", "start: earliest\n  client: {sasl.username: [a]}"))
    assert finding == "4:12: kafka.client.sasl.username: must be a text, a number, true or false"


def test_secrets_show_in_no_text(load: Load) -> None:
    """Neither str, repr, dump nor JSON of the settings shows a secret."""
    settings = load(FULL, ENV)
    shown = [
        str(settings),
        repr(settings),
        str(settings.model_dump()),
        settings.model_dump_json(),
        repr(settings.__dict__),
    ]
    assert not any(secret in text for text in shown for secret in ("k4fka-hush", "a-key-nobody-may-see"))


@pytest.mark.parametrize("option", [
    "sasl.password", "ssl.key.password", "ssl.key.pem", "ssl.keystore.password", "sasl.oauthbearer.client.secret",
    "sasl.oauthbearer.config", "sasl.oauthbearer.assertion.private.key.passphrase",
    "sasl.oauthbearer.assertion.private.key.pem",
])  # fmt: skip
def test_every_secret_of_librdkafka_is_masked(load: Load, option: str) -> None:
    """The pass-through maps know which of their options are secret."""
    options = f"{{security.protocol: SASL_SSL, sasl.mechanism: PLAIN, sasl.username: guard, {option}: hush-hush"
    more = "" if option == "sasl.password" else ", sasl.password: other"
    settings = load(replaced("start: earliest", f"start: earliest\n  client: {options}{more}}}"))
    assert "hush-hush" not in repr(settings)
    assert revealed(settings.kafka.client)[option] == "hush-hush"


@pytest.mark.parametrize("wrong", ["hash key", "unknown key", "wrong type", "contradiction"])
def test_no_error_quotes_a_secret(load: Load, wrong: str) -> None:
    """Whatever is wrong elsewhere, and even where the secret itself is wrong."""
    text = {
        "hash key": replaced("${HASH_KEY}", "${SHORT}", FULL),
        "unknown key": replaced("content_hash_key", "content_hash_kez", FULL),
        "wrong type": replaced("producer: {linger.ms: 5}", 'producer: ["${KAFKA_PASSWORD}"]', FULL),
        "contradiction": replaced("linger.ms: 5", 'group.id: "${KAFKA_PASSWORD}"', FULL),
    }[wrong]
    with pytest.raises(ConfigError) as caught:
        load(text, ENV | {"SHORT": "too-short"})
    shown = [str(caught.value), repr(caught.value), repr(caught.value.__cause__), repr(caught.value.__context__)]
    assert not any(secret in text for text in shown for secret in [*ENV.values(), "too-short"])


def test_environment_variables_go_over_the_file(load: Load, tmp_path: Path) -> None:
    """Nested names, librdkafka's options, JSON lists and types all work; the file keeps the rest."""
    settings = load(MINIMAL, {
        "STREAM_GUARD_NAMESPACE": "acme",
        "STREAM_GUARD_KAFKA__BOOTSTRAP_SERVERS": "other:9092",
        "STREAM_GUARD_KAFKA__CLIENT__SASL_PASSWORD": "hush-hush",
        "STREAM_GUARD_KAFKA__CLIENT__SASL_USERNAME": "guard",
        "STREAM_GUARD_KAFKA__CLIENT__SASL_MECHANISM": "PLAIN",
        "STREAM_GUARD_KAFKA__CLIENT__SECURITY_PROTOCOL": "SASL_SSL",
        "STREAM_GUARD_ENGINE__VIOLATION_SHARE": "0.5",
        "STREAM_GUARD_WINDOW__BYTES": "1GiB",
        "STREAM_GUARD_POLICIES": '["other.md"]',
    })  # fmt: skip
    assert (settings.namespace, settings.kafka.bootstrap_servers, settings.kafka.start) == (
        "acme", "other:9092", "earliest",
    )  # fmt: skip
    assert revealed(settings.kafka.client) == {
        "security.protocol": "SASL_SSL", "sasl.mechanism": "PLAIN", "sasl.username": "guard", "sasl.password": "hush-hush",
    }  # fmt: skip
    assert isinstance(settings.engine, ScriptedSettings)
    assert (settings.engine.violation_share, settings.window.bytes) == (0.5, 1024**3)
    assert settings.policies == (tmp_path / "other.md",)
    assert "hush-hush" not in repr(settings)


def test_a_variable_wins_over_the_same_option_in_the_file(load: Load) -> None:
    """An underscore in an option's variable stands for a dot."""
    text = replaced("start: earliest", "start: earliest\n  client: {socket.timeout.ms: 1000}")
    settings = load(text, {"STREAM_GUARD_KAFKA__CLIENT__SOCKET_TIMEOUT_MS": "2000"})
    assert revealed(settings.kafka.client) == {"socket.timeout.ms": "2000"}


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("STREAM_GUARD_KAFFKA__GROUP", "g", "no setting has this name"),
        ("STREAM_GUARD_KAFKA__GRUOP", "g", "kafka.gruop is unknown; did you mean group?"),
        ("STREAM_GUARD_WINDOW__RECORDS", "many", "window.records: Input should be a valid integer"),
        ("STREAM_GUARD_ROUTES", '[{"name": "a"}]', "routes[0].judge is required"),
    ],
)
def test_a_wrong_variable_is_named_as_the_place(load: Load, name: str, value: str, expected: str) -> None:
    """An error in the environment names the variable."""
    with pytest.raises(ConfigError) as caught:
        load(MINIMAL, {name: value})
    messages = [what for place, what in caught.value.findings if place.file == f"environment variable {name}"]
    assert any(message.startswith(expected) for message in messages)


def test_a_list_in_a_variable_must_be_json(load: Load) -> None:
    """Malformed JSON names the variable and the setting, and shows nothing of the value."""
    with pytest.raises(ConfigError) as caught:
        load(MINIMAL, {"STREAM_GUARD_POLICIES": "hush-hush", "STREAM_GUARD_KAFKA__CLIENT": '{"sasl.password": "hush'})
    assert str(caught.value).splitlines() == [
        "environment variable STREAM_GUARD_KAFKA__CLIENT: kafka.client must be JSON",
        "environment variable STREAM_GUARD_POLICIES: policies must be JSON",
    ]
    assert caught.value.__cause__ is caught.value.__context__ is None


def test_variables_of_kubernetes_are_no_settings(load: Load) -> None:
    """A service named stream-guard makes Kubernetes set such variables in every pod."""
    env = {"STREAM_GUARD_PORT": "tcp://10.0.0.1:9464", "STREAM_GUARD_SERVICE_HOST": "10.0.0.1"}
    assert load(MINIMAL, env) == load(MINIMAL)


def test_a_missing_reference_is_an_error_at_its_place(load: Load) -> None:
    """Both missing variables are reported, each where it is named."""
    assert findings(load, FULL, {"KAFKA_PASSWORD": "x"}) == [
        "3:22: environment variable BROKERS is not set",
        "42:19: environment variable HASH_KEY is not set",
    ]


def test_a_file_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    """The error names the file."""
    with pytest.raises(ConfigError, match=r"nothing\.yaml: can't be read: No such file"):
        load_config(tmp_path / "nothing.yaml", {})


def test_a_setting_knows_its_place(load: Load, tmp_path: Path) -> None:
    """Later checks can name file, line and column too."""
    settings = load(MINIMAL)
    assert str(settings.place("routes", 0, "policies", 0)) == f"{tmp_path / 'guard.yaml'}:11:16"


def test_the_schema_describes_every_setting() -> None:
    """Each property of the JSON Schema says what it is for."""
    from stream_guard.config.schema import config_schema  # noqa: PLC0415 - beside its only use

    schema = json.loads(json.dumps(config_schema()))
    objects = [schema, *(d for d in schema["$defs"].values() if "properties" in d)]
    undescribed = [
        name
        for described in objects
        for name, field in described["properties"].items()
        if "description" not in field and "const" not in field
    ]
    assert undescribed == []


def test_a_hung_engine_must_be_noticed_before_its_cases_time_out(load: Load) -> None:
    """Or an outage would be taken for slow cases, and those would abstain."""
    engine = "kind: vllm\n  model: small\n  health_timeout: 30s"
    [finding] = findings(load, replaced("kind: scripted", engine) + "judging: {timeout: 40s}\n")
    assert "engine.health_timeout" in finding
    assert load(replaced("kind: scripted", engine) + "judging: {timeout: 41s}\n").judging.timeout == 41.0


def test_a_drain_must_be_shorter_than_the_groups_patience(load: Load) -> None:
    """A member that does not poll for max.poll.interval.ms loses its partitions while it drains them."""
    [finding] = findings(load, MINIMAL + "drain: 5m\n")
    assert "max.poll.interval.ms (300000)" in finding


def test_the_groups_patience_may_come_from_the_environment(load: Load) -> None:
    """There it is a text."""
    env = {"STREAM_GUARD_KAFKA__CONSUMER__MAX_POLL_INTERVAL_MS": "5000"}
    [finding] = findings(load, MINIMAL + "drain: 8s\n", env)
    assert "max.poll.interval.ms (5000)" in finding


def test_paths_are_beside_the_name_of_the_file_not_beside_what_it_links_to(tmp_path: Path) -> None:
    """Kubernetes mounts a file as a link into a directory that is gone once it is swapped: no path may lead there."""
    mount, real = tmp_path / "mount", tmp_path / "mount" / "..2026_01_01"
    for folder in (mount, real):
        (folder / "policies").mkdir(parents=True)
    (real / "guard.yaml").write_text(MINIMAL, encoding="utf-8")
    (mount / "guard.yaml").symlink_to(real / "guard.yaml")
    assert load_config(mount / "guard.yaml", {}).policies == (mount / "policies",)
