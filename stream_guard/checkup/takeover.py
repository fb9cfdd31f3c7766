"""How long the partitions of a member that crashed wait until another one takes them over. Pure.

Measured on a stock Kafka 4.3.1: 44.8 s under KIP-848 (the broker's session timeout is 45 s), 5.7 s with a session timeout
of 6 s; 4.2 s under the classic protocol with 6 s, counted from the crash.
"""

from __future__ import annotations

from collections.abc import Iterator

from stream_guard.checkup.finding import Finding, error, ok, warning
from stream_guard.checkup.question import Question
from stream_guard.checkup.words import span
from stream_guard.config import revealed
from stream_guard.kafka.cluster.inspection import Inspection

_OURS_MS = 6_000
"""The session timeout that we set under the classic protocol where the operator sets none, and what we advise."""
_STOCK_MS = 45_000
"""The session timeout of KIP-848 groups where nobody changed it."""
_PATIENCE_S = 30.0
"""So long may a crash hold up a partition; beyond, messages wait noticeably."""
_GROUP_SESSION = "consumer.session.timeout.ms"
_BROKER_SESSION = "group.consumer.session.timeout.ms"
_BROKER_LEAST = "group.consumer.min.session.timeout.ms"
_CLASSIC_LEAST, _CLASSIC_MOST = "group.min.session.timeout.ms", "group.max.session.timeout.ms"


def judge_takeover(question: Question, said: Inspection) -> Iterator[Finding]:
    """What the configured protocol gives on this broker, and what the other one would."""
    if question.settings.kafka.group_protocol == "classic":
        yield from _classic(question, said)
    else:
        yield from _consumer(question, said)
    yield from _restarting(question, said)
    yield from _expiring(question, said)


def takeover_s(question: Question, said: Inspection) -> float:
    """How long a crash holds up a partition, in seconds; the stock broker's time where nobody may know."""
    if question.settings.kafka.group_protocol == "classic":
        return _classic_ms(question) / 1000
    return (_consumer_ms(said) or _STOCK_MS) / 1000


def _classic(question: Question, said: Inspection) -> Iterator[Finding]:
    wanted = _classic_ms(question)
    least, most = _broker(said, _CLASSIC_LEAST), _broker(said, _CLASSIC_MOST)
    if (least is not None and wanted < least) or (most is not None and wanted > most):
        yield error(
            f"session.timeout.ms is {wanted:,}, but this broker allows {least or 0:,} to {most or wanted:,}: it would refuse "
            f"every member",
            "set kafka.consumer session.timeout.ms within these bounds",
            question.settings.place("kafka", "consumer", "session.timeout.ms"),
        )
        return
    yield _timed(
        wanted / 1000,
        f"a crashed member's partitions wait about {span(wanted / 1000)} (session.timeout.ms {wanted:,}) and a rebalance; "
        f"{_if_you_switch(question, said)}",
        f"set kafka.consumer session.timeout.ms to {_OURS_MS} (or leave it out)",
    )


def _if_you_switch(question: Question, said: Inspection) -> str:
    """What KIP-848 would give on this broker, and what to change first where that is too slow."""
    other = _consumer_ms(said)
    if other is None:
        return "if you switch to group_protocol: consumer: an unknown time (DESCRIBE_CONFIGS on the group would tell)"
    would = f"if you switch to group_protocol: consumer: about {span(other / 1000)} on this broker"
    return f"{would}, unless you {_lowered(question, said)}" if other / 1000 >= _PATIENCE_S else would


def _consumer(question: Question, said: Inspection) -> Iterator[Finding]:
    session = _consumer_ms(said)
    if session is None:
        yield warning(
            f"how long a crashed member's partitions wait is the broker's setting, and may not be read: {span(_STOCK_MS / 1000)} "
            f"where nobody changed it",
            f"kafka-acls --add --allow-principal {question.grantee} --operation DescribeConfigs --group "
            f"{question.settings.kafka.group} to know, or group_protocol: classic, which gives {span(_OURS_MS / 1000)}",
        )
        return
    yield _timed(
        session / 1000,
        f"a crashed member's partitions wait about {span(session / 1000)} (the group's {_GROUP_SESSION}, {session:,}) and a "
        f"rebalance; with group_protocol: classic it would be about {span(_OURS_MS / 1000)}",
        _shorter(question, said),
    )


def _timed(seconds: float, sentence: str, advice: str) -> Finding:
    return warning(sentence, advice) if seconds >= _PATIENCE_S else ok(sentence)


def _shorter(question: Question, said: Inspection) -> str:
    """How to make it shorter."""
    needs = "" if _is_low(said) else ", which needs neither"
    return f"{_lowered(question, said)}; or group_protocol: classic{needs}"


def _is_low(said: Inspection) -> bool:
    """Whether the broker lets a group have a session as short as we advise."""
    least = _broker(said, _BROKER_LEAST)
    return least is not None and least <= _OURS_MS


def _lowered(question: Question, said: Inspection) -> str:
    """What to change for a short session under KIP-848. The broker's lower bound comes first: it is as high as its default."""
    alter = (
        f"kafka-configs --alter --entity-type groups --entity-name {question.settings.kafka.group} "
        f"--add-config {_GROUP_SESSION}={_OURS_MS}"
    )
    if _is_low(said):
        return f"run {alter}"
    least = _broker(said, _BROKER_LEAST)
    bound = f"is {least:,}" if least is not None else f"is {_STOCK_MS:,} where nobody changed it"
    return f"lower {_BROKER_LEAST} on every broker (it {bound}) to {_OURS_MS}, then run {alter}"


def _restarting(question: Question, said: Inspection) -> Iterator[Finding]:
    """What static membership means with the session as it is."""
    if question.settings.kafka.instance_id is None:
        return
    classic = question.settings.kafka.group_protocol == "classic"
    session = takeover_s(question, said)
    yield ok(
        f"with kafka.instance_id a replica that is back within {span(session)} of its last sign of life has its partitions again, "
        f"without a rebalance; until then nobody reads them, also where it was stopped or taken away in order. Loading a model "
        f"takes longer as a rule: "
        + ("a longer session.timeout.ms covers it" if classic else f"a longer {_GROUP_SESSION} covers it")
        + ", and is what a crash costs"
    )


def _expiring(question: Question, said: Inspection) -> Iterator[Finding]:
    wait = takeover_s(question, said)
    for index, route in enumerate(question.settings.routes):
        if route.expire_after is not None and route.expire_after <= wait:
            yield warning(
                f"route {route.name} expires events after {span(route.expire_after)}, but a crash alone holds them up for "
                f"{span(wait)}: they would abstain then",
                "make expire_after longer, or the session timeout shorter",
                question.settings.place("routes", index, "expire_after"),
            )


def _classic_ms(question: Question) -> int:
    kafka = question.settings.kafka
    options = revealed(kafka.client) | revealed(kafka.consumer)
    return int(str(options.get("session.timeout.ms", _OURS_MS)))


def _consumer_ms(said: Inspection) -> int | None:
    """The group's own setting, which is the broker's where it has none."""
    group = (said.group.settings or {}).get(_GROUP_SESSION)
    return int(group) if group is not None else _broker(said, _BROKER_SESSION)


def _broker(said: Inspection, setting: str) -> int | None:
    value = (said.broker_settings or {}).get(setting)
    return None if value is None else int(value)
