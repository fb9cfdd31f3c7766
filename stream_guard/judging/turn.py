"""What the bench says at the end of a turn: what is to be asked and cancelled, and how cases ended."""

from __future__ import annotations

from typing import Generic, NamedTuple, TypeAlias

from stream_guard.engines.port import Ask, AskId
from stream_guard.judging.case import Case, Outcome, Owner


class Admitted(NamedTuple, Generic[Owner]):
    """Asks to submit, then asks to cancel, and cases that ended: too long, too late, or of a key that used up its quota."""

    asks: list[Ask]
    cancel: list[AskId]
    outcomes: list[Outcome[Owner]]


class Settled(NamedTuple, Generic[Owner]):
    """What a list of completions came to: asks to submit at once (the next step of parts that are asked in several), and
    asks to cancel, because their case is settled without them.
    """

    asks: list[Ask]
    cancel: list[AskId]
    outcomes: list[Outcome[Owner]]
    retried: list[tuple[Case[Owner], str]]
    """Cases that are asked again, each with the reason."""
    unavailable: str | None
    """Why the engine must be taken for unavailable, None where nothing says so."""


class Overdue(NamedTuple, Generic[Owner]):
    """Asks that took too long: to be cancelled, and how their cases ended, or which are asked again and why.

    And cases that ended because their deadline passed as they waited.
    """

    cancel: list[AskId]
    outcomes: list[Outcome[Owner]]
    retried: list[tuple[Case[Owner], str]]


Turn: TypeAlias = Admitted[Owner] | Settled[Owner] | Overdue[Owner]
