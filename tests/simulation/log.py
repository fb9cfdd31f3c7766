"""The input topics: what stands at each offset, and what is known to have become of it."""

from __future__ import annotations

from typing import NamedTuple

from stream_guard.delivery.ports import Output
from stream_guard.events.model import KIND_OF_VIEW
from stream_guard.identity import Subject, record_subject
from stream_guard.judging.judgement import MENDABLE
from stream_guard.policy.document import Decision, OutputForm
from stream_guard.prompting.port import Template
from stream_guard.records import Lease, Record, TopicPartition
from stream_guard.routing import Publish
from stream_guard.verdicts.model import Entry, Rank, Rationale, Ruling, Verdict
from tests.simulation.corpus import CLUSTER, Content, Fate, topic_id


class Letter(NamedTuple):
    """A dead letter, as far as it matters here. `policy_id` is None where the scope is the record."""

    scope: str
    policy_id: str | None
    reason: str
    output: Output
    """As it was sent."""


class Parsed(NamedTuple):
    """An output that was read: what it says, of which record, and under which lease it was made."""

    record: SimRecord
    lease: Lease
    offset: int
    """That of the record under this lease: another than its own where it was redriven."""
    says: Verdict | Ruling | Rationale | Letter


class SimRecord:
    """One record of an input topic, with what the broker's logs hold of its outputs (`landed`)."""

    __slots__ = ("content", "key", "landed", "lifted", "offset", "subject", "templates", "timestamp_ms", "tp")

    def __init__(self, content: Content, tp: TopicPartition, offset: int, key: bytes | None, timestamp_ms: int) -> None:
        self.content = content
        self.tp = tp
        self.offset = offset
        self.key = key
        self.timestamp_ms = timestamp_ms
        judged = content.fate not in (Fate.REJECTED, Fate.IGNORED)
        self.templates: dict[str, Template] = (
            {t.policy.id: t for t in content.route.templates[content.view]} if judged else {}
        )
        self.lifted: dict[str, Template] = {}
        """What it is asked under again, by policy; none where nothing is."""
        self.subject = self._subject() if judged else None
        """The subject that all its verdicts must have; None where no event can be made of it."""
        self.landed = self.evidence()

    def evidence(self) -> Evidence:
        """What is to be known of its outputs: nothing yet."""
        return Evidence(self)

    def under(self, lease: Lease, *, past: bool = False) -> Record:
        """The record as it is delivered under a lease."""
        return Record(
            lease=lease,
            offset=self.offset,
            value=self.content.value,
            key=self.key,
            headers=self.content.headers,
            timestamp_ms=self.timestamp_ms,
            past=past,
        )

    def _subject(self) -> Subject:
        origin = self.under(Lease(*self.tp, 0))
        return record_subject(CLUSTER, topic_id(self.tp.topic), origin, KIND_OF_VIEW[self.content.view])

    @property
    def outcome(self) -> tuple[str, str]:
        """What the record must end in, and why, as telemetry names it."""
        ends = {Fate.REJECTED: "dead_lettered", Fate.IGNORED: "ignored"}
        return ends.get(self.content.fate, "judged"), self.content.reason or ""

    def __repr__(self) -> str:
        return f"{self.tp.topic}[{self.tp.partition}]@{self.offset} ({self.content.fate.name.lower()})"


class Evidence:
    """Outputs of one record that are there for sure, and whether they are all that the record needs."""

    __slots__ = ("_letters", "_rationales", "_record", "_rulings", "_verdicts", "messages", "settled")

    def __init__(self, record: SimRecord) -> None:
        self._record = record
        self._verdicts: dict[tuple[str, Decision], Verdict] = {}
        self._rulings: list[Ruling] = []
        self._letters: set[tuple[str, str | None]] = set()
        self._rationales: set[str] = set()
        self.messages: list[Verdict | Ruling] = []
        """The verdicts and rulings, in their order, repeats and all."""
        self.settled = record.content.fate is Fate.IGNORED

    def add(self, says: Verdict | Ruling | Rationale | Letter) -> None:
        """Takes in one output that is there for sure."""
        if isinstance(says, Verdict):
            self._verdicts[says.id, says.decision] = says
            self.messages.append(says)
        elif isinstance(says, Ruling):
            self._rulings.append(says)
            self.messages.append(says)
        elif isinstance(says, Letter):
            self._letters.add((says.scope, says.policy_id))
        else:
            self._rationales.add(says.verdict_id)
        if not self.settled:
            self.settled = self._complete()

    def _complete(self) -> bool:
        if self._record.content.fate is Fate.REJECTED:
            return bool(self._rulings) and ("record", None) in self._letters
        return any(all(map(self._backed, ruling.entries)) for ruling in self._rulings)

    def _backed(self, entry: Entry) -> bool:
        """Whether everything that goes with one entry of a ruling is there too."""
        route = self._record.content.route
        verdict = self._verdicts.get((entry.verdict_id, entry.decision))
        if entry.rank is Rank.PROVISIONAL and not self._gave_up(entry):
            return False
        if verdict is None:
            return entry.decision is Decision.ALLOW and entry.rank is Rank.FINAL and route.publish is Publish.NON_ALLOW
        if verdict.abstention is not None:
            return verdict.abstention.reason not in MENDABLE or ("case", entry.policy_id) in self._letters
        template = self._record.templates.get(entry.policy_id)
        quotes = template is not None and template.policy.output is OutputForm.RATIONALE and route.outputs.rationale
        return not quotes or entry.verdict_id in self._rationales

    def _gave_up(self, entry: Entry) -> bool:
        """Whether what stands for now does so because the second asking abstained, and that is told."""
        told = [v for v in self._verdicts.values() if v.slot == entry.slot and v.sequence and v.abstention is not None]
        return any(v.abstention and v.abstention.reason not in MENDABLE for v in told) or (
            bool(told) and ("case", entry.policy_id) in self._letters
        )
