"""For every alert: what happens at the turn, when it fires, and what it says then; and what looks alike and is none."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from tests.alerts.courses import PODS, Counter, Course, Gauge, Looping, Steps, of, turns

POD, INSTANCE = next(iter(PODS.items()))
MINUTE, TWO, HALF_HOUR = 1, 2, 30


class Firing(NamedTuple):
    """An alert that fires: what tells it from others beside namespace and job, and how its value reads."""

    value: str
    labels: Mapping[str, str]
    severity: str = "page"


class Case(NamedTuple):
    """What changes at the turn. Times are in steps after it; `quiet` is shortly before it fires, `over` when it does no longer."""

    name: str
    alert: str
    changes: Mapping[str, Course]
    quiet: int
    at: int
    firing: tuple[Firing, ...]
    over: int | None = None
    minutes: int = MINUTE
    """Of one step."""


class Lookalike(NamedTuple):
    """What changes at the turn, and fires nothing of this name until `until` steps after it."""

    name: str
    alert: str
    changes: Mapping[str, Course]
    until: int
    minutes: int = MINUTE


def _both(name: str, course: Course, **labels: str) -> dict[str, Course]:
    return {of(pod, name, **labels): course for pod in (1, 2)}


def _in_time(per_step: float) -> dict[str, Course]:
    return _both("stream_guard_stage_duration_seconds_bucket", Counter(996, per_step), stage="total", le="30.0")


def _verdicts(decision: str, course: Course, abstention: str = "") -> dict[str, Course]:
    return _both(
        "stream_guard_verdicts_total", course, route="chat", policy="adverts", decision=decision, abstention=abstention
    )


def _records(outcome: str, reason: str, course: Course) -> dict[str, Course]:
    return _both("stream_guard_records_total", course, route="chat", outcome=outcome, reason=reason)


def _letters(reason: str, course: Course, pod: int = 1) -> dict[str, Course]:
    return {of(pod, "stream_guard_dead_letters_total", route="chat", scope="record", reason=reason): course}


def _first(name: str, course: Course, **labels: str) -> dict[str, Course]:
    return {of(1, name, **labels): course}


_STOPPED = {
    of(1, "stream_guard_records_total", route="chat", outcome=outcome, reason=reason): Counter(before, 0)
    for outcome, reason, before in (
        ("judged", "", 998),
        ("dead_lettered", "too_long", 2),
        ("ignored", "tombstone", 3000),
    )
}
_UNSEEN = {
    series: Steps((None,) * 100 + (value,), before=value)
    for series, value in (
        (of(1, "up"), 1),
        (of(2, "up"), 1),
        (of(1, "stream_guard_engine_restarts_total", cause="died"), 5),
    )
}
"""Prometheus is away for longer than an hour, and finds what it left."""
_NEVER_BEGUN = {written: Counter(0) for written in _STOPPED}
_REPLICA = {"pod": POD, "instance": INSTANCE}
_STARTED = 1_780_000_000


def _loops(pod: int, loaded: float | None = None) -> dict[str, Course]:
    """A replica that ends after three minutes, and is started again five minutes later. `loaded` is what it says of partitions and engine."""
    return {
        of(pod, "up"): Looping(1, 1, away=0),
        of(pod, "process_start_time_seconds"): Looping(_STARTED, _STARTED + 1, starts=True),
        of(pod, "stream_guard_partitions_assigned"): Looping(2, loaded),
        of(pod, "stream_guard_engine_up"): Looping(1, loaded or 0),
        of(pod, "stream_guard_lag_seconds", topic="posts", partition=str(pod)): Looping(8, loaded and 900),
        of(pod, "stream_guard_backlog_records", topic="posts", partition=str(pod)): Looping(40, loaded and 900),
    }


def _recreated(pod: int) -> dict[str, Course]:
    """A replica whose new pod has another name: the old one goes, the new one is brought up in 14 minutes, and loads for 25."""

    def new(name: str, course: Course) -> dict[str, Course]:
        return {of(pod, name).replace(f"guard-{pod}", f"guard-new-{pod}"): course}

    return {
        **{
            of(pod, name): Steps((None,))
            for name in (
                "up",
                "stream_guard_engine_up",
                "stream_guard_partitions_assigned",
                "process_start_time_seconds",
            )
        },
        **new("up", Steps((0,) * 14 + (1,), before=None)),
        **new("stream_guard_engine_up", Steps((None,) * 14 + (0,) * 25 + (1,), before=None)),
        **new("stream_guard_partitions_assigned", Steps((None,) * 39 + (2,), before=None)),
        **new("process_start_time_seconds", Steps((None,) * 14 + (_STARTED,), before=None)),
    }


def _loads_in_turn(pod: int, load: int, *, at: int) -> dict[str, Course]:
    """A replica of a rollout: from one scrape to the next it is another one, which loads its model."""
    return {
        of(pod, "stream_guard_engine_up"): Steps((1,) * at + (0,) * load + (1,)),
        of(pod, "stream_guard_partitions_assigned"): Steps((2,) * at + (None,) * load + (2,)),
    }


_LAG = "stream_guard_lag_seconds"

CASES = (
    Case(
        "three of ten are late",
        "StreamGuardObjectiveBurns",
        _in_time(700),
        quiet=10,
        at=31,
        firing=(Firing("30.2%", {"window": "1h"}),),
        minutes=TWO,
    ),
    Case(
        "one of three is dead-lettered",
        "StreamGuardObjectiveBurns",
        _records("judged", "", Counter(998, 670)) | _records("dead_lettered", "too_long", Counter(2, 330)),
        quiet=10,
        at=31,
        firing=(Firing("33.4%", {"window": "1h"}),),
        minutes=TWO,
    ),
    Case(
        "eight of a hundred are late",
        "StreamGuardObjectiveBurns",
        _in_time(922),
        quiet=30,
        at=182,
        firing=(Firing("8%", {"window": "6h"}), Firing("3.919%", {"window": "3d"}, "ticket")),
        minutes=TWO,
    ),
    Case(
        "two of a hundred are late",
        "StreamGuardObjectiveBurns",
        _in_time(982),
        quiet=30,
        at=150,
        firing=(Firing("2%", {"window": "3d"}, "ticket"),),
        minutes=HALF_HOUR,
    ),
    Case(
        "one partition lags",
        "StreamGuardLagging",
        _first(_LAG, turns(8, 400), topic="posts", partition="1"),
        quiet=4,
        at=5,
        firing=(Firing("6m 40s", {"topic": "posts"}),),
    ),
    Case(
        "half of a week's retention",
        "StreamGuardLagNearRetention",
        _first(_LAG, turns(8, 302_460), topic="posts", partition="1"),
        quiet=4,
        at=5,
        firing=(Firing("3d 12h 1m 0s", {"topic": "posts"}),),
    ),
    Case("one replica stops", "StreamGuardNoProgress", _STOPPED, quiet=12, at=16, firing=(Firing("40", _REPLICA),)),
    Case(
        "one replica never begins",
        "StreamGuardNoProgress",
        _NEVER_BEGUN | _first("stream_guard_backlog_records", turns(0, 7), topic="posts", partition="1"),
        quiet=4,
        at=5,
        firing=(Firing("7", _REPLICA),),
    ),
    Case(
        "all engines are away",
        "StreamGuardEngineDown",
        _both("stream_guard_engine_up", turns(1, 0)),
        quiet=31,
        at=32,
        firing=(Firing("0", {}),),
    ),
    Case(
        "all load in vain, and are ended by their startup probe",
        "StreamGuardEngineDown",
        _both("stream_guard_engine_up", Steps((1, *((0,) * 29 + (None,)) * 3))),
        quiet=32,
        at=33,
        firing=(Firing("0", {}),),
    ),
    Case(
        "one engine is away",
        "StreamGuardReplicaEngineDown",
        _first("stream_guard_engine_up", turns(1, 0)),
        quiet=31,
        at=32,
        firing=(Firing("1", {}, "ticket"),),
    ),
    Case(
        "one replica ends while it loads, again and again",
        "StreamGuardReplicaEngineDown",
        _loops(1),
        quiet=31,
        at=35,
        firing=(Firing("1", {}, "ticket"),),
    ),
    Case(
        "three restarts, each a series' first",
        "StreamGuardEngineRestarts",
        _first("stream_guard_engine_restarts_total", Counter(0, jump=1), cause="hung"),
        quiet=-1,
        at=0,
        firing=(Firing("3", {}, "ticket"),),
        over=60,
    ),
    Case(
        "three restarts after many",
        "StreamGuardEngineRestarts",
        _both("stream_guard_engine_restarts_total", Counter(0), cause="died")
        | _first("stream_guard_engine_restarts_total", Counter(0, jump=3, start=40), cause="died"),
        quiet=-1,
        at=1,
        firing=(Firing("3", {}, "ticket"),),
        over=61,
    ),
    Case(
        "one replica waits for the registry",
        "StreamGuardRegistryDown",
        _first("stream_guard_registry_up", turns(1, 0)),
        quiet=9,
        at=10,
        firing=(Firing("0", {}),),
    ),
    Case(
        "one partition is halted",
        "StreamGuardPartitionHalted",
        _first("stream_guard_partitions_halted", turns(None, 1), topic="posts", partition="1", reason="position"),
        quiet=4,
        at=5,
        firing=(Firing("1", {"topic": "posts", "partition": "1", "reason": "position"}),),
    ),
    Case(
        "four suspects",
        "StreamGuardSuspects",
        _first("stream_guard_suspects", turns(0, 4)),
        quiet=14,
        at=15,
        firing=(Firing("4", _REPLICA, "ticket"),),
    ),
    Case(
        "all lost their partitions",
        "StreamGuardNothingAssigned",
        _both("stream_guard_partitions_assigned", turns(2, 0)),
        quiet=31,
        at=32,
        firing=(Firing("2", {}),),
    ),
    Case(
        "all load their model, and never get there",
        "StreamGuardNothingAssigned",
        _both("stream_guard_partitions_assigned", turns(2, None)),
        quiet=31,
        at=32,
        firing=(Firing("2", {}),),
    ),
    Case(
        "all end while they load, again and again",
        "StreamGuardNothingAssigned",
        _loops(1) | _loops(2),
        quiet=31,
        at=32,
        firing=(Firing("2", {}),),
    ),
    Case(
        "all end while they load, again and again",
        "StreamGuardCrashLoop",
        _loops(1) | _loops(2),
        quiet=15,
        at=16,
        firing=(Firing("2", {}),),
    ),
    Case(
        "all end once they judge, again and again",
        "StreamGuardCrashLoop",
        _loops(1, 1) | _loops(2, 1),
        quiet=15,
        at=16,
        firing=(Firing("2", {}),),
    ),
    Case(
        "all were started again three times, and then live",
        "StreamGuardCrashLoop",
        {of(pod, "process_start_time_seconds"): Steps(tuple(_STARTED + n for n in (1, 1, 2, 2, 3))) for pod in (1, 2)},
        quiet=3,
        at=4,
        firing=(Firing("2", {}),),
        over=25,
    ),
    Case(
        "all scrapes fail",
        "StreamGuardAbsent",
        _both("up", turns(1, 0)),
        quiet=14,
        at=15,
        firing=(Firing("1", {"deployment": "guard-stream-guard"}),),
    ),
    Case(
        "no replica is there",
        "StreamGuardAbsent",
        _both("up", turns(1, None)),
        quiet=18,
        at=21,
        firing=(Firing("1", {"deployment": "guard-stream-guard"}),),
    ),
    Case(
        "three of a hundred are dead-lettered",
        "StreamGuardDeadLetters",
        _letters("too_long", Counter(2, 30)) | _letters("too_long", Counter(2, 30), pod=2),
        quiet=12,
        at=32,
        firing=(Firing("3%", {"route": "chat"}, "ticket"),),
    ),
    Case(
        "one dead letter of a kind that never was",
        "StreamGuardDeadLetterReasonNew",
        _letters("unmapped", Counter(0, jump=1)),
        quiet=-1,
        at=0,
        firing=(Firing("1", {"reason": "unmapped"}, "ticket"),),
        over=61,
    ),
    Case(
        "a dead letter of yesterday",
        "StreamGuardDeadLettersOld",
        _first("stream_guard_dead_letters_oldest_seconds", turns(7200, 90_000), topic="posts.letters"),
        quiet=14,
        at=15,
        firing=(Firing("1d 1h 0m 0s", {"topic": "posts.letters"}, "ticket"),),
    ),
    Case(
        "nine of a hundred replies are asked for again",
        "StreamGuardBadReplies",
        _both("stream_guard_retries_total", Counter(10, 89), policy="adverts", reason="unparseable"),
        quiet=20,
        at=40,
        firing=(Firing("9%", {"policy": "adverts"}, "ticket"),),
    ),
    Case(
        "labels without mass, and no second try",
        "StreamGuardBadReplies",
        _both("stream_guard_retries_total", Counter(0), policy="adverts", reason="unparseable")
        | _verdicts("review", Counter(0, 100), "undecided"),
        quiet=20,
        at=40,
        firing=(Firing("10.1%", {"policy": "adverts"}, "ticket"),),
    ),
    Case(
        "one of ten expires",
        "StreamGuardAbstentions",
        _verdicts("review", Counter(9, 109), "expired"),
        quiet=15,
        at=46,
        firing=(Firing("9.167%", {"policy": "adverts"}, "ticket"),),
    ),
    Case(
        "three times as many are flagged",
        "StreamGuardVerdictsDrift",
        _verdicts("flag", Counter(100, 300)) | _verdicts("allow", Counter(890, 690)),
        quiet=5,
        at=13,
        firing=(Firing("30.3%", {"policy": "adverts"}, "ticket"),),
        minutes=HALF_HOUR,
    ),
    Case(
        "nothing is flagged any more",
        "StreamGuardVerdictsDrift",
        _verdicts("flag", Counter(100, 0)) | _verdicts("allow", Counter(890, 990)),
        quiet=5,
        at=13,
        firing=(Firing("0%", {"policy": "adverts"}, "ticket"),),
        minutes=HALF_HOUR,
    ),
    Case(
        "an edit reaches one replica only",
        "StreamGuardPoliciesDiffer",
        _first("stream_guard_policy_info", Gauge(1), policy="adverts", version="aa", revision="1")
        | _first("stream_guard_policy_info", Gauge(None), policy="adverts", version="bb", revision="2"),
        quiet=59,
        at=60,
        firing=(Firing("2", {"policy": "adverts"}, "ticket"),),
    ),
    Case(
        "one replica refuses an edit",
        "StreamGuardEditionRefused",
        _first("stream_guard_edition_refused", turns(0, 1)),
        quiet=59,
        at=60,
        firing=(Firing("1", {}, "ticket"),),
    ),
)
"""At least one for every alert."""


def _few(per_step: float) -> dict[str, Course]:
    """Hardly any traffic: all of it is late, dead-lettered, unreadable, abstained."""
    return {
        **_in_time(0),
        **_both("stream_guard_stage_duration_seconds_count", Counter(per_step), stage="total"),
        **_both("stream_guard_stage_duration_seconds_bucket", Counter(per_step), stage="total", le="+Inf"),
        **_records("judged", "", Counter(0)),
        **_records("dead_lettered", "too_long", Counter(per_step)),
        **_letters("too_long", Counter(per_step)),
        **_letters("too_long", Counter(per_step), pod=2),
        **_verdicts("allow", Counter(0)),
        **_verdicts("flag", Counter(0)),
        **_verdicts("review", Counter(0), "expired"),
        **_verdicts("review", Counter(0), "rate_limited"),
        **_verdicts("review", Counter(per_step), "unparseable"),
        **_both("stream_guard_cases_total", Counter(per_step), policy="adverts"),
        **_both("stream_guard_retries_total", Counter(per_step), policy="adverts", reason="unparseable"),
    }


LOOKALIKES = (
    *(
        Lookalike("twenty records an hour, all bad", alert, _few(1 / 6), until=120)
        for alert in ("StreamGuardDeadLetters", "StreamGuardBadReplies", "StreamGuardAbstentions")
    ),
    Lookalike("twenty records an hour, all bad", "StreamGuardObjectiveBurns", _few(1 / 16), until=120),
    Lookalike(
        "most is ignored, and late for nobody",
        "StreamGuardObjectiveBurns",
        _both("stream_guard_stage_duration_seconds_count", Counter(3000, 9000), stage="settle"),
        until=120,
    ),
    Lookalike("one replica is idle", "StreamGuardNoProgress",
              _STOPPED | _first("stream_guard_backlog_records", turns(40, 0), topic="posts", partition="1"), until=120),
    Lookalike("a model is loaded", "StreamGuardNothingAssigned", _first("stream_guard_partitions_assigned", turns(2, None)), until=120),
    Lookalike("one engine is away", "StreamGuardEngineDown", _first("stream_guard_engine_up", turns(1, 0)), until=120),
    Lookalike("all engines are away", "StreamGuardReplicaEngineDown", _both("stream_guard_engine_up", turns(1, 0)), until=120),
    *(
        Lookalike("replicas load one after the other", alert, _loads_in_turn(1, 25, at=0) | _loads_in_turn(2, 25, at=25), until=120)
        for alert in ("StreamGuardReplicaEngineDown", "StreamGuardEngineDown", "StreamGuardNothingAssigned", "StreamGuardAbsent")
    ),
    *(
        Lookalike("all are away for a quarter of an hour, and load", alert, _recreated(1) | _recreated(2), until=120)
        for alert in ("StreamGuardEngineDown", "StreamGuardNothingAssigned", "StreamGuardAbsent", "StreamGuardCrashLoop")
    ),
    Lookalike("another one lives", "StreamGuardCrashLoop", _loops(1), until=120),
    Lookalike("the one that was started again and again is gone", "StreamGuardCrashLoop",
              {of(1, "process_start_time_seconds"): Steps((_STARTED + 1, _STARTED + 2, _STARTED + 3, None)), of(1, "up"): Steps((1, 1, 1, None))},
              until=60),
    Lookalike("another one lives", "StreamGuardNothingAssigned", _loops(1), until=120),
    Lookalike("all end while they load", "StreamGuardReplicaEngineDown", _loops(1) | _loops(2), until=120),
    Lookalike("all are started again twice", "StreamGuardCrashLoop",
              {of(pod, "process_start_time_seconds"): Steps((_STARTED + 1, _STARTED + 2)) for pod in (1, 2)}, until=60),
    Lookalike("Prometheus was away, and engines restarted before", "StreamGuardEngineRestarts",
              _UNSEEN, until=120),
    Lookalike("old pods refuse what needs a restart", "StreamGuardEditionRefused",
              _first("stream_guard_edition_refused", Steps((1,) * 50 + (0,), before=0)), until=120),
    Lookalike("old pods judge under the policies of before", "StreamGuardPoliciesDiffer",
              _first("stream_guard_policy_info", Steps((1,) * 50 + (None,)), policy="adverts", version="aa", revision="1"), until=120),
    Lookalike("one scrape fails", "StreamGuardAbsent", _first("up", turns(1, 0)), until=120),
    Lookalike("a new replica has a reason that others had", "StreamGuardDeadLetterReasonNew",
              _letters("too_long", Counter(0, 3)), until=120),
    Lookalike("quotas are used up", "StreamGuardAbstentions", _verdicts("review", Counter(100, 9000), "rate_limited"), until=60),
    Lookalike("the engine stumbles", "StreamGuardBadReplies",
              _both("stream_guard_retries_total", Counter(500, 5000), policy="adverts", reason="failed"), until=60),
    Lookalike("three flagged instead of one", "StreamGuardVerdictsDrift",
              _verdicts("flag", Counter(0.1, 0.3)) | _verdicts("allow", Counter(9.9, 9.7)), until=24, minutes=HALF_HOUR),
    Lookalike("the first hours of a policy", "StreamGuardVerdictsDrift",
              _verdicts("flag", Counter(0, 300)) | _verdicts("allow", Counter(0, 690)), until=12, minutes=HALF_HOUR),
)  # fmt: skip
"""What has the look of an alert's condition, and is none."""
