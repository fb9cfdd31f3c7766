"""What somebody should know before they read any figure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from stream_guard.telemetry import names
from stream_guard.watching.addresses import short
from stream_guard.watching.series import Sight, greatest, summed
from stream_guard.watching.view import Halt, Policy, Running, Service, State, Trouble

_TOLD = 3
"""Halted partitions that are named one by one."""
_HALTED = "halted: "


def troubles(
    services: Sequence[Service],
    running: Running,
    policies: Sequence[Policy],
    halted: Sequence[Halt],
    sights: Sequence[Sight],
) -> tuple[Trouble, ...]:
    """What is wrong, the grave first."""
    found = [
        *(trouble for service in services for trouble in _of_service(service, alone=len(services) == 1)),
        *_of_halts(halted),
        *_of_gauges(sights),
        *_of_differences(running, policies),
    ]
    return tuple(sorted(found, key=lambda trouble: not trouble.grave))


def _of_service(service: Service, *, alone: bool) -> Iterator[Trouble]:
    name = "" if alone else f"{short(service.url)}: "
    if service.state is State.SILENT:
        yield Trouble(f"{short(service.url)} {service.why}", grave=True)
    if service.state is State.NOT_READY:
        yield Trouble(f"{name}not ready: {service.why}", grave=True)
    if service.engine_up is False and service.state is not State.NOT_READY:  # else it says what is waited for first
        yield Trouble(f"{name}the engine is unavailable: intake waits for it", grave=True)
    if note := _beyond_halts(service.note or ""):
        yield Trouble(f"{name}{note}", grave=False)


def _beyond_halts(note: str) -> str:
    """What a note says besides which partitions are halted: the metrics tell that."""
    return note if not note.startswith(_HALTED) else note.partition("; ")[2]


def _of_halts(halted: Sequence[Halt]) -> Iterator[Trouble]:
    for halt in halted[:_TOLD]:
        yield Trouble(f"{halt.topic}[{halt.partition}] is halted: {halt.reason.replace('_', ' ')}", grave=True)
    if len(halted) > _TOLD:
        yield Trouble(f"and {len(halted) - _TOLD} more partitions are halted", grave=True)


def _of_gauges(sights: Sequence[Sight]) -> Iterator[Trouble]:
    registries = [page.of(names.REGISTRY_UP.prometheus).get(()) for page, _ in sights]
    if 0 in registries:
        yield Trouble("records wait for the schema registry", grave=True)
    if greatest(sights, names.EDITION_REFUSED.prometheus) == 1:
        yield Trouble("the files hold an edition that is refused: the one before stays in force", grave=False)
    if suspects := summed(sights, names.SUSPECTS.prometheus):
        yield Trouble(
            f"{suspects:.0f} records are taken one at a time: they were in flight when processes ended", grave=False
        )


def _of_differences(running: Running, policies: Sequence[Policy]) -> Iterator[Trouble]:
    if len(running.editions) > 1:
        yield Trouble(
            f"services have different editions in force: {', '.join(e[:12] for e in running.editions)}", grave=False
        )
    for policy in policies:
        if len(policy.versions) > 1:
            yield Trouble(f"policy {policy.policy} is in force in {len(policy.versions)} versions", grave=False)
