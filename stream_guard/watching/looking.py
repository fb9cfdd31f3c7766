"""One look: what the services told becomes one view."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

from stream_guard.telemetry import names
from stream_guard.watching.growth import STARTED, Growth
from stream_guard.watching.history import History
from stream_guard.watching.quantiles import merged, quantile
from stream_guard.watching.series import (
    Sight,
    counted,
    counted_all,
    counted_by,
    gauges,
    greatest,
    grown_buckets,
    summed,
    told,
)
from stream_guard.watching.troubles import troubles
from stream_guard.watching.view import (
    NEVER,
    DeadLetter,
    DeadLetters,
    Engines,
    Halt,
    InFlight,
    Lag,
    Latency,
    Partition,
    Policy,
    Records,
    Running,
    Service,
    State,
    Tallies,
    View,
)

INFO = names.SERVICE.prometheus
POLICY_INFO = names.POLICIES.prometheus
BACKLOG = names.BACKLOG.prometheus
OLDEST_LETTER = names.DEAD_LETTERS_OLDEST.prometheus


def look(histories: Mapping[str, History], now: float, unix_s: float) -> View:
    """What is to be seen now: `now` by the clock of the answers, `unix_s` by this machine's."""
    sights = [Sight(h.answer.page, h.growth) for h in histories.values() if h.answer is not None]
    steps = [Sight(h.answer.page, h.step) for h in histories.values() if h.answer is not None]
    services = tuple(_service(url, history, now, unix_s) for url, history in histories.items())
    running, policies, halted = _running(sights), _policies(sights), _halted(sights)
    growths = [sight.growth for sight in sights if sight.growth is not None]
    return View(
        at=datetime.fromtimestamp(unix_s, UTC).isoformat(timespec="seconds").replace("+00:00", "Z"),
        measured_s=max((growth.seconds for growth in growths), default=None),
        services=services,
        troubles=troubles(services, running, policies, halted, sights),
        running=running,
        records=Records(
            counted_by(sights, names.RECORDS.prometheus, "outcome"), counted_all(steps, names.RECORDS.prometheus).per_s
        ),
        rulings=counted_by(sights, names.RULINGS.prometheus, "decision"),
        policies=policies,
        in_flight=InFlight(
            records=summed(sights, names.IN_FLIGHT_RECORDS.prometheus),
            bytes=summed(sights, names.IN_FLIGHT_BYTES.prometheus),
            asks=summed(sights, names.IN_FLIGHT_ASKS.prometheus),
            tokens=summed(sights, names.IN_FLIGHT_TOKENS.prometheus),
        ),
        lag=_lag(sights),
        latency=tuple(each for stage in names.STAGES if (each := _latency(stage, growths)) is not None),
        dead_letters=_dead_letters(sights),
        resends=counted_all(sights, names.RESENDS.prometheus),
        engines=_engines(sights),
        halted=halted,
    )


def _service(url: str, history: History, now: float, unix_s: float) -> Service:
    if history.silence is not None:
        since, why = history.silence
        return Service(url=url, state=State.SILENT, why=why, silent_s=round(now - since, 1))
    answer = history.answer
    if answer is None:
        return Service(url=url, state=State.UNKNOWN)
    ready, sight = answer.ready, Sight(answer.page, history.growth)
    state = State.UNKNOWN if ready is None else State.READY if ready.reason is None else State.NOT_READY
    began = answer.page.of(STARTED).get(())
    up = answer.page.of(names.ENGINE_UP.prometheus).get(())
    return Service(
        url=url,
        state=state,
        why=None if ready is None else ready.reason,
        note=None if ready is None else ready.note,
        up_s=None if began is None else max(0.0, round(unix_s - began, 1)),
        records_per_s=counted_all([sight], names.RECORDS.prometheus).per_s,
        in_flight_records=answer.page.of(names.IN_FLIGHT_RECORDS.prometheus).get(()),
        partitions=answer.page.of(names.PARTITIONS.prometheus).get(()),
        lag_s=greatest([sight], names.LAG.prometheus),
        engine_up=None if up is None else up == 1,
    )


def _running(sights: Sequence[Sight]) -> Running:
    return Running(
        versions=told(sights, INFO, "version"),
        models=told(sights, INFO, "model"),
        engines=told(sights, INFO, "engine"),
        editions=told(sights, names.EDITION.prometheus, "edition"),
    )


def _policies(sights: Sequence[Sight]) -> tuple[Policy, ...]:
    """Those that were asked about or are in force, in order of the alphabet."""
    verdicts = counted(sights, names.VERDICTS.prometheus, "policy", "decision")
    in_force = [labels for labels, is_so in gauges(sights, POLICY_INFO) if is_so == 1]
    found = {policy for policy, _ in verdicts} | {labels.get("policy", "") for labels in in_force}
    return tuple(_policy(sights, policy, in_force) for policy in sorted(found - {""}))


def _policy(sights: Sequence[Sight], policy: str, in_force: Sequence[Mapping[str, str]]) -> Policy:
    abstained = counted_by(sights, names.VERDICTS.prometheus, "abstention", policy=policy)
    tokens = counted_by(sights, names.TOKENS.prometheus, "type", policy=policy)
    return Policy(
        policy=policy,
        decisions=counted_by(sights, names.VERDICTS.prometheus, "decision", policy=policy),
        abstained={reason: tally for reason, tally in abstained.items() if reason},
        input_tokens=tokens.get("input", NEVER),
        cached_tokens=counted_all(sights, names.PREFIX_CACHE_HITS.prometheus, policy=policy),
        output_tokens=tokens.get("output", NEVER),
        retries=counted_by(sights, names.RETRIES.prometheus, "reason", policy=policy),
        looks=counted_by(sights, names.LOOKS.prometheus, "came_of", policy=policy),
        escalated=counted_by(sights, names.ESCALATIONS.prometheus, "reason", policy=policy),
        versions=tuple(sorted({labels.get("version", "") for labels in in_force if labels.get("policy") == policy})),
    )


def _lag(sights: Sequence[Sight]) -> Lag:
    """A partition that two services tell of (it moves from one to the other) is as far behind as the worse of them says."""
    lags, backlogs = _by_partition(sights, names.LAG.prometheus), _by_partition(sights, BACKLOG)
    partitions = [
        Partition(topic, partition, lags.get((topic, partition), 0.0), backlogs.get((topic, partition)))
        for topic, partition in lags.keys() | backlogs.keys()
    ]
    partitions.sort(key=lambda at: (-at.lag_s, -(at.backlog or 0.0), at.topic, at.partition.zfill(9)))
    return Lag(
        max((at.lag_s for at in partitions), default=None),
        sum(backlogs.values()) if backlogs else None,
        tuple(partitions),
    )


def _by_partition(sights: Sequence[Sight], name: str) -> dict[tuple[str, str], float]:
    found: dict[tuple[str, str], float] = {}
    for labels, value in gauges(sights, name):
        at = labels.get("topic", ""), labels.get("partition", "")
        found[at] = max(value, found.get(at, 0.0))
    return found


def _latency(stage: str, growths: Sequence[Growth]) -> Latency | None:
    buckets = merged(grown_buckets(growth, names.STAGE_DURATION.prometheus, stage=stage) for growth in growths)
    p50, p95, p99 = (quantile(buckets, share) for share in (0.5, 0.95, 0.99))
    if p50 is None or p95 is None or p99 is None:
        return None
    return Latency(stage, p50, p95, p99)


def _dead_letters(sights: Sequence[Sight]) -> DeadLetters:
    found = counted(sights, names.DEAD_LETTERS.prometheus, "scope", "reason")
    reasons = [DeadLetter(scope, reason, letters) for (scope, reason), letters in found.items()]
    reasons.sort(key=lambda each: (-(each.letters.per_s or 0.0), -each.letters.total, each.reason, each.scope))
    return DeadLetters(tuple(reasons), greatest(sights, OLDEST_LETTER))


def _engines(sights: Sequence[Sight]) -> Engines:
    ups = [value for _, value in gauges(sights, names.ENGINE_UP.prometheus)]
    restarts: Tallies = counted_by(sights, names.ENGINE_RESTARTS.prometheus, "cause")
    return Engines(sum(up == 1 for up in ups), len(ups), restarts)


def _halted(sights: Sequence[Sight]) -> tuple[Halt, ...]:
    found = {
        (labels.get("topic", ""), labels.get("partition", ""), labels.get("reason", ""))
        for labels, is_so in gauges(sights, names.HALTED.prometheus)
        if is_so == 1
    }
    return tuple(Halt(*each) for each in sorted(found, key=lambda each: (each[0], each[1].zfill(9), each[2])))
