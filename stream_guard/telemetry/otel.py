"""The real telemetry: accumulators, spans where traces are exported, and a log line for what is rare."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from stream_guard.records import Record
from stream_guard.telemetry.logs import logger
from stream_guard.telemetry.metrics import Metrics
from stream_guard.telemetry.port import Trace
from stream_guard.telemetry.traces import RecordTracer


class OtelTelemetry:
    """Implements `port.Telemetry`. Used from the loop's thread only; without a tracer no record is sampled."""

    def __init__(self, metrics: Metrics | None = None, tracer: RecordTracer | None = None) -> None:
        self.metrics = metrics or Metrics()
        self._tracer = tracer
        self._records = self.metrics.records.add
        self._latency = self.metrics.stage_duration.observe
        self._held = 0
        self._registry_up: bool | None = None
        self._log = logger("stream_guard.pipeline")
        self.metrics.engine_up.set((), 0)  # until `service` says that it is loaded

    def polled(self, records: Sequence[Record], seconds: float) -> list[Trace | None]:
        """Counts an intake by topic; a trace for each record that is sampled."""
        self.metrics.poll_duration.observe((), seconds)
        counts: dict[str, int] = {}
        for record in records:
            topic = record.lease.topic
            counts[topic] = counts.get(topic, 0) + 1
        for topic, count in counts.items():
            self.metrics.consumed.add((topic,), count)
        return self._tracer.polled(records, seconds) if self._tracer else [None] * len(records)

    def reread(self, topic: str, count: int) -> None:
        """Counts records that were read again."""
        self.metrics.reread.add((topic,), count)

    def outcome(self, route: str, outcome: str, reason: str, count: int = 1) -> None:
        """Counts records that ended."""
        self._records((route, outcome, reason), count)

    def verdict(self, route: str, policy: str, decision: str, abstention: str) -> None:
        """Counts a verdict."""
        self.metrics.verdicts.add((route, policy, decision, abstention))

    def ruling(self, route: str, decision: str) -> None:
        """Counts a ruling."""
        self.metrics.rulings.add((route, decision))

    def dead_letter(self, route: str, scope: str, reason: str) -> None:
        """Counts a dead letter."""
        self.metrics.dead_letters.add((route, scope, reason))

    def latency(self, stage: str, seconds: float, trace: Trace | None = None) -> None:
        """Adds one observation to a stage; a traced record's is the example of its bucket."""
        self._latency((stage,), seconds, None if trace is None else trace.traceparent)

    def usage(self, policy: str, prompt: int, cached: int, completion: int, front_end_s: float) -> None:
        """Counts a case that was asked about, its tokens and the front end's time."""
        metrics = self.metrics
        metrics.cases.add((policy,))
        metrics.tokens.add((policy, "input"), prompt)
        metrics.tokens.add((policy, "output"), completion)
        metrics.prefix_cache_hits.add((policy,), cached)
        metrics.front_end_duration.observe((policy,), front_end_s)

    def look(self, policy: str, came_of: str) -> None:
        """Counts a quick look."""
        self.metrics.looks.add((policy, came_of))

    def retry(self, policy: str, reason: str) -> None:
        """Counts an ask that is asked again."""
        self.metrics.retries.add((policy, reason))

    def escalated(self, policy: str, reason: str) -> None:
        """Counts a case that goes on."""
        self.metrics.escalations.add((policy, reason))

    def escalation_refused(self, policy: str, reason: str, detail: str) -> None:
        """Counts and logs an escalated record that is not judged here."""
        self.metrics.escalations_refused.add((policy, reason))
        self._log.warning("escalation.refused", policy=policy, reason=reason, detail=detail)

    def resent(self, topic: str) -> None:
        """Counts an output that is sent again."""
        self.metrics.resends.add((topic,))

    def in_flight(self, *, records: int, bytes: int, tokens: int, asks: int) -> None:
        """Sets the gauges of the window."""
        metrics = self.metrics
        metrics.in_flight_records.set((), records)
        metrics.in_flight_bytes.set((), bytes)
        metrics.in_flight_tokens.set((), tokens)
        metrics.in_flight_asks.set((), asks)

    def lag(self, topic: str, partition: int, seconds: float) -> None:
        """Sets the lag of a partition, until it is unassigned."""
        self.metrics.lag.set((topic, str(partition)), seconds)

    def backlog(self, topic: str, partition: int, records: int) -> None:
        """Sets the backlog of a partition, until it is unassigned."""
        self.metrics.backlog.set((topic, str(partition)), records)

    def dead_letters_oldest(self, ages: Mapping[str, float]) -> None:
        """Sets the age of each topic's oldest dead letter, and ends what is told of other topics."""
        gauge = self.metrics.dead_letters_oldest
        for topic, seconds in ages.items():
            gauge.set((topic,), seconds)
        gauge.keep((topic,) for topic in ages)

    def service(self, version: str, model: str, engine: str) -> None:
        """Says who serves, once the engine takes asks."""
        self.metrics.service.set((version, model, engine), 1)
        self.metrics.engine_up.set((), 1)

    def policies_in_force(self, policies: Iterable[tuple[str, str, int]]) -> None:
        """Marks these policies, and them alone."""
        keys = [(policy, version, str(revision)) for policy, version, revision in policies]
        for key in keys:  # first: at no time is there none
            self.metrics.policies.set(key, 1)
        self.metrics.policies.keep(keys)

    def engine_up(self, up: bool, reason: str = "") -> None:
        """Sets whether the engine takes asks, counts and logs the change."""
        self.metrics.engine_up.set((), int(up))
        self.metrics.engine_transitions.add(("up" if up else "down",))
        if up:
            self._log.info("engine.available")
        else:
            self._log.warning("engine.unavailable", reason=reason)

    def engine_restart(self, cause: str, detail: str, open_asks: int) -> None:
        """Counts and logs a restart of the engine."""
        self.metrics.engine_restarts.add((cause,))
        self._log.error("engine.restarting", cause=cause, detail=detail, open_asks=open_asks)

    def registry_up(self, up: bool, reason: str = "") -> None:
        """Sets whether records wait for the registry, and logs the wait's beginning and end."""
        waited = self._registry_up is False
        self._registry_up = up
        self.metrics.registry_up.set((), int(up))
        if not up:
            self._log.warning("registry.unavailable", reason=reason)
        elif waited:
            self._log.info("registry.wait_over")

    def edition_in_force(self, edition: str, former: str = "") -> None:
        """Marks the edition in force, and it alone; counts and logs a change."""
        self.metrics.edition.set((edition,), 1)  # first: at no time is there none
        self.metrics.edition.keep([(edition,)])
        self.metrics.edition_refused.set((), 0)
        if former:
            self.metrics.reloads.add(("loaded",))
            self._log.info("edition.loaded", edition=edition, former=former)
        else:
            self._log.info("edition.in_force", edition=edition)

    def edition_refused(self, findings: Sequence[str]) -> None:
        """Marks that the files hold what is refused, counts it, and logs all that is wrong."""
        self.metrics.edition_refused.set((), 1)
        self.metrics.reloads.add(("refused",))
        self._log.error("edition.refused", findings=list(findings))

    def edition_restored(self, edition: str) -> None:
        """Ends that mark, and logs it."""
        self.metrics.edition_refused.set((), 0)
        self._log.info("edition.restored", edition=edition)

    def suspects(self, records: int) -> None:
        """Sets how many records are to be taken one at a time."""
        self.metrics.suspects.set((), records)

    def assignment(self, event: str, partitions: int, drained: bool = True) -> None:
        """Counts and logs partitions that came or went; sets how many are held."""
        self.metrics.assignments.add((event, "true" if drained else "false"), partitions)
        self._held = max(0, self._held + (partitions if event == "assigned" else -partitions))
        self.metrics.partitions.set((), self._held)
        tell = self._log.info if drained else self._log.warning
        tell(f"partitions.{event}", partitions=partitions, drained=drained, held=self._held)

    def halted(self, topic: str, partition: int, reason: str, detail: str = "") -> None:
        """Marks a partition as halted, until that is over or it is unassigned, and logs it."""
        self.metrics.halted.set((topic, str(partition), reason), 1)
        self._log.error("partition.halted", topic=topic, partition=partition, reason=reason, detail=detail)

    def unhalted(self, topic: str, partition: int, reason: str) -> None:
        """Ends the mark, and logs it."""
        self.metrics.halted.drop(topic, str(partition), reason)
        self._log.info("partition.goes_on", topic=topic, partition=partition, reason=reason)

    def unassigned(self, topic: str, partition: int) -> None:
        """Ends the gauges of a partition that left."""
        self.metrics.lag.drop(topic, str(partition))
        self.metrics.backlog.drop(topic, str(partition))
        self.metrics.halted.drop(topic, str(partition))
