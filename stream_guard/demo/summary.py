"""The demo in figures: what became of every event, how long it took, and how often the model was right. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from math import ceil

from msgspec import Struct

from stream_guard.demo.firehose import Sent
from stream_guard.demo.tally import Heard
from stream_guard.events.outcome import IgnoredReason
from stream_guard.policy.document import Decision

SPAM = "spam"
"""The policy for which the demo's events say what their author thinks."""


class Score(Struct, frozen=True):
    """How often a yes-or-no judgement agrees with the author. An abstention agrees with nobody."""

    found: int
    violating: int
    passed: int
    permitted: int

    @property
    def right(self) -> int:
        """Judgements that agree."""
        return self.found + self.passed

    @property
    def total(self) -> int:
        """Texts that were judged."""
        return self.violating + self.permitted

    @property
    def balanced(self) -> float | None:
        """The mean of both sides' shares, None where a side is empty. Always saying the same scores 0.5."""
        if not self.violating or not self.permitted:
            return None
        return (self.found / self.violating + self.passed / self.permitted) / 2


class Tokens(Struct, frozen=True):
    """Tokens of all verdicts. `cached` of the prompts' tokens came from the prefix cache."""

    prompt: int
    cached: int
    completion: int

    @property
    def cached_share(self) -> float:
        """The share of the prompts' tokens that was not computed again, in [0, 1]."""
        return self.cached / self.prompt if self.prompt else 0.0


class Spread(Struct, frozen=True):
    """Median and 95th percentile, in milliseconds."""

    p50: float
    p95: float


class Times(Struct, frozen=True):
    """Seconds since the command started: the model was ready, the first verdict came, the last event was heard."""

    ready: float
    first_verdict: float | None
    last: float


class Summary(Struct, frozen=True):
    """What the demo came to. Mappings count; what never occurred is left out."""

    model: str
    events: int
    judged: int
    rejected: int
    dead_letters: Mapping[str, int]
    ignored: Mapping[str, int]
    verdicts: Mapping[str, int]
    abstentions: Mapping[str, int]
    rulings: Mapping[Decision, int]
    waiting: Spread
    """From reading the event to its verdict."""
    engine: Spread
    """Of that, at the engine."""
    tokens: Tokens
    times: Times
    messages: Score
    """Spam or not, over the demo's messages."""
    conversations: Score
    """Spam or not, over the demo's chats and completions."""
    examples: Score | None
    """Spam or not, over those examples of the policy that its prompt does not show; None where they were not asked."""


def summarise(sent: Sequence[Sent], heard: Sequence[Heard], examples: Sequence[Heard], times: Times) -> Summary:
    """Counts everything. `heard` holds all of `sent` but what is ignored."""
    verdicts = [verdict for one in heard for verdict in one.verdicts]
    waits = [verdict.timings.queue_ms + verdict.timings.engine_ms for verdict in verdicts]
    asked = [verdict for verdict in verdicts if verdict.model is not None]
    return Summary(
        model=next((verdict.model.name for verdict in verdicts if verdict.model is not None), ""),
        events=len(sent),
        judged=sum(one.ruling.reason is None for one in heard),
        rejected=sum(one.ruling.reason is not None for one in heard),
        dead_letters=Counter(one.letter.reason for one in heard if one.letter is not None),
        ignored=Counter(str(one.post.fate) for one in sent if one.post.fate in frozenset(IgnoredReason)),
        verdicts=Counter(verdict.policy.id for verdict in verdicts),
        abstentions=Counter(str(verdict.abstention.reason) for verdict in verdicts if verdict.abstention is not None),
        rulings=Counter(one.ruling.decision for one in heard),
        waiting=_spread(waits),
        engine=_spread([verdict.timings.engine_ms for verdict in asked]),
        tokens=Tokens(
            sum(verdict.tokens.prompt for verdict in verdicts),
            sum(verdict.tokens.cached for verdict in verdicts),
            sum(verdict.tokens.completion for verdict in verdicts),
        ),
        times=times,
        messages=score(one for one in heard if one.sent.post.kind == "message"),
        conversations=score(one for one in heard if one.sent.post.kind != "message"),
        examples=score(examples) if examples else None,
    )


def score(heard: Iterable[Heard]) -> Score:
    """How the verdicts on spam agree with what the texts' authors say."""
    agreed: Counter[tuple[bool, bool]] = Counter()
    for one in heard:
        wanted = one.sent.post.spam
        for verdict in one.verdicts:
            if verdict.policy.id == SPAM and wanted is not None and verdict.model is not None:
                violates = verdict.decision is not Decision.ALLOW
                agreed[wanted, verdict.abstention is None and violates == wanted] += 1
    return Score(
        found=agreed[True, True],
        violating=agreed[True, True] + agreed[True, False],
        passed=agreed[False, True],
        permitted=agreed[False, True] + agreed[False, False],
    )


def _spread(values: Sequence[float]) -> Spread:
    ordered = sorted(values)
    return Spread(_rank(ordered, 0.5), _rank(ordered, 0.95))


def _rank(ordered: Sequence[float], share: float) -> float:
    """The nearest-rank percentile, 0 where there is nothing."""
    return ordered[max(ceil(len(ordered) * share) - 1, 0)] if ordered else 0.0
