"""Which topics we read, and whether what we write fits into the topics it goes to."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping

from msgspec import Struct

from stream_guard.errors import StartRefused
from stream_guard.kafka.cluster.admin import Admin
from stream_guard.kafka.settings import KafkaSettings, Log

DEAD_LETTER_ROOM = 65_536
"""Bytes that a dead letter may need beside the record it keeps: headers, the original key, the batch's frame."""

_NONE: Mapping[str, int] = {}


class Selection(Struct, frozen=True):
    """The topics to read: exact names, and patterns that match whole names.

    Patterns are Python's and are matched here, so that they mean the same under every group protocol. They match none
    of `own` (the topics we publish to), none of those that carry records on and none of Kafka's internal ones.
    """

    names: tuple[str, ...] = ()
    patterns: tuple[re.Pattern[str], ...] = ()
    own: frozenset[str] = frozenset()
    redrive: str | None = None
    """Our own topic of what is to be judged again: read beside the others, by no route."""
    escalation: str | None = None
    """The same of what other deployments escalate."""

    @property
    def carrying(self) -> frozenset[str]:
        """Our own topics that are read beside the others."""
        return frozenset(topic for topic in (self.redrive, self.escalation) if topic is not None)

    def among(self, topics: Iterable[str]) -> tuple[str, ...]:
        """The topics to read, sorted. A name counts even where its topic does not exist yet."""
        carrying = self.carrying
        foreign = (t for t in topics if t not in self.own and t not in carrying and not t.startswith("__"))
        matched = (t for t in foreign if any(p.fullmatch(t) for p in self.patterns))
        return tuple(sorted({*self.names, *matched, *carrying}))


def resolve(settings: KafkaSettings, selection: Selection) -> tuple[str, ...]:
    """The topics to read now. Raises StartRefused where the cluster can't be asked."""
    return selection.among(Admin(settings).topics() if selection.patterns else ())


def check_outputs(
    settings: KafkaSettings,
    outputs: Collection[str],
    dead_letters: Mapping[str, Collection[str]],
    log: Log,
    redrive: str | None = None,
    rooms: Mapping[str, int] = _NONE,
) -> int:
    """Raises StartRefused where something could not be published. Returns the bytes of the largest record that may come.

    `dead_letters` names for each dead-letter topic, for the `redrive` topic and for topics to escalate to, the topics whose
    records may end there; `rooms` how many bytes more an escalation record may need, by topic. One that is missing is refused even where the broker would create it: it would get the broker's defaults, not the partitions,
    the retention and the size that its consumers count on. The size is 0 where no source's limit may be known.
    """
    admin = Admin(settings)
    missing = sorted({*outputs, *dead_letters} - admin.topics())
    if missing:
        named = ", ".join(f"{topic} (the redrive topic)" if topic == redrive else topic for topic in missing)
        raise StartRefused(f"these output topics do not exist, or may not be seen: {named}")
    sources = {source for group in dead_letters.values() for source in group}
    limits = admin.max_message_bytes({*outputs, *dead_letters, *sources})
    if findings := misfits(outputs, dead_letters, limits, settings.batch_bytes, log, redrive, rooms):
        raise StartRefused("; ".join(findings))
    return max((limits.get(source) or 0 for source in sources), default=0)


def misfits(
    outputs: Collection[str],
    dead_letters: Mapping[str, Collection[str]],
    limits: Mapping[str, int | None],
    batch: int,
    log: Log,
    redrive: str | None = None,
    rooms: Mapping[str, int] = _NONE,
) -> list[str]:
    """A sentence for each output topic that may be too small, by the sizes that topics take (`limits`, in bytes)."""
    kinds: dict[str | None, str] = {**dict.fromkeys(rooms, "escalation topic"), redrive: "redrive topic"}
    findings = [
        *(
            _too_small(
                kinds.get(topic, "dead-letter topic"), topic, group, limits, log, rooms.get(topic, DEAD_LETTER_ROOM)
            )
            for topic, group in sorted(dead_letters.items())
        ),
        *(_batch_too_large(topic, limits, batch) for topic in sorted({*outputs, *dead_letters})),
    ]
    return [finding for finding in findings if finding]


def _batch_too_large(topic: str, limits: Mapping[str, int | None], batch: int) -> str | None:
    """The broker refuses a batch as a whole: records that fit would be lost beside it."""
    limit = limits.get(topic)
    if limit is None or limit >= batch:
        return None
    return (
        f"topic {topic!r} takes {limit} bytes (max.message.bytes), but the producer's batches may have {batch}: set "
        f"batch.size of the producer to at most {limit}, or max.message.bytes of {topic!r} to at least {batch}"
    )


def _too_small(
    kind: str, topic: str, sources: Collection[str], limits: Mapping[str, int | None], log: Log, room: int
) -> str | None:
    """A sentence where a dead letter, or an escalation record, might not fit."""
    limit = limits.get(topic)
    known = {source: size for source in sources if (size := limits.get(source)) is not None}
    unknown = sorted({*sources, topic} - {*known, *([] if limit is None else [topic])})
    if unknown:
        log("kafka.size_unknown", topics=unknown, dead_letters=topic)
    if limit is None or not known:
        return None
    largest, size = max(known.items(), key=lambda item: (item[1], item[0]))
    if limit >= size + room:
        return None
    return (
        f"{kind} {topic!r} takes {limit} bytes (max.message.bytes), but a record of {largest!r} may have "
        f"{size} and its {'escalation' if kind.startswith('escalation') else 'dead letter'} {room} more: set "
        f"max.message.bytes of {topic!r} to at least {size + room}"
    )
