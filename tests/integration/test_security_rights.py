"""Rights that are withdrawn while the service runs: it says so, waits, and judges all once they are given back."""

from __future__ import annotations

from pathlib import Path

import pytest

from stream_guard.kafka.settings import GroupProtocol
from tests.guarded import Guarded, make_guarded
from tests.published import message
from tests.secured import Mechanism, Secured
from tests.service import Service, Services, ends

pytestmark = pytest.mark.kafka


def withdraw(guarded: Guarded, right: str) -> None:
    """Takes a right away."""
    guarded.secured.withdraw(guarded.user.name, *guarded.rights[right])


def allow(guarded: Guarded, right: str) -> None:
    """Gives it back."""
    guarded.secured.allow(guarded.user.name, *guarded.rights[right])


def told(service: Service, event: str, words: str) -> bool:
    """Whether a log line says so."""
    return any(words in line["reason"] for line in service.logged(event))


def test_outputs_wait_for_the_right_to_write(secured_kafka: Secured, services: Services, tmp_path: Path) -> None:
    """Nothing is skipped and nothing becomes a dead letter: the offset stays until the verdicts are written."""
    guarded = make_guarded(secured_kafka, tmp_path, Mechanism.SCRAM_512)
    service = guarded.start(services)
    guarded.send(20)
    guarded.until_judged(service)
    # What is known of topics beside their records needs no right of its own.
    service.until(lambda: list(service.samples("stream_guard_dead_letters_oldest_seconds")))
    service.until(lambda: list(service.samples("stream_guard_backlog_records")))
    assert not service.logged("kafka.extents_unknown")
    before = guarded.flow.committed()
    withdraw(guarded, "verdicts")
    guarded.send(20)
    service.until(lambda: told(service, "kafka.not_written", "TOPIC_AUTHORIZATION_FAILED"))
    assert guarded.flow.committed() == before
    assert service.unready() is None
    allow(guarded, "verdicts")
    guarded.until_judged(service)
    assert [line["topic"] for line in service.logged("kafka.written_again")] == [guarded.flow.verdicts]
    assert told(service, "kafka.not_written", "grant WRITE")
    assert service.terminate() == 0


def test_a_dead_letter_that_is_forbidden_halts_until_it_is_allowed(
    secured_kafka: Secured, services: Services, tmp_path: Path
) -> None:
    """Without the right to write dead letters its partition waits, the others are judged, and no record is dropped."""
    guarded = make_guarded(secured_kafka, tmp_path, Mechanism.SCRAM_512)
    flow, service = guarded.flow, guarded.start(services)
    guarded.send(20)
    guarded.until_judged(service)
    withdraw(guarded, "dead_letters")
    before = flow.committed()
    flow.kafka.send(flow.source, [b"this is no JSON"], partition=0)
    service.until(lambda: service.logged("partition.halted"))
    (line,) = service.logged("partition.halted")
    assert (line["partition"], line["reason"]) == (0, "dead_letter_not_written")
    assert "grant WRITE" in line["detail"]
    flow.kafka.send(flow.source, [message(99).value], partition=1)
    service.until(lambda: flow.committed()[1] == before[1] + 1)
    assert flow.committed()[0] == before[0]
    allow(guarded, "dead_letters")
    service.until(flow.done, 45)
    assert [line["partition"] for line in service.logged("partition.goes_on")] == [0]
    assert sum(ends(flow.kafka, flow.dead_letters).values()) == 1
    assert service.terminate() == 0


@pytest.mark.parametrize(("right", "protocol"), [
    ("input", GroupProtocol.CLASSIC), ("input", GroupProtocol.CONSUMER), ("group", GroupProtocol.CLASSIC),
])  # fmt: skip
def test_reading_goes_on_once_it_is_allowed_again(
    secured_kafka: Secured, services: Services, tmp_path: Path, right: str, protocol: GroupProtocol
) -> None:
    """The process stays: a restart would load the model again, and could do no better than wait."""
    guarded = make_guarded(secured_kafka, tmp_path, Mechanism.SCRAM_512)
    service = guarded.start(services, group_protocol=str(protocol))
    guarded.send(20)
    guarded.until_judged(service)
    withdraw(guarded, right)
    service.until(lambda: told(service, "kafka.error", "AUTHORIZATION_FAILED"))
    assert told(service, "kafka.error", "grant READ")
    guarded.send(20)
    allow(guarded, right)
    guarded.until_judged(service)
    assert service.terminate() == 0


def test_a_member_of_the_new_protocol_that_may_not_use_its_group_ends(
    secured_kafka: Secured, services: Services, tmp_path: Path
) -> None:
    """Under KIP-848 the client takes the broker's refusal for final: the process ends with 3, says why, and is started anew."""
    guarded = make_guarded(secured_kafka, tmp_path, Mechanism.SCRAM_512)
    settings = {"group_protocol": "consumer"}
    service = guarded.start(services, **settings)
    guarded.send(20)
    guarded.until_judged(service)
    withdraw(guarded, "group")
    assert service.wait(30) == 3
    assert "Group authorization failed" in service.stderr[service.stderr.index("error:") :]
    guarded.send(20)
    allow(guarded, "group")
    guarded.until_judged(guarded.start(services, **settings))
