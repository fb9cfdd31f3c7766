"""What the log says must be shown with a message of a room: worked out the slow way, without any memory."""

from __future__ import annotations

from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from typing import TYPE_CHECKING, NamedTuple

from stream_guard.events.content import CONTEXT_PARTIAL
from stream_guard.routing import Context
from stream_guard.verdicts.model import Verdict
from tests.simulation.corpus import EARLIER, PARTLY, WHOLLY, Fate

if TYPE_CHECKING:
    from tests.simulation.log import SimRecord

_SAID = (Fate.JUDGED, Fate.UNSUPPORTED, Fate.TOO_LONG)


class Shown(NamedTuple):
    """The numbers of the messages before a message, oldest first, and whether nothing is missing among them."""

    numbers: list[int]
    whole: bool


def shown_in(prompt: Sequence[int]) -> Shown | None:
    """What a prompt shows before its message; None where it is not about a message in context."""
    if len(prompt) < 3 or prompt[2] not in (PARTLY, WHOLLY):
        return None
    return Shown([token - EARLIER for token in prompt[3:] if token >= EARLIER], prompt[2] == WHOLLY)


def due(log: Sequence[SimRecord | None], record: SimRecord, context: Context) -> Shown:
    """What is to be shown with a record. A message that is too long for any context is left out, which is told."""
    if record.key is None:
        return Shown([], whole=True)
    before = [r for r in log[: record.offset] if r is not None and r.key == record.key and r.content.fate in _SAID]
    oldest_ms = record.timestamp_ms - context.within_s * 1000
    young = [r for r in before[-context.last :] if r.timestamp_ms >= oldest_ms]
    fit = [r.content.number for r in young if r.content.fate is not Fate.TOO_LONG]
    return Shown(fit, whole=len(fit) == len(young))


def wrong_with(shown: Shown, is_due: Shown) -> str | None:
    """What is wrong with a context that was shown, None where it is all, or the newest of it and says so."""
    if shown.whole:
        return None if shown == is_due else f"shows {shown.numbers} for all that was said before, {is_due}"
    if shown.numbers != is_due.numbers[len(is_due.numbers) - len(shown.numbers) :]:
        return f"shows {shown.numbers}, which are not the last of {is_due.numbers}"
    return None


def wrong_signals(verdict: Verdict, whole: AbstractSet[bool]) -> list[str]:
    """A judgement must say of its context what the engine was shown: `whole` are the answers to whether that was all."""
    if verdict.abstention is not None or (CONTEXT_PARTIAL not in verdict.signals) in whole:
        return []
    return [f"signals {verdict.signals}, though whether all was shown is {whole}"]


def kind_of(shown: Shown, is_due: Shown, *, past: bool) -> str:
    """What a context that is not wrong is, for the coverage. `past` says whether any of it was read again."""
    if not is_due.numbers:
        return "nothing before" if shown.whole else "nothing before that is known"
    if shown.numbers != is_due.numbers:
        return "less than there is"
    if not shown.whole:
        return "all there is, for all that is known"
    return "whole, in part of what is past" if past else "whole"
