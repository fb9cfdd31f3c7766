"""What of a redriven record is judged again, and what the ruling on it, or on an escalated one, repeats. Pure."""

from __future__ import annotations

from stream_guard.delivery.hearing import Hearing
from stream_guard.prompting.port import Template
from stream_guard.records import Origin
from stream_guard.verdicts.decoding import decode_entries
from stream_guard.verdicts.model import Entry, Rank


def carried(origin: Origin) -> tuple[Entry, ...]:
    """The entries that a ruling repeats: of an escalated case all, of a redriven one the other policies', and what stands for now.

    Where the record failed as a whole, all is judged anew.
    """
    if origin.escalated is not None:
        return decode_entries(origin.entries)
    if origin.policy_id is None:
        return ()
    entries = decode_entries(origin.entries)
    return tuple(e for e in entries if e.policy_id != origin.policy_id or e.rank is Rank.PROVISIONAL)


def asked_of(hearing: Hearing, templates: tuple[Template, ...]) -> tuple[Template, ...]:
    """Under which of its route's policies an event is judged: under all, or, a redriven case, under those without an entry yet.

    None of them where the policy that the case failed under is no longer among them.
    """
    origin = hearing.record.origin
    if origin is None or origin.policy_id is None:
        return templates
    known = {entry.policy_id for entry in hearing.carried} - {origin.policy_id}
    asked = tuple(template for template in templates if template.policy.id not in known)
    return asked if any(template.policy.id == origin.policy_id for template in asked) else ()
