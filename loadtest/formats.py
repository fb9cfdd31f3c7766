"""What a record in Avro, Protobuf or JSON Schema costs until it is an event, beside the same event in JSON.

    python -m loadtest.formats

The formats take turns within every round, in lists of 100 records as the source hands them over; the median over rounds is
printed in microseconds a record, and the median of the rounds' ratios to JSON. The schemas come from a registry in this
process and are known after the first list.
"""

from __future__ import annotations

import argparse
import gc
import io
import json
import statistics
import sys
from collections.abc import Callable, Mapping, Sequence
from time import perf_counter
from typing import Any, TypeAlias

import orjson
from fastavro import parse_schema, schemaless_writer

from stream_guard.events.decode import decode
from stream_guard.events.reader import Format
from stream_guard.kafka.consumer.documents import Documents, Topic
from stream_guard.kafka.formats.registry import Schemas
from stream_guard.records import Lease, Record
from tests.framed import avro_schema, json_schema, proto_class, proto_file
from tests.stub_registry import StubRegistry

Read: TypeAlias = Callable[[], object]
_BATCH = 100
_MAX_BYTES = 1_048_576


def make_values(stub: StubRegistry, event: Mapping[str, str]) -> Mapping[Format, bytes]:
    """The event in every format."""
    avro, written = json.loads(avro_schema("author")), io.BytesIO()
    schemaless_writer(written, parse_schema(avro), event)
    message: Any = proto_class()(**event)
    frames = {
        Format.AVRO: (stub.add(avro), written.getvalue()),
        Format.PROTOBUF: (stub.add(proto_file(), "PROTOBUF"), b"\2\2" + message.SerializeToString()),
        Format.JSON_SCHEMA: (stub.add(json.loads(json_schema("author")), "JSON"), orjson.dumps(event)),
    }
    framed = {format_: b"\0" + number.to_bytes(4, "big") + body for format_, (number, body) in frames.items()}
    return {Format.JSON: orjson.dumps(event), **framed}


def readers(documents: Documents, values: Mapping[Format, bytes]) -> Mapping[Format, Read]:
    """What makes events of a list of records in each format."""

    def reader(format_: Format, value: bytes) -> Read:
        records = [Record(Lease(str(format_), 0, 1), offset, value) for offset in range(_BATCH)]

        def read() -> None:
            for record in documents.of(records) if format_ is not Format.JSON else records:
                document = record.document if isinstance(record.document, bytes) else record.value
                decode(document, _MAX_BYTES, 32)

        return read

    return {format_: reader(format_, value) for format_, value in values.items()}


def rounds(reads: Mapping[Format, Read], count: int, repeat: int) -> dict[Format, list[float]]:
    """Seconds a record for every format, a value a round; the order turns with each round."""
    contestants = list(reads.items())
    times: dict[Format, list[float]] = {format_: [] for format_ in reads}
    for number in range(count):
        turn = number % len(contestants)
        for format_, read in contestants[turn:] + contestants[:turn]:
            start = perf_counter()
            for _ in range(repeat):
                read()
            times[format_].append((perf_counter() - start) / (repeat * _BATCH))
    return times


def main(arguments: Sequence[str] | None = None) -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=25)
    parser.add_argument("--repeat", type=int, default=20)
    chosen = parser.parse_args(arguments)
    text = "Does anybody know whether the late train still stops at the old harbour? Wäre schön. " * 3
    event = {"kind": "message", "id": "m-1", "content": text, "author": "a-1"}
    with StubRegistry() as stub:
        values = make_values(stub, event)
        documents = Documents(Schemas(stub.options()), lambda topic: Topic(Format(topic), _MAX_BYTES))
        gc.disable()
        times = rounds(readers(documents, values), chosen.rounds, chosen.repeat)
        documents.close()
    sys.stdout.write("us a record, ratio to JSON\n")
    for format_, measured in times.items():
        ratio = statistics.median(a / b for a, b in zip(measured, times[Format.JSON], strict=True))
        line = f"  {format_:12} {len(values[format_]):4} B {statistics.median(measured) * 1e6:8.2f} {ratio:8.2f}\n"
        sys.stdout.write(line)


if __name__ == "__main__":
    main()
