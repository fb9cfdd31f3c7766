"""What a trial comes to: counted as it is told, so that a trial that is broken off has its summary too. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

from msgspec import Struct

from stream_guard.trial.news import Fate, Heard, Judging, News, Sampled
from stream_guard.verdicts.model import Tokens, Verdict


class Summary(Struct, frozen=True, kw_only=True):
    """What became of the records, and what it cost. `seconds` are those of the judging, `ready_s` those before it."""

    complete: bool
    sample: Sampled
    engine: str
    model: str
    notes: tuple[str, ...]
    heard: int
    judged: int
    dead_lettered: tuple[tuple[str, str, int], ...]
    """Reason, detail and how many, the most frequent first: records that could not become cases."""
    ignored: Mapping[str, int]
    decisions: Mapping[str, Mapping[str, int]]
    """By policy, of the verdicts that are judgements."""
    abstentions: Mapping[str, Mapping[str, int]]
    """By policy and reason."""
    rulings: Mapping[str, int]
    letters: int
    """Dead letters, those of single cases included."""
    signals: Mapping[str, int]
    """How many verdicts bear each signal."""
    tokens: Tokens
    ready_s: float
    seconds: float

    @property
    def scripted(self) -> bool:
        """Whether no model judged."""
        return self.engine == "scripted"

    @property
    def verdicts(self) -> int:
        """All verdicts, abstentions included."""
        return sum(sum(counts.values()) for counts in (*self.decisions.values(), *self.abstentions.values()))

    @property
    def verdicts_per_second(self) -> float | None:
        """How fast this engine judged; None where there was nothing to measure."""
        return self.verdicts / self.seconds if self.verdicts and self.seconds > 0 else None

    @property
    def headroom(self) -> float | None:
        """How many times the sample's rate this engine judged; None where either is unknown."""
        rate, speed = self.sample.per_second, self.verdicts_per_second
        if rate is None or speed is None:
            return None
        return speed / (rate * self.verdicts / self.heard)


class Tally:
    """Counts what is told."""

    def __init__(self) -> None:
        self._sample: Sampled | None = None
        self._judging: Judging | None = None
        self._fates: Counter[Fate] = Counter()
        self._rejected: Counter[tuple[str, str]] = Counter()
        self._ignored: Counter[str] = Counter()
        self._decisions: dict[str, Counter[str]] = {}
        self._abstentions: dict[str, Counter[str]] = {}
        self._rulings: Counter[str] = Counter()
        self._signals: Counter[str] = Counter()
        self._tokens = Tokens(0, 0, 0)
        self._letters = 0
        self._seconds = 0.0

    def count(self, news: News) -> None:
        """Takes in what was told."""
        match news:
            case Sampled():
                self._sample = news
            case Judging(policies=policies):
                self._judging = news
                self._decisions = {policy: Counter() for policy in policies}
                self._abstentions = {policy: Counter() for policy in policies}
            case Heard():
                self._hear(news)

    def summary(self) -> Summary | None:
        """All so far; None before the judging began."""
        if self._sample is None or self._judging is None:
            return None
        heard = self._fates.total()
        return Summary(
            complete=heard == self._sample.records,
            sample=self._sample,
            engine=self._judging.engine,
            model=self._judging.model,
            notes=self._judging.notes,
            heard=heard,
            judged=self._fates[Fate.JUDGED],
            dead_lettered=tuple((reason, detail, n) for (reason, detail), n in self._rejected.most_common()),
            ignored=dict(self._ignored.most_common()),
            decisions={policy: dict(counts) for policy, counts in self._decisions.items()},
            abstentions={policy: dict(counts.most_common()) for policy, counts in self._abstentions.items()},
            rulings=dict(self._rulings),
            letters=self._letters,
            signals=dict(self._signals.most_common()),
            tokens=self._tokens,
            ready_s=self._judging.seconds,
            seconds=self._seconds,
        )

    def _hear(self, heard: Heard) -> None:
        self._fates[heard.fate] += 1
        self._seconds = max(self._seconds, heard.at_s)
        self._letters += heard.letters
        if heard.ruling is not None:
            self._rulings[heard.ruling.decision] += 1
        if heard.fate is Fate.DEAD_LETTERED:
            self._rejected[heard.reason, heard.detail] += 1
        elif heard.fate is Fate.IGNORED:
            self._ignored[heard.reason] += 1
        for verdict in heard.verdicts:
            self._judge(verdict)

    def _judge(self, verdict: Verdict) -> None:
        policy, spent, so_far = verdict.policy.id, verdict.tokens, self._tokens
        if verdict.abstention is None:
            self._decisions.setdefault(policy, Counter())[verdict.decision] += 1
        else:
            self._abstentions.setdefault(policy, Counter())[verdict.abstention.reason] += 1
        self._signals.update(verdict.signals)
        self._tokens = Tokens(
            so_far.prompt + spent.prompt, so_far.cached + spent.cached, so_far.completion + spent.completion
        )
