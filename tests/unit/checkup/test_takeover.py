from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from stream_guard.checkup.finding import Finding, Severity
from stream_guard.checkup.takeover import judge_takeover, takeover_s
from stream_guard.kafka.cluster.inspection import GroupFacts, Inspection
from tests.inspections import BROKER, make_inspection, make_question, make_route, only

KIP_848 = {"group_protocol": "consumer"}


def with_group(session: str | None, **more: Any) -> Inspection:
    """A cluster whose group has this session timeout; None where it may not be read."""
    group = GroupFacts(settings=None if session is None else {"consumer.session.timeout.ms": session})
    return make_inspection(group=group, **more)


def judge(kafka: Mapping[str, object], said: Inspection) -> Finding:
    """The one finding."""
    (found,) = judge_takeover(make_question(kafka=kafka), said)
    return found


def test_classic_is_as_fast_as_we_set_it() -> None:
    """6 s, and what the other protocol would be on this broker."""
    found = judge({}, with_group("45000"))
    assert found.severity is Severity.OK
    assert "wait about 6 s (session.timeout.ms 6,000)" in found.sentence
    assert "if you switch to group_protocol: consumer: about 45 s on this broker, unless you lower" in found.sentence
    assert "group.consumer.min.session.timeout.ms on every broker (it is 45,000) to 6000, then run" in found.sentence


def test_where_the_other_protocol_is_quick_too_there_is_nothing_to_change() -> None:
    """The group has a short session already."""
    assert judge({}, with_group("6000")).sentence.endswith("consumer: about 6 s on this broker")


def test_a_long_classic_session_is_a_warning() -> None:
    """The operator set it, and can shorten it."""
    found = judge({"consumer": {"session.timeout.ms": 45_000}}, with_group("45000"))
    assert (found.severity, "to 6000" in found.advice) == (Severity.WARNING, True)


@pytest.mark.parametrize("session", [1000, 2_000_000])
def test_a_session_that_the_broker_refuses_is_an_error(session: int) -> None:
    """Its bounds are said."""
    found = judge({"consumer": {"session.timeout.ms": session}}, make_inspection())
    assert (found.severity, "allows 6,000 to 1,800,000" in found.sentence) == (Severity.ERROR, True)


def test_a_stock_broker_is_slow_under_kip_848() -> None:
    """45 s; its lower bound must fall first, then the group's own setting."""
    found = judge(KIP_848, with_group("45000"))
    assert found.severity is Severity.WARNING
    assert "wait about 45 s" in found.sentence
    assert found.advice.startswith(
        "lower group.consumer.min.session.timeout.ms on every broker (it is 45,000) to 6000, then run kafka-configs"
    )
    assert "--entity-type groups --entity-name guard --add-config consumer.session.timeout.ms=6000" in found.advice
    assert "group_protocol: classic" in found.advice


def test_a_broker_that_allows_less_needs_one_command() -> None:
    """The bound is low enough already."""
    low = {**BROKER, "group.consumer.min.session.timeout.ms": "1000"}
    assert judge(KIP_848, with_group("45000", broker_settings=low)).advice.startswith(
        "run kafka-configs --alter --entity-type groups"
    )


def test_a_group_with_a_short_session_is_fine() -> None:
    """The group's own setting counts, not the broker's."""
    found = judge(KIP_848, with_group("6000"))
    assert (found.severity, "wait about 6 s" in found.sentence) == (Severity.OK, True)


def test_without_the_groups_settings_the_brokers_count() -> None:
    """They are its default."""
    assert "wait about 45 s" in judge(KIP_848, with_group(None)).sentence


def test_what_may_not_be_read_is_not_guessed() -> None:
    """A warning says what the default is, and how to know."""
    found = judge(KIP_848, with_group(None, broker_settings=None))
    assert found.severity is Severity.WARNING
    assert "may not be read: 45 s where nobody changed it" in found.sentence
    assert "--operation DescribeConfigs --group guard" in found.advice
    assert "unknown time" in judge({}, with_group(None, broker_settings=None)).sentence
    assert takeover_s(make_question(kafka=KIP_848), with_group(None, broker_settings=None)) == 45.0


@pytest.mark.parametrize(
    ("kafka", "within", "longer"),
    [
        ({}, "6 s", "a longer session.timeout.ms"),
        ({"client": {"session.timeout.ms": 120_000}}, "2 min", "a longer session.timeout.ms"),
        (KIP_848, "45 s", "a longer consumer.session.timeout.ms"),
    ],
)
def test_a_named_replica_hears_what_a_restart_costs(kafka: Mapping[str, object], within: str, longer: str) -> None:
    """Its session covers the restart, and holds its partitions up if it is not back."""
    question = make_question(kafka={**kafka, "instance_id": "guard-0"})
    (found,) = (f for f in judge_takeover(question, make_inspection()) if "instance_id" in f.sentence)
    assert found.severity is Severity.OK
    assert f"is back within {within} of its last sign of life" in found.sentence
    assert longer in found.sentence


def test_an_expiry_within_the_takeover_is_a_warning() -> None:
    """A crash alone would make events abstain."""
    question = make_question(make_route(expire_after=20), kafka=KIP_848)
    assert any(
        "a crash alone holds them up for 45 s" in found.sentence
        for found in only(list(judge_takeover(question, make_inspection())))
    )
