"""The service on a secured broker, by every mechanism, with exactly the rights that the documentation lists."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.guarded import make_guarded
from tests.secured import Mechanism, Secured
from tests.service import Services

pytestmark = pytest.mark.kafka

TOKEN_S = 10
"""A token's life: several are used up within the test."""


def test_records_are_judged_by_every_mechanism_with_the_least_rights(
    secured_kafka: Secured, services: Services, tmp_path: Path
) -> None:
    """PLAIN, SCRAM, OAUTHBEARER and mutual TLS: 20 records each; tokens are renewed before they expire."""
    guards = [make_guarded(secured_kafka, tmp_path / mechanism, mechanism) for mechanism in Mechanism]
    (oauth,) = (guard for guard in guards if guard.mechanism is Mechanism.OAUTH)
    token = secured_kafka.tokens.clients[oauth.user.name]
    token.seconds = TOKEN_S
    running = [guard.start(services) for guard in guards]
    for guard in guards:
        guard.send(20)
    for guard, service in zip(guards, running, strict=True):
        guard.until_judged(service)
    issued = token.issued
    running[guards.index(oauth)].until(lambda: token.issued >= issued + 3)
    oauth.send(20)
    oauth.until_judged(running[guards.index(oauth)])
    for service in running:
        service.signal()
    assert [service.wait() for service in running] == [0] * len(running)
    assert not any(service.logged("kafka.client_error") for service in running)
