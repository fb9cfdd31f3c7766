"""One service on the secured broker: its user with the least rights, its topics, and what it is to judge.

guarded = make_guarded(secured_kafka, tmp_path, Mechanism.SCRAM_512)
service = guarded.start(services)
guarded.feed.send(messages(20))
guarded.until_judged(service)
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.published import Fate, Feed, check, message, read_published
from tests.secured import Mechanism, Resource, Secured, User, group, topic
from tests.service import Flow, Service, Services, make_flow


@dataclass
class Guarded:
    """A user, its flow, and how it connects."""

    secured: Secured
    flow: Flow
    user: User
    mechanism: Mechanism
    feed: Feed
    brief: bool = False

    def configuration(self, name: str = "guard", **kafka: Any) -> Path:
        """Writes a configuration; `kafka` is laid over its section, None takes an option of the client away."""
        section = self.secured.section(self.user, self.mechanism, brief=self.brief)
        client = section["client"] | kafka.pop("client", {})
        section["client"] = {key: value for key, value in client.items() if value is not None}
        return self.flow.configuration(name, kafka=section | kafka)

    def start(self, services: Services, **kafka: Any) -> Service:
        """Starts the service."""
        return services.start(self.configuration(**kafka))

    def send(self, count: int) -> None:
        """Writes messages that can be judged."""
        first = len(self.feed.sent)
        self.feed.send(message(first + number) for number in range(count))

    def until_judged(self, service: Service, seconds: float = 40.0) -> None:
        """Waits until all is committed, and holds it against what was published: nothing lost, nothing contradicts."""
        service.until(self.flow.done, seconds)
        published = read_published(self.flow)
        assert check(self.feed.sent, published) == Counter({Fate.JUDGED: len(self.feed.sent)})

    @property
    def rights(self) -> dict[str, tuple[str, Resource]]:
        """The least-privilege list."""
        flow = self.flow
        return {
            "input": ("READ", topic(flow.source)),
            "group": ("READ", group(flow.group)),
            "verdicts": ("WRITE", topic(flow.verdicts)),
            "rulings": ("WRITE", topic(flow.rulings)),
            "dead_letters": ("WRITE", topic(flow.dead_letters)),
        }


def make_guarded(secured: Secured, folder: Path, mechanism: Mechanism, *, brief: bool = False) -> Guarded:
    """A user with all rights that a service needs, and no other."""
    folder.mkdir(exist_ok=True)
    flow, user = make_flow(secured, folder, partitions=2), secured.user()
    secured.service_rights(user.name, [flow.source], [flow.verdicts, flow.rulings, flow.dead_letters], flow.group)
    return Guarded(secured, flow, user, mechanism, Feed(flow), brief)
