"""What a metric, a span and an attribute are; the list of them is in `names`.

An attribute knows which values it may have: no series and no span is told apart by anything else.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType
from typing import NamedTuple

OTHER = "other"
"""Stands for a value that is not one of an attribute's words: never the value itself."""

_WORD = re.compile(r"[A-Za-z0-9_.:+-]{0,64}")
_PROMETHEUS_UNIT = {"s": "seconds", "By": "bytes"}


class Values(StrEnum):
    """Where an attribute's values come from."""

    CONFIGURED = "configured"
    """The configuration (routes, policies, models) or the subscription (topics, partitions)."""
    WORD = "word"
    """An enumeration of the code: a short word without blanks. Anything else reads `other`."""
    CLOSED = "closed"
    """The set listed beside it. Anything else reads `other`."""


class Attribute(NamedTuple):
    """What a series or a span is told apart by. `label` is its name in Prometheus, empty where only spans have it."""

    name: str
    label: str
    values: Values
    closed: frozenset[str] = frozenset()

    def clean(self, value: str) -> str:
        """The value, where it is one this attribute may have, else `other`. Always a plain `str`."""
        plain = str(value)
        if self.values is Values.CLOSED:
            return plain if plain in self.closed else OTHER
        return plain[:249] if self.values is Values.CONFIGURED else word(plain)


def word(value: str) -> str:
    """The value, where it is a short word, else `other`: so that no text of a user becomes an attribute."""
    return str(value) if _WORD.fullmatch(value) else OTHER


class Kind(StrEnum):
    """What a metric's numbers mean."""

    COUNTER = "counter"
    GAUGE = "gauge"
    HISTOGRAM = "histogram"


class Metric(NamedTuple):
    """One metric. `unit` is UCUM; `constants` are attributes that conventions ask for and that never vary (OTLP only)."""

    name: str
    kind: Kind
    unit: str
    description: str
    attributes: tuple[Attribute, ...] = ()
    buckets: tuple[float, ...] = ()
    constants: Mapping[str, str] = MappingProxyType({})

    @property
    def family(self) -> str:
        """The name of the metric family in Prometheus, without a counter's `_total`."""
        base, unit = self.name.replace(".", "_"), _PROMETHEUS_UNIT.get(self.unit, "")
        return base if not unit or base.endswith(f"_{unit}") else f"{base}_{unit}"

    @property
    def prometheus(self) -> str:
        """The name to query: with `_total` for a counter; a histogram's samples add `_bucket`, `_sum`, `_count`."""
        return f"{self.family}_total" if self.kind is Kind.COUNTER else self.family

    @property
    def labels(self) -> tuple[str, ...]:
        """The labels in Prometheus, in the order of the attributes."""
        return tuple(a.label for a in self.attributes)


class Span(NamedTuple):
    """One kind of span. `operation` is its name, followed by `target` where there is one."""

    operation: str
    target: str
    kind: str
    description: str
    attributes: tuple[Attribute, ...]

    def name(self, target: str | None) -> str:
        """The name of one span; without a target where it has none of its own (a poll of several topics)."""
        return f"{self.operation} {target}" if target else self.operation
