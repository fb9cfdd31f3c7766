"""What is asked of a cluster, and by whom: a configuration as the live checks see it."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Literal, TypeAlias

from msgspec import Struct

from stream_guard.config import Settings, own_topics
from stream_guard.config.route import RouteSettings
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

    def foreign(self, inputs: Iterable[str]) -> list[str]:
        """The inputs that are not our own."""
        return [topic for topic in inputs if topic != self.redrive]

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

        A redriven record may belong to any.
        """
        routes = self.settings.routes if topic == self.redrive else self.readers(topic)
        return max((len(route.policies) for route in routes), default=0)

    def dead_letters(self, inputs: Iterable[str]) -> dict[str, set[str]]:
        """For each dead-letter topic, and for the redrive topic, the inputs whose records may end there."""
        foreign = self.foreign(inputs)
        letters: dict[str, set[str]] = {route.outputs.dead_letters: set() for route in self.settings.routes}
        if self.redrive is not None:
            letters[self.redrive] = set(foreign)
        for topic in foreign:
            for route in self.readers(topic):
                letters[route.outputs.dead_letters].add(topic)
        return letters


def readers(settings: Settings, topic: str) -> tuple[RouteSettings, ...]:
    """The routes that read a topic; none where it is our own."""
    if topic in own_topics(settings) or (settings.redrive is not None and topic == settings.redrive.topic):
        return ()
    return tuple(
        route
        for route in settings.routes
        if route.topic == topic or (route.pattern is not None and route.pattern.fullmatch(topic))
    )
