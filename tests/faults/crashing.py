"""`stream-guard run` that kills itself at one exact point, which $CRASH_AT names: `python -m tests.faults.crashing run -c ...`.

The product knows nothing of this: its adapters are wrapped from outside.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Mapping, Sequence

from stream_guard.cli import main
from stream_guard.delivery.ports import Output, Report
from stream_guard.kafka.consumer.source import KafkaSource
from stream_guard.kafka.sink import KafkaSink
from stream_guard.records import Lease

CRASH_AT = "CRASH_AT"


def _die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def after_inference() -> None:
    """Verdicts are made, and nothing of them has been handed to the producer."""
    send = KafkaSink.send

    def sending(self: KafkaSink, outputs: Sequence[Output]) -> None:
        if any(output.topic.endswith(".verdicts") for output in outputs):
            _die()
        send(self, outputs)

    KafkaSink.send = sending  # type: ignore[method-assign]  # wrapped, that is the point


def after_acknowledgement() -> None:
    """Records are settled, and their offset is not yet made ready to be committed."""

    def storing(self: KafkaSource, offsets: Mapping[Lease, int]) -> None:
        _die()

    KafkaSource.store = storing  # type: ignore[method-assign]


def after_dead_letter() -> None:
    """A dead letter is acknowledged, and nobody has been told."""
    reports = KafkaSink.reports

    async def reporting(self: KafkaSink) -> Sequence[Report]:
        found = await reports(self)
        if any(report.error is None and report.output.topic.endswith(".letters") for report in found):
            _die()
        return found

    KafkaSink.reports = reporting  # type: ignore[method-assign]


POINTS: Mapping[str, Callable[[], None]] = {
    "after inference": after_inference,
    "after acknowledgement": after_acknowledgement,
    "after a dead letter": after_dead_letter,
}

if __name__ == "__main__":
    POINTS[os.environ[CRASH_AT]]()
    main()
