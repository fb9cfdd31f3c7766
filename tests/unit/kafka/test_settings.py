from __future__ import annotations

import pytest

from stream_guard.kafka.settings import GroupProtocol, KafkaSettings


def make_settings(protocol: GroupProtocol = GroupProtocol.CLASSIC, **sections: dict[str, str]) -> KafkaSettings:
    """Settings with overrides by section."""
    return KafkaSettings(bootstrap="b:1", group="g", protocol=protocol, **sections)  # type: ignore[arg-type]


def test_the_delivery_promise_can_not_be_overridden() -> None:
    """Even where the check of the overrides is left out, ours win."""
    broken = {"enable.auto.offset.store": "true", "auto.offset.reset": "latest", "group.id": "other", "acks": "1"}
    settings = make_settings(client=broken, consumer=broken, producer=broken)
    consumer, producer = settings.consumer_config(), settings.producer_config()
    assert consumer["enable.auto.offset.store"] is False
    assert (consumer["auto.offset.reset"], consumer["group.id"]) == ("error", "g")
    assert (producer["acks"], producer["enable.idempotence"]) == ("all", True)


def test_kip_848_leaves_the_session_to_the_broker() -> None:
    """The client refuses a session timeout there, so none is set."""
    config = make_settings(GroupProtocol.CONSUMER).consumer_config()
    assert not {"session.timeout.ms", "heartbeat.interval.ms", "partition.assignment.strategy"} & config.keys()


@pytest.mark.parametrize(
    ("overrides", "heartbeat"),
    [({}, 2000), ({"session.timeout.ms": "9000"}, 3000), ({"heartbeat.interval.ms": "100"}, "100")],
)
def test_heartbeats_follow_the_session(overrides: dict[str, str], heartbeat: int | str) -> None:
    """A session outlives two lost heartbeats, unless the operator decides otherwise."""
    assert make_settings(consumer=overrides).consumer_config()["heartbeat.interval.ms"] == heartbeat


@pytest.mark.parametrize(
    ("settings", "eager"),
    [
        (make_settings(), False),
        (make_settings(GroupProtocol.CONSUMER), False),
        (make_settings(consumer={"partition.assignment.strategy": "range,roundrobin"}), True),
    ],
)
def test_only_an_eager_assignor_is_eager(settings: KafkaSettings, eager: bool) -> None:
    """The client must be told of assignments in the manner of its protocol."""
    assert settings.eager is eager


@pytest.mark.parametrize("section", ["client", "consumer"])
def test_what_the_operator_sets_wins_over_our_defaults(section: str) -> None:
    """Wherever it stands: the session, the assignor, what is fetched; the heartbeats follow the session."""
    theirs = {"session.timeout.ms": "30000", "partition.assignment.strategy": "range", "check.crcs": "false"}
    settings = make_settings(GroupProtocol.CLASSIC, **{section: theirs})
    config = settings.consumer_config()
    assert theirs.items() <= config.items()
    assert (config["heartbeat.interval.ms"], settings.eager) == (10_000, True)
    assert make_settings(client={"linger.ms": "50"}).producer_config()["linger.ms"] == "50"


def test_our_defaults_move_a_crashed_members_partitions_soon() -> None:
    """Cooperative, and a session that is over within 10 s, whatever librdkafka's own defaults become."""
    config = make_settings().consumer_config()
    assert config["partition.assignment.strategy"] == "cooperative-sticky"
    assert int(config["session.timeout.ms"]) <= 8_000


def test_a_replica_has_a_name_where_it_is_given_one() -> None:
    """Ours wins over an override that slipped in; only the member has it."""
    settings = KafkaSettings(bootstrap="b:1", group="g", instance_id="pod-1", consumer={"group.instance.id": "x"})
    assert settings.consumer_config()["group.instance.id"] == "pod-1"
    assert "group.instance.id" not in {**settings.lookup_config(), **settings.reader_config()}
    assert "group.instance.id" not in make_settings().consumer_config()


def test_secrets_do_not_show() -> None:
    """A repr names what is set, never to what."""
    text = repr(make_settings(client={"sasl.password": "hunter2"}))
    assert "sasl.password" in text
    assert "hunter2" not in text


def test_a_lookup_never_joins_nor_commits_by_itself() -> None:
    """Security applies to it, the consumer's overrides don't."""
    settings = make_settings(client={"security.protocol": "SSL"}, consumer={"group.instance.id": "x"})
    config = settings.lookup_config()
    assert (config["security.protocol"], config["enable.auto.commit"]) == ("SSL", False)
    assert "group.instance.id" not in config
