"""What the pipeline tells of itself. Names of metrics and spans are none of its business: see `names.py`."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Protocol

from stream_guard.records import Headers, Record


class Trace(Protocol):
    """The sampled trace of one record, from poll to ruling. Spans are linked where a batch joins many."""

    @property
    def traceparent(self) -> str:
        """The W3C trace context of this record's process span: goes into outputs' headers and to the engine."""

    def inference(
        self, *, policy: str, model: str, seconds: float, tokens: tuple[int, int, int], failure: str | None
    ) -> None:
        """A case ended just now; `seconds` and tokens (prompt, cached, completion) are the sums of its asks."""

    def sent(self, topic: str, seconds: float) -> None:
        """One output was acknowledged just now, `seconds` after it was handed to the producer."""

    def end(self, outcome: str) -> None:
        """The record settled."""


class Telemetry(Protocol):
    """Counters, latencies, gauges and traces. Every method is cheap, never blocks and never raises."""

    def polled(self, records: Sequence[Record], seconds: float) -> list[Trace | None]:
        """One intake came. Returns a trace for each record that is sampled; decided before any span is made."""

    def reread(self, topic: str, count: int) -> None:
        """Records were read again for what they tell of those after them; they are none of those polled."""

    def outcome(self, route: str, outcome: str, reason: str, count: int = 1) -> None:
        """Records ended as `judged`, `dead_lettered` or `ignored`."""

    def verdict(self, route: str, policy: str, decision: str, abstention: str) -> None:
        """A verdict was given (`abstention` is empty where it is a judgement)."""

    def ruling(self, route: str, decision: str) -> None:
        """A ruling was given."""

    def dead_letter(self, route: str, scope: str, reason: str) -> None:
        """A dead letter was acknowledged."""

    def latency(self, stage: str, seconds: float, trace: Trace | None = None) -> None:
        """How long something took: see `names.STAGES`. Of a traced record it may be shown as an example, with its trace."""

    def usage(self, policy: str, prompt: int, cached: int, completion: int, front_end_s: float) -> None:
        """What a case cost, over all its asks."""

    def look(self, policy: str, came_of: str) -> None:
        """What came of a quick look: settled, uncertain, or audited, and then agreed or differed."""

    def retry(self, policy: str, reason: str) -> None:
        """An ask is asked again."""

    def escalated(self, policy: str, reason: str) -> None:
        """A case goes on, for a reason in one word: to a higher effort, or to another deployment."""

    def escalation_refused(self, policy: str, reason: str, detail: str) -> None:
        """What another deployment escalated is not judged here: why in one word, then in a sentence."""

    def resent(self, topic: str) -> None:
        """An output was not written and is sent again."""

    def in_flight(self, *, records: int, bytes: int, tokens: int, asks: int) -> None:
        """What the window holds now."""

    def lag(self, topic: str, partition: int, seconds: float) -> None:
        """How old the oldest record is that is not settled, read or not (0 where there is none): see `delivery/backlog.py`."""

    def backlog(self, topic: str, partition: int, records: int) -> None:
        """So many records of a partition are not settled, read or not."""

    def dead_letters_oldest(self, ages: Mapping[str, float]) -> None:
        """How old the oldest dead letter is that each of these topics holds, in seconds (0 where it holds none).

        Nothing is known any more of topics that are missing.
        """

    def service(self, version: str, model: str, engine: str) -> None:
        """Which version of ours asks which model on which engine, once that takes asks."""

    def policies_in_force(self, policies: Iterable[tuple[str, str, int]]) -> None:
        """These policies count from now on, and no others: id, version (its hash) and revision of each."""

    def engine_up(self, up: bool, reason: str = "") -> None:
        """The engine became available or unavailable."""

    def engine_restart(self, cause: str, detail: str, open_asks: int) -> None:
        """The embedded engine is gone and loaded again: why in one word, then in a sentence, and how many asks were open."""

    def registry_up(self, up: bool, reason: str = "") -> None:
        """Records wait for the schema registry, or no longer do. Told once at the start where a route needs one."""

    def edition_in_force(self, edition: str, former: str = "") -> None:
        """These routes and policies count from now on, by their hash; `former` is empty at the start."""

    def edition_refused(self, findings: Sequence[str]) -> None:
        """The files hold another edition, which is not taken over: everything that is wrong with it."""

    def edition_restored(self, edition: str) -> None:
        """They hold what is in force again: what was refused is gone."""

    def suspects(self, records: int) -> None:
        """So many records are to be taken one at a time: they were in flight whenever the process ended."""

    def assignment(self, event: str, partitions: int, drained: bool = True) -> None:
        """Partitions were assigned, revoked or lost; `drained` says whether all their work could be settled in time."""

    def halted(self, topic: str, partition: int, reason: str, detail: str = "") -> None:
        """A partition is not read on, for a reason in one word; `detail` says what happened and what is to be done."""

    def unhalted(self, topic: str, partition: int, reason: str) -> None:
        """What it was halted for has passed."""

    def unassigned(self, topic: str, partition: int) -> None:
        """A partition left this process: its lag, its backlog and its halt are no longer ours to tell."""


def trace_headers(trace: Trace | None, record: Record) -> Headers:
    """The trace headers of a record's outputs: the sampled trace's, or what the record itself carried.

    Only what has the form of a `traceparent` travels on, the last of several as in `sampling`. A `tracestate` travels
    with the trace it belongs to (W3C has it dropped with a malformed `traceparent`), bounded and in printable ASCII.
    """
    if trace is None and not record.headers:
        return ()
    carried: bytes | None = None
    states = []
    for pair in record.headers:
        name, value = pair
        if name == "traceparent" and value is not None:
            carried = value
        elif name == "tracestate" and value is not None and _TRACESTATE.fullmatch(value):
            states.append(pair)
    if carried is None or not _TRACEPARENT.fullmatch(carried):
        carried = b""
    own = carried if trace is None else trace.traceparent.encode()
    if not own:
        return ()
    same_trace = carried[_TRACE_ID] == own[_TRACE_ID]
    fit = sum(len(value or b"") for _, value in states) <= _MAX_TRACESTATE
    return (("traceparent", own), *(states if same_trace and fit else ()))


_TRACEPARENT = re.compile(rb"[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}")
_TRACE_ID = slice(3, 35)
_TRACESTATE = re.compile(rb"[ -~]*")
_MAX_TRACESTATE = 512
"""Bytes of all `tracestate` headers together (W3C Trace Context, section 3.3.1.5)."""
