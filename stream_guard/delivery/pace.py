"""How often things are looked at, and how long they are waited for."""

from __future__ import annotations

from msgspec import Struct


class Pace(Struct, frozen=True):
    """All in seconds. `drain_s` bounds how long work under way is waited for when partitions leave or the service stops."""

    drain_s: float = 8.0
    tick_s: float = 0.2
    probe_s: float = 2.0
    trial_s: float = 15.0
    resend_s: float = 0.5
    max_resend_s: float = 30.0
