"""What becomes of each record of a trial, put together from what the pipeline opens and what it would publish."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from stream_guard.delivery.hearing import Hearing
from stream_guard.delivery.outbox import Receipt
from stream_guard.delivery.ports import Output
from stream_guard.docket import Docket
from stream_guard.errors import InvariantViolated
from stream_guard.events.outcome import Ignored
from stream_guard.records import Record
from stream_guard.routing import Outputs
from stream_guard.telemetry.port import Trace
from stream_guard.trial.news import Fate, Heard
from stream_guard.verdicts.decoding import decode_rationale, decode_ruling, decode_verdict
from stream_guard.verdicts.model import Rationale, Ruling, Verdict

OUTPUTS = Outputs("verdicts", "rulings", "dead-letters", "rationale")
"""Where a trial's routes publish to: names that say what an output is, of no topics."""
EXCERPT = 500
"""Characters of a content that are shown at most, where it is to be shown."""


class _Case:
    """What came of a hearing so far."""

    __slots__ = ("letters", "rationales", "verdicts")

    def __init__(self) -> None:
        self.letters = 0
        self.rationales: list[Rationale] = []
        self.verdicts: list[Verdict] = []


class Transcript:
    """Tells of each record once it has all that it gets: of an ignored one at once, of any other with its ruling."""

    def __init__(self, tell: Callable[[Heard], None], elapsed: Callable[[], float], *, reveal: bool) -> None:
        self._tell, self._elapsed, self._reveal = tell, elapsed, reveal
        self._cases: dict[Hearing, _Case] = {}
        self.heard = 0
        """Records that were told of."""

    def opened(self, hearing: Hearing) -> None:
        """A record was read."""
        if isinstance(hearing.outcome, Ignored):
            self._told(hearing, _Case(), None)
        else:
            self._cases[hearing] = _Case()

    def output(self, output: Output) -> None:
        """Something would be published. A record's ruling comes last."""
        hearing, value = _hearing(output), output.value or b""
        case = self._cases[hearing]
        if output.topic == OUTPUTS.verdicts:
            case.verdicts.append(decode_verdict(value))
        elif output.topic == OUTPUTS.rationale:
            case.rationales.append(decode_rationale(value))
        elif output.topic == OUTPUTS.dead_letters:
            case.letters += 1
        else:
            self._told(hearing, self._cases.pop(hearing), decode_ruling(value))

    def _told(self, hearing: Hearing, case: _Case, ruling: Ruling | None) -> None:
        record, outcome = hearing.record, hearing.outcome
        self.heard += 1
        self._tell(
            Heard(
                partition=record.partition,
                offset=record.offset,
                timestamp_ms=record.timestamp_ms,
                fate=_fate(hearing),
                reason="" if outcome is None else outcome.reason,
                detail="" if outcome is None or isinstance(outcome, Ignored) else outcome.detail,
                route=hearing.route.name if hearing.route else "",
                kind=hearing.kind,
                ruling=ruling,
                verdicts=tuple(sorted(case.verdicts, key=lambda verdict: verdict.policy.id)),
                rationales=tuple(case.rationales),
                letters=case.letters,
                chars=len(hearing.judged.text) if hearing.judged else None,
                bytes=len(record.value or b""),
                excerpt=_excerpt(hearing) if self._reveal else None,
                at_s=self._elapsed(),
            )
        )


class OverheardDocket(Docket):
    """The docket, overheard: of what it ignores nothing is ever published."""

    transcript: Transcript

    def open(self, records: Sequence[Record], traces: Sequence[Trace | None], now: float, now_ms: int) -> list[Hearing]:
        """See the docket."""
        hearings = super().open(records, traces, now, now_ms)
        for hearing in hearings:
            self.transcript.opened(hearing)
        return hearings


def _hearing(output: Output) -> Hearing:
    if not isinstance(output.receipt, Receipt):
        raise InvariantViolated("an output that is not the pipeline's")
    return output.receipt.hearing


def _fate(hearing: Hearing) -> Fate:
    if hearing.outcome is None:
        return Fate.JUDGED
    return Fate.IGNORED if isinstance(hearing.outcome, Ignored) else Fate.DEAD_LETTERED


def _excerpt(hearing: Hearing) -> str:
    if hearing.judged is not None:
        return hearing.judged.text[:EXCERPT]
    record = hearing.record
    value = record.document if isinstance(record.document, bytes) else record.value or b""
    return value[: 4 * EXCERPT].decode(errors="replace")[:EXCERPT]
