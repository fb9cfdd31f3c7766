"""Telemetry that tells nobody anything: for the simulator and for load tests."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from stream_guard.records import Record
from stream_guard.telemetry.port import Trace


class NullTelemetry:
    """Implements `port.Telemetry` by doing nothing."""

    def polled(self, records: Sequence[Record], seconds: float) -> list[Trace | None]:  # noqa: ARG002 - the port names it
        """Samples no record."""
        return [None] * len(records)

    def reread(self, topic: str, count: int) -> None:
        """Nothing."""

    def outcome(self, route: str, outcome: str, reason: str, count: int = 1) -> None:
        """Nothing."""

    def verdict(self, route: str, policy: str, decision: str, abstention: str) -> None:
        """Nothing."""

    def ruling(self, route: str, decision: str) -> None:
        """Nothing."""

    def dead_letter(self, route: str, scope: str, reason: str) -> None:
        """Nothing."""

    def latency(self, stage: str, seconds: float, trace: Trace | None = None) -> None:
        """Nothing."""

    def usage(self, policy: str, prompt: int, cached: int, completion: int, front_end_s: float) -> None:
        """Nothing."""

    def look(self, policy: str, came_of: str) -> None:
        """Nothing."""

    def retry(self, policy: str, reason: str) -> None:
        """Nothing."""

    def escalated(self, policy: str, reason: str) -> None:
        """Nothing."""

    def escalation_refused(self, policy: str, reason: str, detail: str) -> None:
        """Nothing."""

    def resent(self, topic: str) -> None:
        """Nothing."""

    def in_flight(self, *, records: int, bytes: int, tokens: int, asks: int) -> None:
        """Nothing."""

    def lag(self, topic: str, partition: int, seconds: float) -> None:
        """Nothing."""

    def backlog(self, topic: str, partition: int, records: int) -> None:
        """Nothing."""

    def dead_letters_oldest(self, ages: Mapping[str, float]) -> None:
        """Nothing."""

    def service(self, version: str, model: str, engine: str) -> None:
        """Nothing."""

    def policies_in_force(self, policies: Iterable[tuple[str, str, int]]) -> None:
        """Nothing."""

    def engine_up(self, up: bool, reason: str = "") -> None:
        """Nothing."""

    def engine_restart(self, cause: str, detail: str, open_asks: int) -> None:
        """Nothing."""

    def registry_up(self, up: bool, reason: str = "") -> None:
        """Nothing."""

    def edition_in_force(self, edition: str, former: str = "") -> None:
        """Nothing."""

    def edition_refused(self, findings: Sequence[str]) -> None:
        """Nothing."""

    def edition_restored(self, edition: str) -> None:
        """Nothing."""

    def suspects(self, records: int) -> None:
        """Nothing."""

    def assignment(self, event: str, partitions: int, drained: bool = True) -> None:
        """Nothing."""

    def halted(self, topic: str, partition: int, reason: str, detail: str = "") -> None:
        """Nothing."""

    def unhalted(self, topic: str, partition: int, reason: str) -> None:
        """Nothing."""

    def unassigned(self, topic: str, partition: int) -> None:
        """Nothing."""
