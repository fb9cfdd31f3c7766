"""The input topics: what stands at each offset, and what is known to have become of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple, TypeAlias

from stream_guard.delivery.ports import Output
from stream_guard.events.model import KIND_OF_VIEW
from stream_guard.identity import Subject, record_subject
from stream_guard.judging.judgement import MENDABLE
from stream_guard.policy.document import Decision, OutputForm
from stream_guard.policy.packed import Packed
from stream_guard.prompting.port import ReasonedReading, Template
from stream_guard.records import Lease, Record, TopicPartition
from stream_guard.routing import Publish
from stream_guard.verdicts.model import Entry, Rank, Rationale, Ruling, Verdict
from tests.simulation.corpus import CLUSTER, Content, Fate, topic_id
from tests.simulation.policies import policies_of


class Letter(NamedTuple):
    """A dead letter, as far as it matters here. `policy_id` is None where the scope is the record."""

    scope: str
    policy_id: str | None
    reason: str
    output: Output
    """As it was sent."""


class SentOn(NamedTuple):
    """A record that goes on elsewhere, as far as it matters here: under which policy, after which verdict."""

    policy_id: str
    verdict_id: str
    output: Output
    """As it was sent."""


Says: TypeAlias = Verdict | Ruling | Rationale | Letter | SentOn
"""What an output says."""


class Parsed(NamedTuple):
    """An output that was read: what it says, of which record, and under which lease it was made."""

    record: SimRecord
    lease: Lease
    offset: int
    """That of the record under this lease: another than its own where it was redriven."""
    says: Says


class SimRecord:
    """One record of an input topic, with what the broker's logs hold of its outputs (`landed`)."""

    __slots__ = ("asked", "content", "key", "landed", "lifted", "offset", "subject", "templates", "timestamp_ms", "tp")

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
        """Its policies, each asked about by itself."""
        self.asked: Mapping[str, Template] = self.templates
        """What it is asked under first, by policy: several share one where they are packed."""
        self.lifted: Mapping[str, Template] = {}
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

    def asked_under(self, verdict: Verdict) -> Template | None:
        """What a verdict of it was asked under, as far as that can be; None where it can't."""
        policy, version = verdict.policy.id, verdict.prompt_version
        may_be = (templates.get(policy) for templates in (self.asked, self.templates, self.lifted))
        return next((template for template in may_be if template and template.prompt_version == version), None)

    @property
    def packs(self) -> list[Packed]:
        """What of its policies is asked about together."""
        return list({t.asked.id: t.asked for t in self.asked.values() if isinstance(t.asked, Packed)}.values())

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

    __slots__ = ("_letters", "_rationales", "_record", "_rulings", "_sent_on", "_verdicts", "messages", "settled")

    def __init__(self, record: SimRecord) -> None:
        self._record = record
        self._verdicts: dict[tuple[str, Decision], Verdict] = {}
        self._rulings: list[Ruling] = []
        self._letters: set[tuple[str, str | None]] = set()
        self._rationales: set[str] = set()
        self._sent_on: set[str] = set()
        self.messages: list[Verdict | Ruling] = []
        """The verdicts and rulings, in their order, repeats and all."""
        self.settled = record.content.fate is Fate.IGNORED

    def add(self, says: Says) -> None:
        """Takes in one output that is there for sure."""
        if isinstance(says, Verdict):
            self._verdicts[says.id, says.decision] = says
            self.messages.append(says)
        elif isinstance(says, Ruling):
            self._rulings.append(says)
            self.messages.append(says)
        elif isinstance(says, Letter):
            self._letters.add((says.scope, says.policy_id))
        elif isinstance(says, SentOn):
            self._sent_on.add(says.verdict_id)
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
        if entry.rank is Rank.PROVISIONAL and entry.verdict_id not in self._sent_on and not self._gave_up(entry):
            return False
        if verdict is None:
            return entry.decision is Decision.ALLOW and entry.rank is Rank.FINAL and route.publish is Publish.NON_ALLOW
        if verdict.abstention is not None:
            return verdict.abstention.reason not in MENDABLE or ("case", entry.policy_id) in self._letters
        quotes = route.outputs.rationale and self._says_why(verdict)
        return not quotes or entry.verdict_id in self._rationales

    def _says_why(self, verdict: Verdict) -> bool:
        """Whether the model wrote more than its answer: a rationale under this policy, or reasoning under all that was asked about."""
        template = self._record.asked_under(verdict)
        forms = {policy.id: policy.output for policy in policies_of(template.asked)} if template else {}
        reasons = template is not None and isinstance(template.reading, ReasonedReading)
        return reasons or forms.get(verdict.policy.id) is OutputForm.RATIONALE

    def _gave_up(self, entry: Entry) -> bool:
        """Whether what stands for now does so because the second asking abstained, and that is told."""
        told = [v for v in self._verdicts.values() if v.slot == entry.slot and v.sequence and v.abstention is not None]
        return any(v.abstention and v.abstention.reason not in MENDABLE for v in told) or (
            bool(told) and ("case", entry.policy_id) in self._letters
        )
