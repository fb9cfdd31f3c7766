"""What a `/metrics` page says, as it is read by somebody else."""

from __future__ import annotations

from collections.abc import Mapping
from math import isfinite
from types import MappingProxyType
from typing import NamedTuple, TypeAlias

from prometheus_client.parser import text_string_to_metric_families

Labels: TypeAlias = tuple[tuple[str, str], ...]
"""Names and values, in the order of the names."""
Series: TypeAlias = Mapping[Labels, float]
"""The values of one name. What is no number (NaN, an infinity) was never measured, and is left out."""

_OURS = "stream_guard_"
_LONGEST_LINE = 10_000
"""Characters: labels are cut off one after the other, which takes ever longer on a line without an end."""
_NONE: Series = MappingProxyType({})


class Page(NamedTuple):
    """All that was told at one moment, by name (`..._total`, `..._bucket` and so on)."""

    series: Mapping[str, Series]

    def of(self, name: str) -> Series:
        """The series of a name; none where the service does not tell it."""
        return self.series.get(name, _NONE)

    @property
    def ours(self) -> bool:
        """Whether a stream_guard tells it."""
        return any(name.startswith(_OURS) for name in self.series)


def read_page(text: str) -> Page | None:
    """Reads Prometheus' text format; None where the text is not of it."""
    if any(len(line) > _LONGEST_LINE for line in text.splitlines()):
        return None
    series: dict[str, dict[Labels, float]] = {}
    try:
        for family in text_string_to_metric_families(text):
            for sample in family.samples:
                found = series.setdefault(sample.name, {})
                if isfinite(sample.value):
                    found[tuple(sorted(sample.labels.items()))] = sample.value
    except (
        ValueError,
        IndexError,
        KeyError,
        TypeError,
        AttributeError,
    ):  # all that the parser raises on what it does not expect
        return None
    return Page(series)
