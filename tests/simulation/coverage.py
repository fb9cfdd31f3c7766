"""Which events met which states: so that a quiet run proves something."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Final

REQUIRED: Final = frozenset(
    (event, state)
    for event, states in {
        "revoke": ("ask in engine", "ack awaited", "intake queued", "idle", "engine down", "window full", "draining"),
        "lost": ("ask in engine", "ack awaited", "intake queued", "idle", "engine down", "window full", "draining"),
        "crash": ("ask in engine", "ack awaited", "intake queued", "idle", "engine down", "draining"),
        "fail": ("ask in engine", "ack awaited", "idle"),
        "stop": ("ask in engine", "ack awaited", "engine down", "draining"),
        "outage": ("ask in engine", "ack awaited", "draining", "window full"),
        "hang": ("ask in engine", "draining"),
        "sick": ("ask in engine", "ack awaited", "draining"),
        "death": ("of one that was alone", "with others open", "of one under several policies"),
        "expired": ("read too late", "waited"),
        "taken": ("in order", "hardly in time"),
        "trial": ("answered", "sick", "transient", "blip"),
        "assign": ("first time", "back to the same member", "back while an old ask is in the engine",
                   "back while an old ack is awaited", "redelivers what has landed"),
        "drain": ("in time", "too slow"),
        "ack": ("in time", "after revoke", "after lost", "after the partition came back"),
        "completion": ("in time", "after revoke", "after lost", "after cancel"),
        "write": ("failed", "failed but landed", "landed twice"),
        "released": ("in time", "too late"),
        "store": ("moved on", "before the lost was heard of"),
        "commit": ("by the timer", "at hand-over", "at close", "not any more"),
        "verdict": ("allow", "flag", "review", "block", "repeated after a redelivery", "timeout", "unparseable", "undecided",
                    "too_long", "unsupported_content", "expired", "rejected", "failed", "rate_limited", "engine_killer",
                    "repeated with another decision"),
        "split": ("allow", "flag", "review", "block", "timeout", "rejected"),
        "packed ask": ("at once", "in steps"),
        "packed verdict": ("allow", "flag", "review", "block", "timeout", "unparseable", "too_long", "expired", "rejected",
                           "failed", "rate_limited", "engine_killer"),
        "packed split": ("allow", "flag", "review", "block", "rejected"),
        "packed ruling": ("the same of all", "some allow", "some abstain"),
        "packed garbage": ("cut", "one is missing", "one too many", "one is in another form", "one answers twice",
                           "one names a category of another", "one answer for all", "without names"),
        "record": ("judged", "dead-lettered", "ignored", "read again"),
        "order": ("after another of its key", "told again"),
        "dead_stall": ("ask in engine", "ack awaited", "idle"),
        "halt": ("dead_letter_not_written",),
        "halt is over": ("dead_letter_not_written",),
        "pause": ("halted", "ahead", "greedy"),
        "resume": ("over",),
        "context": ("whole", "whole, in part of what is past", "less than there is", "nothing before"),
    }.items()
    for state in states
)  # fmt: skip
"""What any sizeable run must have met."""


class Coverage:
    """Counts pairs of an event and a state it met."""

    def __init__(self) -> None:
        self.counts: Counter[tuple[str, str]] = Counter()

    def met(self, event: str, state: str) -> None:
        """One event met one state."""
        self.counts[event, state] += 1

    def met_all(self, event: str, states: Iterable[str]) -> None:
        """One event met several states at once."""
        self.counts.update((event, state) for state in states)

    def missing(self) -> list[tuple[str, str]]:
        """The required pairs that were never met."""
        return sorted(REQUIRED - self.counts.keys())

    def table(self) -> str:
        """One line a pair, `!` before those that were required and never met."""
        pairs = sorted(REQUIRED | self.counts.keys())
        return "\n".join(
            f"{'!' if not self.counts[pair] else ' '} {pair[0]:<16}{pair[1]:<42}{self.counts[pair]:>10,}"
            for pair in pairs
        )
