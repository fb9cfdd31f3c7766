"""Whether a record is traced: decided from its headers, before any span is made.

The rules are those of `OTEL_TRACES_SAMPLER` and `OTEL_TRACES_SAMPLER_ARG` (OpenTelemetry's specification, "SDK environment
variables"): a parent-based sampler follows the flag of the record's own `traceparent`, and its root rule decides on records
that have none; the others decide on every record alike. A ratio looks at the low 64 bits of the trace id.
"""

from __future__ import annotations

import os
import random
import re
from collections.abc import Callable
from typing import NamedTuple

from opentelemetry.sdk.environment_variables import OTEL_TRACES_SAMPLER, OTEL_TRACES_SAMPLER_ARG

from stream_guard.errors import ConfigError, Place
from stream_guard.records import Headers

_ALL = 1 << 64
_TRACEPARENT = re.compile(
    rb"(?!ff)([0-9a-f]{2})-(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})-([0-9a-f]{2})(-[ -~]*)?"
)
_LONGEST = 512


class Decided(NamedTuple):
    """A record is traced, in this trace: the producer's, or a new one where `parent` is 0."""

    trace_id: int
    parent: int
    flags: int


class Sampling:
    """One rule. `root` is the share of new traces, in [0, 1]; without `parent_based` it holds for every record."""

    def __init__(
        self, root: float = 1.0, *, parent_based: bool = True, bits: Callable[[int], int] = random.getrandbits
    ) -> None:
        self.root = root
        self.parent_based = parent_based
        self._bound = round(root * _ALL)
        self._bits = bits

    def decide(self, headers: Headers) -> Decided | None:
        """The trace to record, or None. A malformed `traceparent` is as good as none; of several the last one counts."""
        carried = None
        for name, value in headers:
            if name == "traceparent":
                carried = value
        return self._remote(carried) if carried else self._new()

    def _remote(self, carried: bytes) -> Decided | None:
        found = _TRACEPARENT.fullmatch(carried) if len(carried) <= _LONGEST else None
        if found is None or (found[5] is not None and found[1] == b"00"):
            return self._new()
        flags = int(found[4], 16)
        sampled = flags & 1 if self.parent_based else int(found[2][16:], 16) < self._bound
        return Decided(int(found[2], 16), int(found[3], 16), flags) if sampled else None

    def _new(self) -> Decided | None:
        low = self._bits(64)
        if low >= self._bound:
            return None
        return Decided((self._bits(64) << 64 | low) or 1, 0, 1)


_NAMED: dict[str, tuple[bool, float | None]] = {
    "always_on": (False, 1.0),
    "always_off": (False, 0.0),
    "traceidratio": (False, None),
    "parentbased_always_on": (True, 1.0),
    "parentbased_always_off": (True, 0.0),
    "parentbased_traceidratio": (True, None),
}


def from_environment() -> Sampling:
    """The rule that the environment asks for; `parentbased_always_on` where it asks for none.

    Raises ConfigError for a sampler or a ratio that there isn't.
    """
    name = os.environ.get(OTEL_TRACES_SAMPLER, "").strip().lower() or "parentbased_always_on"
    if name not in _NAMED:
        raise ConfigError((Place(OTEL_TRACES_SAMPLER), f"no such sampler; there are {', '.join(sorted(_NAMED))}"))
    parent_based, root = _NAMED[name]
    return Sampling(_ratio() if root is None else root, parent_based=parent_based)


def _ratio() -> float:
    given = os.environ.get(OTEL_TRACES_SAMPLER_ARG, "").strip() or "1.0"
    try:
        ratio = float(given)
    except ValueError:
        ratio = -1.0
    if not 0.0 <= ratio <= 1.0:
        raise ConfigError((Place(OTEL_TRACES_SAMPLER_ARG), "must be a number from 0 to 1"))
    return ratio
