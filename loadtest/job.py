"""What one arm is told, and what it tells: values that pass between the processes as JSON."""

from __future__ import annotations

import time

from msgspec import Struct

POLICY = "spam"
NAMESPACE = "loadtest"
ROUTE = "messages"


class Job(Struct, frozen=True):
    """Reads `records` records of a topic, from its beginning, as a group of its own."""

    bootstrap: str
    topic: str
    group: str
    verdicts: str
    rulings: str
    dead_letters: str
    records: int


class Reading(Struct, frozen=True):
    """The clocks of this process and of the thread that reads them, in seconds."""

    wall_s: float
    process_s: float
    """CPU of all threads, librdkafka's among them."""
    thread_s: float

    @classmethod
    def now(cls) -> Reading:
        """Reads them."""
        return cls(time.perf_counter(), time.process_time(), time.thread_time())


class Cost(Struct, frozen=True):
    """What some records took, in seconds: of the clock, of the process's CPU, of the CPU of the thread that decides."""

    records: int
    wall_s: float
    cpu_s: float
    thread_s: float

    @classmethod
    def since(cls, start: Reading, records: int) -> Cost:
        """What they took from `start` until now; on the thread that took `start`."""
        end = Reading.now()
        return cls(records, end.wall_s - start.wall_s, end.process_s - start.process_s, end.thread_s - start.thread_s)

    @property
    def rate(self) -> float:
        """Records a second."""
        return self.records / self.wall_s

    @property
    def cpu_us(self) -> float:
        """CPU of the process for one record, in microseconds."""
        return self.cpu_s / self.records * 1e6

    @property
    def busy(self) -> float:
        """Which part of the time that thread ran."""
        return self.thread_s / self.wall_s
