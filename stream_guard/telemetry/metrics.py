"""One accumulator for each metric of `names.py`."""

from __future__ import annotations

from stream_guard.telemetry import names
from stream_guard.telemetry.accumulators import Counter, Gauge, Histogram


class Metrics:
    """Everything that is counted in this process. Written by the loop's thread, read from any."""

    def __init__(self) -> None:
        self.consumed = Counter(names.CONSUMED)
        self.reread = Counter(names.REREAD)
        self.records = Counter(names.RECORDS)
        self.verdicts = Counter(names.VERDICTS)
        self.rulings = Counter(names.RULINGS)
        self.dead_letters = Counter(names.DEAD_LETTERS)
        self.cases = Counter(names.CASES)
        self.tokens = Counter(names.TOKENS)
        self.prefix_cache_hits = Counter(names.PREFIX_CACHE_HITS)
        self.looks = Counter(names.LOOKS)
        self.retries = Counter(names.RETRIES)
        self.resends = Counter(names.RESENDS)
        self.escalations = Counter(names.ESCALATIONS)
        self.escalations_refused = Counter(names.ESCALATIONS_REFUSED)
        self.engine_transitions = Counter(names.ENGINE_TRANSITIONS)
        self.engine_restarts = Counter(names.ENGINE_RESTARTS)
        self.reloads = Counter(names.RELOADS)
        self.assignments = Counter(names.ASSIGNMENTS)
        self.in_flight_records = Gauge(names.IN_FLIGHT_RECORDS)
        self.in_flight_bytes = Gauge(names.IN_FLIGHT_BYTES)
        self.in_flight_tokens = Gauge(names.IN_FLIGHT_TOKENS)
        self.in_flight_asks = Gauge(names.IN_FLIGHT_ASKS)
        self.lag = Gauge(names.LAG)
        self.backlog = Gauge(names.BACKLOG)
        self.dead_letters_oldest = Gauge(names.DEAD_LETTERS_OLDEST)
        self.engine_up = Gauge(names.ENGINE_UP)
        self.registry_up = Gauge(names.REGISTRY_UP)
        self.service = Gauge(names.SERVICE)
        self.policies = Gauge(names.POLICIES)
        self.edition = Gauge(names.EDITION)
        self.edition_refused = Gauge(names.EDITION_REFUSED)
        self.suspects = Gauge(names.SUSPECTS)
        self.partitions = Gauge(names.PARTITIONS)
        self.halted = Gauge(names.HALTED)
        self.poll_duration = Histogram(names.POLL_DURATION)
        self.stage_duration = Histogram(names.STAGE_DURATION)
        self.front_end_duration = Histogram(names.FRONT_END_DURATION)

    @property
    def counters(self) -> tuple[Counter, ...]:
        """Every counter."""
        return tuple(a for a in vars(self).values() if isinstance(a, Counter))

    @property
    def gauges(self) -> tuple[Gauge, ...]:
        """Every gauge."""
        return tuple(a for a in vars(self).values() if isinstance(a, Gauge))

    @property
    def histograms(self) -> tuple[Histogram, ...]:
        """Every histogram."""
        return tuple(a for a in vars(self).values() if isinstance(a, Histogram))
