"""Credentials that change while the service runs: it goes on without a restart, and nothing is lost.

The `brief` listener makes connections prove themselves anew every 2 seconds, so a credential that no longer holds cuts them.
"""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from tests.certificates import Certificate
from tests.guarded import Guarded, make_guarded
from tests.mounted import Mounted
from tests.secured import REAUTHENTICATE_MS, Mechanism, Secured
from tests.service import Service, Services

pytestmark = pytest.mark.kafka

SEEN_S = 15.0
"""A change counts after two looks, 2 s apart."""


def with_password(guarded: Guarded, option: str = "sasl.password") -> tuple[Mounted, dict[str, object]]:
    """The password in a mounted file, and the settings that name it."""
    secrets = Mounted(guarded.flow.folder / "secrets", password=f"{guarded.user.password}\n".encode())
    files = {option: str(secrets / "password")}
    return secrets, {"client": {option: None}, "client_files": files}


def until_cut(service: Service) -> None:
    """Until the broker has refused what the service still believes."""
    service.until(lambda: any("_AUTHENTICATION" in line["reason"] for line in service.logged("kafka.client_error")))


def until_changed(service: Service) -> None:
    """Until the service has heard of the new files."""
    service.until(lambda: service.logged("kafka.credentials_changed"), SEEN_S)


def test_a_password_is_rotated_in_either_order(secured_kafka: Secured, services: Services, tmp_path: Path) -> None:
    """SCRAM: the file first and then the broker, and the broker seconds before the file, with records coming all the while."""
    file_first = make_guarded(secured_kafka, tmp_path / "a", Mechanism.SCRAM_512, brief=True)
    broker_first = make_guarded(secured_kafka, tmp_path / "b", Mechanism.SCRAM_256, brief=True)
    guards = (file_first, broker_first)
    mounts = [with_password(guarded) for guarded in guards]
    running = [guarded.start(services, **kafka) for guarded, (_, kafka) in zip(guards, mounts, strict=True)]
    for guarded in guards:
        guarded.send(20)
    for guarded, service in zip(guards, running, strict=True):
        guarded.until_judged(service)

    secured_kafka.set_scram(broker_first.user.name, "second")
    mounts[0][0].swap(password=b"second")
    until_changed(running[0])  # told to the clients; the old connections stay while the old password holds
    secured_kafka.set_scram(file_first.user.name, "second")
    file_first.send(20)
    broker_first.send(20)
    until_cut(running[1])
    mounts[1][0].swap(password=b"second")
    for _ in range(3):
        time.sleep(REAUTHENTICATE_MS / 1000)
        for guarded in guards:
            guarded.send(5)
    for guarded, service in zip(guards, running, strict=True):
        guarded.until_judged(service)
        assert [line["changed"] for line in service.logged("kafka.credentials_changed")] == [["sasl.password"]]
        assert "second" not in service.stderr
        assert service.terminate() == 0


@pytest.mark.chaos
def test_a_password_of_plain_is_rotated_with_the_broker(
    secured_kafka: Secured, services: Services, tmp_path: Path
) -> None:
    """Kafka reads the users of PLAIN at its start: it is restarted with the new password, and the file follows."""
    guarded = make_guarded(secured_kafka, tmp_path, Mechanism.PLAIN)
    secrets, kafka = with_password(guarded)
    service = guarded.start(services, **kafka)
    guarded.send(20)
    guarded.until_judged(service)
    secured_kafka.set_plain(guarded.user.name, "second")
    guarded.send(20)
    until_cut(service)
    secrets.swap(password=b"second")
    guarded.until_judged(service)
    assert service.terminate() == 0


def certificate_of(mounted: Mounted) -> dict[str, object]:
    """The settings that name a mounted certificate."""
    return {
        "client": {"ssl.certificate.location": str(mounted / "tls.crt"), "ssl.key.location": str(mounted / "tls.key")}
    }


def pair(made: Certificate) -> dict[str, bytes]:
    """A certificate as Kubernetes names its files."""
    return {"tls.crt": made.pem.read_bytes(), "tls.key": made.key.read_bytes()}


def test_a_certificate_is_rotated(secured_kafka: Secured, services: Services, tmp_path: Path) -> None:
    """The new certificate is another principal's, and the old principal loses its rights: only the new one can have done it.

    Half of a change (a certificate without its key) is survived with the old clients.
    """
    guarded = make_guarded(secured_kafka, tmp_path, Mechanism.MTLS)
    other, rights = secured_kafka.user(), guarded.rights.values()
    for operation, resource in rights:
        secured_kafka.allow(other.name, operation, resource)
    mounted = Mounted(tmp_path / "secrets", **pair(guarded.user.certificate))
    service = guarded.start(services, **certificate_of(mounted))
    guarded.send(20)
    guarded.until_judged(service)

    mounted.swap(**{**pair(guarded.user.certificate), "tls.crt": other.certificate.pem.read_bytes()})
    service.until(lambda: service.logged("kafka.consumer_kept") and service.logged("kafka.producer_kept"), SEEN_S)
    guarded.send(20)
    guarded.until_judged(service)

    mounted.swap(**pair(other.certificate))
    guarded.send(20)
    service.until(lambda: service.logged("kafka.consumer_renewed"), SEEN_S)
    guarded.send(20)
    guarded.until_judged(service)
    for operation, resource in rights:
        secured_kafka.withdraw(guarded.user.name, operation, resource)
    guarded.send(20)
    guarded.until_judged(service)
    assert [line["left_in_order"] for line in service.logged("kafka.consumer_renewed")] == [True]
    assert not service.logged("kafka.not_written")
    assert service.terminate() == 0


def test_the_secret_of_a_token_endpoint_is_rotated(secured_kafka: Secured, services: Services, tmp_path: Path) -> None:
    """The clients are made anew: librdkafka takes a client secret only then. Tokens that were given hold until they expire."""
    guarded = make_guarded(secured_kafka, tmp_path, Mechanism.OAUTH)
    secrets, kafka = with_password(guarded, "sasl.oauthbearer.client.secret")
    service = guarded.start(services, **kafka)
    guarded.send(20)
    guarded.until_judged(service)
    secured_kafka.tokens.clients[guarded.user.name].secret = "second"  # noqa: S105 - a word of the test
    secrets.swap(password=b"second")
    issued = secured_kafka.tokens.clients[guarded.user.name].issued
    service.until(lambda: service.logged("kafka.consumer_renewed"), SEEN_S)
    guarded.send(20)
    guarded.until_judged(service)
    assert secured_kafka.tokens.clients[guarded.user.name].issued > issued
    assert service.terminate() == 0
