"""A part -> the ask that is put to the engine, step by step; and what its reply comes to."""

from __future__ import annotations

from typing import Generic

from stream_guard.engines.port import Ask, Failure, FailureKind, Labels, Read, Text, Turn
from stream_guard.judging.case import Owner, Part
from stream_guard.judging.course import Ended, Stand, begin, despite, go_on, in_steps
from stream_guard.judging.places import Places
from stream_guard.judging.reply import TextOf, read_reply
from stream_guard.prompting.port import Rendered


class Asking(Generic[Owner]):
    """Makes asks of parts, which have a place at the engine from then on. `text_of` reads token ids."""

    def __init__(self, places: Places[Owner], text_of: TextOf) -> None:
        self._places = places
        self._text_of = text_of

    def first(self, part: Part[Owner], rendered: Rendered, now: float) -> Ask:
        """The first ask about a part; or the step at which an outage or a failure of the engine interrupted it, once more."""
        case, template = part.case, part.case.template
        case.asked_at = part.begun_at = now
        case.attempts += 1
        if part.stand is not None:
            return self.next(part, part.stand, now)
        if in_steps(template):
            return self.next(part, begin(template, rendered.prompt), now)
        return self._ask(part, rendered.prompt, template.read, rendered.turns, now)

    def next(self, part: Part[Owner], stand: Stand, now: float) -> Ask:
        """A step of a part that is asked in several. None waits for room at the engine but the first: it had its place there."""
        part.stand = stand
        return self._ask(part, stand.prompt, stand.read, (), now)

    def read(self, part: Part[Owner], reply: Labels | Text) -> Ended | Stand:
        """What a reply comes to: the end of the part, or its next step."""
        stand, part.stand = part.stand, None
        if stand is None:
            return read_reply(part.case.template, reply, self._text_of)
        return go_on(part.case.template, stand, reply, self._text_of)

    def despite(self, part: Part[Owner], failure: Failure) -> Stand | None:
        """What is asked next though the engine refuses this ask, None where nothing is."""
        if part.stand is None or failure.kind is not FailureKind.REJECTED:
            return None
        return despite(part.case.template, part.stand)

    def _ask(self, part: Part[Owner], prompt: list[int], read: Read, turns: tuple[Turn, ...], now: float) -> Ask:
        case, sampling = part.case, part.case.template.sampling
        return Ask(
            id=self._places.enter(part, len(prompt), now),
            prompt=prompt,
            read=read,
            turns=turns,
            traceparent=case.traceparent,
            effort=case.template.asked.effort,
            temperature=sampling.second_thought if part.bad_replies else sampling.temperature,
        )
