"""What of a redriven record is judged again, and what its ruling repeats. Pure."""

from __future__ import annotations

from stream_guard.delivery.hearing import Hearing
from stream_guard.prompting.port import Template
from stream_guard.records import Origin
from stream_guard.verdicts.decoding import decode_entries
from stream_guard.verdicts.model import Entry


def carried(origin: Origin) -> tuple[Entry, ...]:
    """The entries that the ruling on a redriven case repeats: the other policies'. Where the record failed, all is judged anew."""
    if origin.policy_id is None:
        return ()
    return tuple(entry for entry in decode_entries(origin.entries) if entry.policy_id != origin.policy_id)


def asked_of(hearing: Hearing, templates: tuple[Template, ...]) -> tuple[Template, ...]:
    """Under which of its route's policies an event is judged: under all, or, a redriven case, under those without an entry yet.

    None of them where the policy that the case failed under is no longer among them.
    """
    origin = hearing.record.origin
    if origin is None or origin.policy_id is None:
        return templates
    known = {entry.policy_id for entry in hearing.carried}
    asked = tuple(template for template in templates if template.policy.id not in known)
    return asked if any(template.policy.id == origin.policy_id for template in asked) else ()
