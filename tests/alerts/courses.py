"""What series do over a time: as a rule's test writes them, and what healthy replicas show.

Everything is counted in steps of so many minutes; something happens at the turn.
"""

from __future__ import annotations

from typing import NamedTuple

from tests.alerts.rendered import JOB, NAMESPACE

TURN = {1: 90, 2: 225, 30: 350}
"""The step of the turn, by the minutes of a step: windows of an hour, six hours, a week are full by then."""
PODS = {f"guard-stream-guard-{n}": f"10.0.0.{n}:9464" for n in (1, 2)}


class Gauge(NamedTuple):
    """Stands at a value, and from the turn on at another. None: is not there."""

    before: float | None
    after: float | None = None
    turns: bool = False

    def samples(self, turn: int, steps: int) -> list[str]:
        """One for each step."""
        later = self.after if self.turns else self.before
        return [_sample(self.before if step < turn else later) for step in range(steps)]


class Counter(NamedTuple):
    """Grows by so much a step, and from the turn on by something else; is `jump` more at the turn. A counter of 0 is not there."""

    before: float
    after: float | None = None
    jump: float = 0
    start: float = 0

    def samples(self, turn: int, steps: int) -> list[str]:
        """One for each step."""
        value, found = self.start, list[str]()
        for step in range(steps):
            value += self.before if step < turn or self.after is None else self.after
            value += self.jump if step == turn else 0
            found.append(_sample(value or None))
        return found


class Looping(NamedTuple):
    """Stands at a value until the turn. Then its process runs for three steps, at another value, and is away for five, again and again."""

    before: float | None
    runs: float | None
    away: float | None = None
    starts: bool = False
    """Whether each start makes it one more."""

    def samples(self, turn: int, steps: int) -> list[str]:
        """One for each step. A scrape that fails ends all series but `up`."""
        found = [_sample(self.before)] * min(turn, steps)
        for step in range(steps - len(found)):
            round_, phase = divmod(step, 8)
            value = self.runs if phase < 3 else self.away
            found.append("stale" if value is None else _sample(value + round_ * self.starts))
        return found


class Steps(NamedTuple):
    """These values from the turn on, one a step, the last of them for ever. None: its scrapes fail, or it is gone."""

    after: tuple[float | None, ...]
    before: float | None = 1

    def samples(self, turn: int, steps: int) -> list[str]:
        """One for each step."""
        told = [self.after[min(step, len(self.after) - 1)] for step in range(max(steps - turn, 0))]
        return [_sample(self.before)] * min(turn, steps) + [
            "stale" if value is None else _sample(value) for value in told
        ]


Course = Gauge | Counter | Looping | Steps


def turns(before: float | None, after: float | None) -> Gauge:
    """A gauge that turns."""
    return Gauge(before, after, turns=True)


def _sample(value: float | None) -> str:
    return "_" if value is None else f"{value:.12g}"


def series(name: str, *, job: str = JOB, **labels: str) -> str:
    """How a series is written."""
    told = {"namespace": NAMESPACE, "job": job, **labels}
    return name + "{" + ", ".join(f'{label}="{value}"' for label, value in told.items()) + "}"


def of(pod: int, name: str, **labels: str) -> str:
    """A series of the first or the second replica."""
    return series(name, pod=(at := list(PODS.items())[pod - 1])[0], instance=at[1], **labels)


def healthy() -> dict[str, Course]:
    """Two replicas that do well, with what happens every day (a long content, a bad reply), beside a release that is in a bad way."""
    return {written: course for pod in (1, 2) for written, course in _replica(pod).items()} | _neighbour()


def _replica(pod: int) -> dict[str, Course]:
    """A thousand records a step, of which two are dead-lettered, and four come late; a tenth is flagged."""
    return {
        of(pod, "up"): Gauge(1),
        of(pod, "process_start_time_seconds"): Gauge(1_780_000_000),
        of(pod, "stream_guard_records_total", route="chat", outcome="judged", reason=""): Counter(998),
        of(pod, "stream_guard_records_total", route="chat", outcome="dead_lettered", reason="too_long"): Counter(2),
        of(pod, "stream_guard_records_total", route="chat", outcome="ignored", reason="tombstone"): Counter(3000),
        of(pod, "stream_guard_dead_letters_total", route="chat", scope="record", reason="too_long"): Counter(2),
        of(pod, "stream_guard_stage_duration_seconds_bucket", stage="total", le="30.0"): Counter(996),
        of(pod, "stream_guard_stage_duration_seconds_bucket", stage="total", le="+Inf"): Counter(1000),
        of(pod, "stream_guard_stage_duration_seconds_count", stage="total"): Counter(1000),
        of(pod, "stream_guard_stage_duration_seconds_bucket", stage="judge", le="30.0"): Counter(0),
        of(pod, "stream_guard_stage_duration_seconds_count", stage="judge"): Counter(1000),
        of(pod, "stream_guard_verdicts_total", route="chat", policy="adverts", decision="allow", abstention=""): Counter(890),
        of(pod, "stream_guard_verdicts_total", route="chat", policy="adverts", decision="flag", abstention=""): Counter(100),
        of(pod, "stream_guard_verdicts_total", route="chat", policy="adverts", decision="review", abstention="expired"): Counter(9),
        of(pod, "stream_guard_verdicts_total", route="chat", policy="adverts", decision="review", abstention="unparseable"): Counter(1),
        of(pod, "stream_guard_verdicts_total", route="chat", policy="adverts", decision="review", abstention="rate_limited"): Counter(100),
        of(pod, "stream_guard_cases_total", policy="adverts"): Counter(1000),
        of(pod, "stream_guard_retries_total", policy="adverts", reason="unparseable"): Counter(10),
        of(pod, "stream_guard_retries_total", policy="adverts", reason="failed"): Counter(500),
        of(pod, "stream_guard_lag_seconds", topic="posts", partition=str(pod)): Gauge(8),
        of(pod, "stream_guard_backlog_records", topic="posts", partition=str(pod)): Gauge(40),
        of(pod, "stream_guard_engine_up"): Gauge(1),
        of(pod, "stream_guard_engine_restarts_total", cause="died"): Counter(0, jump=1),
        of(pod, "stream_guard_registry_up"): Gauge(1),
        of(pod, "stream_guard_partitions_assigned"): Gauge(2),
        of(pod, "stream_guard_suspects"): Gauge(0),
        of(pod, "stream_guard_edition_refused"): Gauge(0),
        of(pod, "stream_guard_policy_info", policy="adverts", version="aa", revision="1"): turns(1, None),
        of(pod, "stream_guard_policy_info", policy="adverts", version="bb", revision="2"): turns(None, 1),
        of(pod, "stream_guard_dead_letters_oldest_seconds", topic="posts.letters"): Gauge(7200),
    }  # fmt: skip


def _neighbour() -> dict[str, Course]:
    """Another release in the same namespace, whose name begins as ours."""
    job = f"{JOB}-eu"
    return {
        series("up", job=job): Gauge(0),
        series("process_start_time_seconds", job=job): Counter(60),
        series("stream_guard_lag_seconds", job=job, topic="posts", partition="0"): Gauge(1e6),
        series("stream_guard_backlog_records", job=job, topic="posts", partition="0"): Gauge(1e6),
        series("stream_guard_engine_up", job=job): Gauge(0),
        series("stream_guard_registry_up", job=job): Gauge(0),
        series("stream_guard_suspects", job=job): Gauge(3),
        series("stream_guard_edition_refused", job=job): Gauge(1),
        series("stream_guard_partitions_halted", job=job, topic="posts", partition="0", reason="position"): Gauge(1),
        series("stream_guard_policy_info", job=job, policy="adverts", version="cc", revision="3"): Gauge(1),
        series("stream_guard_policy_info", job=job, policy="adverts", version="dd", revision="4"): Gauge(1),
        series("stream_guard_records_total", job=job, route="chat", outcome="dead_lettered", reason="x"): Counter(1000),
        series("stream_guard_dead_letters_total", job=job, route="chat", scope="record", reason="x"): Counter(1000),
        series("stream_guard_stage_duration_seconds_count", job=job, stage="total"): Counter(1000),
        series("stream_guard_stage_duration_seconds_bucket", job=job, stage="total", le="30.0"): Counter(1),
        series("stream_guard_dead_letters_oldest_seconds", job=job, topic="posts.letters"): Gauge(1e6),
        series("stream_guard_engine_restarts_total", job=job, cause="died"): Counter(10),
    }
