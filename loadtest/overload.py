"""Ten times overload: what becomes of the memory while more comes than can be judged, for minutes.

    python -m loadtest.overload [--seconds 240] [--factor 10] [--plot FILE.png] [--json]

A real broker, the service as `stream-guard run` starts it with the scripted engine at a fixed pace, and a producer in this process
that sends `factor` times what that engine can judge. Twice a second: resident memory, what is in flight, what was judged. After the
warm-up (the first half: the client's prefetch must have been filled several times) a line is fitted through the memory; the table says how much it grew. Nothing is asserted.
"""

from __future__ import annotations

import argparse
import json
import random
import statistics
import string
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Self

from confluent_kafka import Producer
from matplotlib.figure import Figure
from msgspec import Struct
from msgspec import json as typed_json

from loadtest.broker import broker
from tests.service import Flow, Service, Services, make_flow

_DELAY_S = 0.05
_ASKS = 16
_PARTITIONS = 6
_LOOK_S = 0.5
_CHARS = (100, 1_500)
_MB = 1024 * 1024


class Sample(Struct, frozen=True):
    """One look at the service. `seconds` since the producer began, `resident` in bytes."""

    seconds: float
    resident: int
    sent: int
    judged: int
    records: int


class Flood:
    """A producer that keeps to a rate, in a thread."""

    def __init__(self, flow: Flow, per_s: float) -> None:
        self._flow, self._per_s = flow, per_s
        self.sent = 0
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        producer = Producer(
            {"bootstrap.servers": self._flow.kafka.bootstrap, "linger.ms": 20, "compression.type": "lz4"}
        )
        values, began = _values(), time.monotonic()
        while not self._stop.is_set():
            due = int((time.monotonic() - began) * self._per_s)
            while self.sent < due:
                try:
                    key = str(self.sent % 997).encode()
                    producer.produce(self._flow.source, values[self.sent % len(values)], key)
                except BufferError:
                    break
                self.sent += 1
            producer.poll(0.01)
        producer.purge()
        producer.flush(5)


def _values() -> list[bytes]:
    """Messages of very different sizes, the same ones over and over."""
    rng, values = random.Random(0), []
    for _ in range(500):
        text = "".join(rng.choices(string.ascii_lowercase + "    ", k=rng.randint(*_CHARS)))
        values.append(typed_json.encode({"kind": "message", "content": text}))
    return values


def _resident(pid: int) -> int:
    """Bytes of memory that the process and its libraries hold now (`VmRSS`)."""
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.split("VmRSS:")[1].split()[0]) * 1024


def _look(service: Service, flood: Flood, began: float) -> Sample:
    judged = service.count("stream_guard_records_total", outcome="judged")
    records = service.count("stream_guard_in_flight_records")
    return Sample(time.monotonic() - began, _resident(service.pid), flood.sent, int(judged), int(records))


def measure(seconds: float, factor: float) -> list[Sample]:
    """Floods the service for so long, with `factor` times what the engine can judge."""
    with broker() as kafka, tempfile.TemporaryDirectory(prefix="overload-") as folder, Services() as services:
        flow = make_flow(kafka, Path(folder), _PARTITIONS)
        engine = {"kind": "scripted", "delay": _DELAY_S, "violation_share": 0.1}
        service = services.start(flow.configuration(engine=engine, window={"asks": _ASKS}), "--attach")
        service.until_ready()
        samples, began = [], time.monotonic()
        with Flood(flow, factor * _ASKS / _DELAY_S) as flood:
            while time.monotonic() - began < seconds:
                samples.append(_look(service, flood, began))
                time.sleep(_LOOK_S)
        service.terminate()
        return samples


class Growth(Struct, frozen=True):
    """What the samples say. Memory in MB, after the warm-up; `slope` in MB a minute."""

    seconds: float
    offered_per_s: float
    judged_per_s: float
    overload: float
    most_in_flight: int
    warm: float
    lowest: float
    highest: float
    slope: float


def growth(samples: Sequence[Sample]) -> Growth:
    """The memory in the second half: where it stood, between what it moved, how it grew."""
    last = samples[-1]
    warm = [sample for sample in samples if sample.seconds >= last.seconds / 2]
    resident = [sample.resident / _MB for sample in warm]
    slope, _ = statistics.linear_regression([sample.seconds / 60 for sample in warm], resident)
    judged = (last.judged - samples[0].judged) / last.seconds
    offered = last.sent / last.seconds
    return Growth(
        seconds=last.seconds,
        offered_per_s=offered,
        judged_per_s=judged,
        overload=offered / judged,
        most_in_flight=max(sample.records for sample in samples),
        warm=resident[0],
        lowest=min(resident),
        highest=max(resident),
        slope=slope,
    )


def table(found: Growth) -> str:
    """The findings in Markdown."""
    rows = [
        ("time", f"{found.seconds:.0f} s"),
        ("offered", f"{found.offered_per_s:,.0f} records/s"),
        ("judged", f"{found.judged_per_s:,.0f} records/s"),
        ("overload", f"{found.overload:.1f} times"),
        ("in flight at most", f"{found.most_in_flight:,} records"),
        ("resident memory after the warm-up", f"{found.warm:.1f} MB"),
        ("then between", f"{found.lowest:.1f} and {found.highest:.1f} MB"),
        ("its slope", f"{found.slope:+.2f} MB a minute"),
    ]
    return "\n".join(["| | |", "|---|---|", *(f"| {name} | {value} |" for name, value in rows)])


def plot(samples: Sequence[Sample], path: Path) -> None:
    """Memory, and how far the judging is behind, over time."""
    figure = Figure(figsize=(9, 6), layout="constrained")
    above, below = figure.subplots(2, 1, sharex=True)
    seconds = [sample.seconds for sample in samples]
    above.plot(seconds, [sample.resident / _MB for sample in samples], color="tab:blue")
    above.axvspan(0, seconds[-1] / 2, color="0.93")
    above.set(
        ylabel="resident memory, MB",
        ylim=(0, 1.1 * max(sample.resident for sample in samples) / _MB),
        title="Overload: more comes than can be judged",
    )
    below.plot(seconds, [sample.sent for sample in samples], label="sent", color="tab:orange")
    below.plot(seconds, [sample.judged for sample in samples], label="judged", color="tab:green")
    below.set(xlabel="seconds", ylabel="records")
    below.legend()
    figure.savefig(path, dpi=110)


def main(arguments: Sequence[str] | None = None) -> None:
    """Measures, prints the table, draws the plot."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=240.0, metavar="S", help="how long (%(default)s)")
    parser.add_argument("--factor", type=float, default=10.0, metavar="X", help="times the engine's pace (%(default)s)")
    parser.add_argument("--plot", type=Path, metavar="FILE", help="draw memory and backlog into a PNG file")
    parser.add_argument("--json", action="store_true", help="print the samples as JSON")
    chosen = parser.parse_args(arguments)
    samples = measure(chosen.seconds, chosen.factor)
    if chosen.plot:
        plot(samples, chosen.plot)
    sys.stdout.write(
        (json.dumps(typed_json.decode(typed_json.encode(samples))) if chosen.json else table(growth(samples))) + "\n"
    )


if __name__ == "__main__":
    main()
