"""The raw probabilities of two labels -> what they say, or why they say nothing. Pure."""

from __future__ import annotations

import math
from typing import NamedTuple

from stream_guard.engines.port import Labels
from stream_guard.judging.judgement import Abstention, AbstentionReason, Confidence
from stream_guard.prompting.port import LabelReading


class LabelSaid(NamedTuple):
    """Whether the content violates, the share of the label mass that says so, and how sure of its answer the model is."""

    violates: bool
    share: float
    confidence: Confidence


_ROUNDING = 0.01
"""How far the probabilities of an engine may be off, having been added up in half precision."""


def read_labels(reading: LabelReading, reply: Labels) -> LabelSaid | Abstention:
    """What the labels say. An abstention where they hold too little of the probability, or the numbers are none."""
    no, yes = (_probability(reply, label) for label in (reading.no_id, reading.yes_id))
    mass = (no or 0.0) + (yes or 0.0)
    if not 0.0 <= mass <= 1.0 + _ROUNDING:  # NaN is none either
        return Abstention(AbstentionReason.UNDECIDED, "the numbers of the labels are no probabilities")
    if mass <= 0.0 or mass < reading.min_mass:
        return Abstention(AbstentionReason.UNDECIDED, f"label mass {mass:.3f} is below {reading.min_mass}")
    share = _share_of_yes(no, yes)
    violates = share >= reading.threshold
    if (yes is None and violates) or (no is None and not violates):
        return Abstention(
            AbstentionReason.UNDECIDED, "the engine did not report both labels, and the other may outweigh"
        )
    return LabelSaid(violates, share, Confidence("label_probability", share if violates else 1.0 - share))


def _probability(reply: Labels, label: int) -> float | None:
    logprob = reply.logprobs.get(label)
    if logprob is None:
        return None
    return math.exp(logprob) if logprob < 1.0 else math.inf  # whatever is far above 0 is none


def _share_of_yes(no: float | None, yes: float | None) -> float:
    """The share of yes in the label mass. A label that was not reported may hold all that is left."""
    if yes is None:
        return max(0.0, 1.0 - (no or 0.0))
    if no is None:
        return yes
    return yes / (no + yes)
