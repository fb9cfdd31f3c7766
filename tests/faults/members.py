"""The consumers of a run: processes that are killed and started again, as Kubernetes would, each watched for its memory.

All is done from the thread that made them: a process ends with the thread that started it.
"""

from __future__ import annotations

import signal
import time
from collections.abc import Callable
from pathlib import Path

from tests.service import Service, Services

_LOOK_S = 1.0
_END_S = 60.0


class Member:
    """One place in the group, and the process that fills it now."""

    def __init__(self, service: Service) -> None:
        """A process that was just started."""
        self.service = service
        self.asked = False
        """Whether it was asked to end."""
        self.leaves = False
        """Whether nobody is to take its place."""
        self.frozen = False

    @property
    def ready(self) -> bool:
        """Whether it holds partitions, as far as its log tells, and nothing has been done to it."""
        return (
            not self.asked
            and not self.frozen
            and self.service.running
            and bool(self.service.logged("partitions.assigned"))
        )


class Members:
    """So many services of one configuration."""

    def __init__(self, start: Callable[[], Service]) -> None:
        """Starts none yet; `start` does it."""
        self._start = start
        self._members: list[Member] = []
        self._looked_at = 0.0
        self.resident: list[tuple[float, int]] = []
        """Resident memory of the largest member, in bytes, and when that was."""
        self.exit_codes: list[int] = []
        """Of those that were asked to end."""
        self.fell: list[str] = []
        """What those that ended by themselves last said."""

    def scale(self, count: int) -> None:
        """Starts members, or asks the first ones to end."""
        staying = [member for member in self._members if not member.leaves]
        self._members += [Member(self._start()) for _ in range(count - len(staying))]
        for member in staying[: max(len(staying) - count, 0)]:
            member.leaves = True
            self.terminate(member)

    def until_ready(self) -> None:
        """Waits until each of them runs."""
        for member in self._members:
            member.service.until_ready()

    @property
    def starting(self) -> bool:
        """Whether any does not run yet: asked to end before that, it would end as any process does, and not in order."""
        return any(member.service.running and not member.service.logged("service.started") for member in self._members)

    def ready(self) -> list[Member]:
        """Those that are at work."""
        return [member for member in self._members if member.ready]

    def kill(self, member: Member) -> None:
        """SIGKILL; another process takes its place at once."""
        member.service.signal(signal.SIGKILL)
        member.service.wait()
        self._replace(member)

    def terminate(self, member: Member) -> None:
        """SIGTERM; another process takes its place once it has ended, unless it is to leave."""
        member.asked = True
        member.service.signal(signal.SIGTERM)

    def freeze(self, member: Member) -> Callable[[], None]:
        """SIGSTOP. Returns what lets it go on."""
        member.frozen = True
        member.service.signal(signal.SIGSTOP)

        def thaw() -> None:
            member.service.signal(signal.SIGCONT)
            member.frozen = False

        return thaw

    def tend(self) -> None:
        """Replaces whoever ended, and looks how much memory the others hold."""
        for member in tuple(self._members):
            if not member.service.running:
                self._bury(member)
        if time.monotonic() > self._looked_at + _LOOK_S:
            self._looked_at = time.monotonic()
            held = [resident(member.service.pid) for member in self._members]
            self.resident.append((self._looked_at, max(held, default=0)))

    def end(self) -> None:
        """Asks all to end, and waits for it. One that only just began is let begin: before, a signal ends any process."""
        for member in self._members:
            if not member.asked and member.service.running:
                member.service.until_ready()
                self.terminate(member)
        for member in self._members:
            if member.asked:
                self.exit_codes.append(member.service.wait(_END_S))
        self._members.clear()

    def _bury(self, member: Member) -> None:
        if member.asked:
            self.exit_codes.append(member.service.wait())
        else:
            self.fell.append(member.service.stderr.rstrip()[-600:])
        if member.leaves:
            self._members.remove(member)
        else:
            self._replace(member)

    def _replace(self, member: Member) -> None:
        self._members[self._members.index(member)] = Member(self._start())


def starter(services: Services, configuration: Path) -> Callable[[], Service]:
    """What starts a member."""
    return lambda: services.start(configuration)


def resident(pid: int) -> int:
    """Bytes of memory that a process holds (`VmRSS`); 0 where it is gone."""
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return 0
    return int(status.split("VmRSS:")[1].split()[0]) * 1024 if "VmRSS:" in status else 0
