"""What the principal must be allowed to do, asked before anything is done.

Without the question a right that is missing shows late: a group that can't be joined once the model is loaded, outputs that
wait for ever.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Literal, NamedTuple

from stream_guard.errors import StartRefused
from stream_guard.kafka.cluster.admin import Admin
from stream_guard.kafka.settings import KafkaSettings


class Right(NamedTuple):
    """An operation, in Kafka's words (`READ`), on a topic or a consumer group."""

    operation: str
    kind: Literal["topic", "group"]
    name: str

    def __str__(self) -> str:
        return f"{self.operation} on {'topic' if self.kind == 'topic' else 'consumer group'} {self.name!r}"


def needed(group: str, inputs: Collection[str], outputs: Collection[str]) -> list[Right]:
    """All that the service can't do without. Each of them lets the principal DESCRIBE, too."""
    return [
        *(Right("READ", "topic", topic) for topic in sorted(inputs)),
        *(Right("WRITE", "topic", topic) for topic in sorted(outputs)),
        Right("READ", "group", group),
    ]


def check_rights(settings: KafkaSettings, inputs: Collection[str], outputs: Collection[str]) -> None:
    """Raises StartRefused that names every right that is missing. Brokers that do not tell are believed to allow."""
    if missing := list(missing_rights(Admin(settings), settings.group, inputs, outputs)):
        raise StartRefused(
            f"Kafka at {settings.bootstrap} does not let this principal do its work; grant it {', '.join(missing)} "
            "(a topic that may not be seen may be missing altogether)"
        )


def missing_rights(admin: Admin, group: str, inputs: Collection[str], outputs: Collection[str]) -> Iterator[str]:
    """Each right that is missing, as `READ on topic 'chat'`."""
    allowed = admin.operations({*inputs, *outputs})
    for right in needed(group, inputs, outputs):
        operations = allowed[right.name] if right.kind == "topic" else admin.group_operations(group)
        if operations is not None and right.operation not in operations:
            yield str(right)
