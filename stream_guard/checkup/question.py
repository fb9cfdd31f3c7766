"""What is asked of a cluster, and by whom: a configuration as the live checks see it."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Literal, TypeAlias

from msgspec import Struct

from stream_guard.config import Settings, own_topics
from stream_guard.config.route import RouteSettings
from stream_guard.escalation.rooms import escalation_room
from stream_guard.kafka.settings import KafkaSettings

Start: TypeAlias = Literal["earliest", "latest"] | datetime
_SOMEBODY = "the principal"
_ANONYMOUS = "User:ANONYMOUS"


class Plan(Struct, frozen=True):
    """What the operator plans, and may say on the command line; None for what was not said."""

    replicas: int | None = None
    cases_per_s: float | None = None
    """How fast the engine of one replica judges."""


class Question(Struct, frozen=True):
    """A configuration, and what it makes of topics."""

    settings: Settings
    kafka: KafkaSettings
    plan: Plan = Plan()

    @property
    def outputs(self) -> frozenset[str]:
        """The topics to publish to."""
        return own_topics(self.settings)

    @property
    def redrive(self) -> str | None:
        """Our own topic of what is to be judged again."""
        return self.settings.redrive.topic if self.settings.redrive else None

    @property
    def escalation(self) -> str | None:
        """Our own topic of what other deployments escalate."""
        return self.settings.escalation.topic if self.settings.escalation else None

    @property
    def carrying(self) -> frozenset[str]:
        """Our own topics that are read beside the routes'."""
        return frozenset(topic for topic in (self.redrive, self.escalation) if topic is not None)

    def foreign(self, inputs: Iterable[str]) -> list[str]:
        """The inputs that are not our own."""
        return [topic for topic in inputs if topic not in self.carrying]

    @property
    def principal(self) -> str:
        """Who Kafka takes us for, as ACLs name it, as far as the configuration says so."""
        client = self.kafka.client_config()
        protocol = str(client.get("security.protocol", "plaintext")).lower()
        user = client.get("sasl.username")
        if protocol.startswith("sasl_") and user is not None:
            return f"User:{user}"
        return _ANONYMOUS if protocol == "plaintext" else _SOMEBODY

    @property
    def grantee(self) -> str:
        """The principal, in a command."""
        return "User:NAME" if self.principal == _SOMEBODY else self.principal

    def readers(self, topic: str) -> tuple[RouteSettings, ...]:
        """The routes that read a topic."""
        return readers(self.settings, topic)

    def policies(self, topic: str) -> int:
        """Under how many policies a record of a topic is judged, at most: it belongs to one of its routes.

        A redriven record may belong to any; one that was escalated brings its one policy.
        """
        if topic == self.escalation:
            return 1
        routes = self.settings.routes if topic == self.redrive else self.readers(topic)
        return max((len(route.policies) for route in routes), default=0)

    def dead_letters(self, inputs: Iterable[str]) -> dict[str, set[str]]:
        """For each topic that holds whole records (dead letters, escalations, what is redriven), the inputs that they are of."""
        foreign = self.foreign(inputs)
        ours = {self.escalation} if self.escalation is not None else set()
        letters: dict[str, set[str]] = {route.outputs.dead_letters: set(ours) for route in self.settings.routes}
        letters |= {topic: set() for topic in self.rooms}
        if self.redrive is not None:
            letters[self.redrive] = {*foreign, *ours}
        for topic in foreign:
            for route in self.readers(topic):
                letters[route.outputs.dead_letters].add(topic)
                if route.escalate is not None and route.escalate.topic is not None:
                    letters[route.escalate.topic].add(topic)
        return letters

    @property
    def rooms(self) -> dict[str, int]:
        """By topic to escalate to, the bytes that it needs beside a record."""
        found: dict[str, int] = {}
        for route in self.settings.routes:
            if route.escalate is not None and route.escalate.topic is not None:
                room = escalation_room(route.context.chars if route.context else 0)
                found[route.escalate.topic] = max(found.get(route.escalate.topic, 0), room)
        return found


def readers(settings: Settings, topic: str) -> tuple[RouteSettings, ...]:
    """The routes that read a topic; none where it is our own."""
    ours = {chosen.topic for chosen in (settings.redrive, settings.escalation) if chosen is not None}
    if topic in own_topics(settings) or topic in ours:
        return ()
    return tuple(
        route
        for route in settings.routes
        if route.subscribe
        if route.topic == topic or (route.pattern is not None and route.pattern.fullmatch(topic))
    )
