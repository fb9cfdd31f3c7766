"""What decoding an event costs: `decode()`, a mapping that finds the same fields by their paths (five of a message), and
msgspec's typed decoder, against orjson and pydantic with strict models.

    python -m loadtest.decoding

The decoders take turns within every round, so that whatever slows the machine down slows all of them down; the
median over rounds is printed in microseconds an event, and the median of the rounds' ratios to `decode()` and to bare
`orjson.loads`.
"""

from __future__ import annotations

import argparse
import gc
import statistics
import sys
from collections.abc import Callable, Mapping, Sequence
from time import perf_counter
from typing import Annotated, Literal, TypeAlias

import msgspec
import orjson
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

from stream_guard.events.decode import decode
from stream_guard.events.mapping.mapping import MappingReader
from stream_guard.events.mapping.paths import Path
from stream_guard.events.mapping.shapes import ChatShape, CompletionShape, Facts, Makes, MessageShape, Shape, Turns
from stream_guard.events.mapping.sources import FromPath
from stream_guard.events.model import Chat, Completion, Message
from stream_guard.records import Lease, Record

Decode: TypeAlias = Callable[[bytes], object]


class _Strict(BaseModel):
    model_config = ConfigDict(strict=True, frozen=True, extra="forbid")


class _Part(BaseModel):
    model_config = ConfigDict(strict=True, frozen=True, extra="ignore")
    type: str
    text: str | None = None


class _Turn(_Strict):
    role: Literal["system", "developer", "user", "assistant", "tool"]
    content: str | list[_Part]
    name: str | None = None


class _Common(_Strict):
    id: str | None = None
    author: str | None = None
    language: str | None = None
    created_at: str | None = None
    attributes: dict[str, str | int | float | bool | None] = {}


class _Message(_Common):
    kind: Literal["message"]
    content: str | list[_Part]


class _Chat(_Common):
    kind: Literal["chat"]
    turns: list[_Turn]


class _Completion(_Common):
    kind: Literal["completion"]
    prompt: list[_Turn]
    completion: str | list[_Part]
    model: str | None = None


BARE = "orjson, not validated"


def _at(path: str) -> FromPath:
    return FromPath(Path(path))


def shape(kind: str) -> Makes:
    """Where the fields of our own events are, as a mapping says it."""
    facts = Facts(
        id=_at("$.id"), author=_at("$.author"), language=_at("$.language"), attributes=(("room", _at("$.attributes.room")),)
    )  # fmt: skip
    turns = Turns(turns=Path("$.turns" if kind == "chat" else "$.prompt"), role=_at("$.role"), text=_at("$.content"))
    if kind == "chat":
        return ChatShape(turns=turns, facts=facts)
    if kind == "completion":
        return CompletionShape(completion=_at("$.completion"), prompt=turns, facts=facts)
    return MessageShape(text=_at("$.content"), facts=facts)


def mapped(kind: str) -> Decode:
    """Reads events of a kind by a mapping."""
    reader, record = MappingReader([Shape(shape(kind))]), Record(Lease("events", 0, 1), 0, b"")
    return lambda value: reader.read(value, record, max_bytes=1_048_576, max_depth=32)


def decoders(kind: str) -> Mapping[str, Decode]:
    """The contestants; all but the last yield validated values."""
    typed = msgspec.json.Decoder(Message | Chat | Completion)
    union = Annotated[_Message | _Chat | _Completion, Field(discriminator="kind")]
    pydantic: TypeAdapter[object] = TypeAdapter(union)
    return {
        "decode()": lambda value: decode(value, 1_048_576, 32),
        "mapping": mapped(kind),
        "msgspec typed": typed.decode,
        "orjson + pydantic strict": lambda value: pydantic.validate_python(orjson.loads(value)),
        "pydantic validate_json": pydantic.validate_json,
        BARE: orjson.loads,
    }


def samples() -> Mapping[str, list[bytes]]:
    """Encoded events, by what they are."""
    text = "Does anybody know whether the late train still stops at the old harbour? Wäre schön. "
    turns = [{"role": ("user", "assistant")[i % 2], "content": text} for i in range(12)]
    parts = [{"type": "text", "text": text}, {"type": "image", "url": "https://example.org/harbour.png"}]
    common = {"id": "m-1", "author": "a-1", "language": "en", "attributes": {"room": "trains", "age_days": 12}}
    return {
        "message": [orjson.dumps({"kind": "message", "content": text, **common})],
        "message of parts": [orjson.dumps({"kind": "message", "content": parts, **common})],
        "chat of 12 turns": [orjson.dumps({"kind": "chat", "turns": turns, **common})],
        "completion": [orjson.dumps({"kind": "completion", "prompt": turns[:3], "completion": text * 4, **common})],
    }


def seconds(decoder: Decode, values: Sequence[bytes], repeat: int) -> float:
    """Seconds an event that `decoder` takes."""
    start = perf_counter()
    for _ in range(repeat):
        for value in values:
            decoder(value)
    return (perf_counter() - start) / (repeat * len(values))


def rounds(kind: str, values: Sequence[bytes], count: int, repeat: int) -> dict[str, list[float]]:
    """Seconds an event for every decoder, a value a round; the order turns with each round."""
    contestants = list(decoders(kind).items())
    times: dict[str, list[float]] = {name: [] for name, _ in contestants}
    for number in range(count):
        turn = number % len(contestants)
        for name, decoder in contestants[turn:] + contestants[:turn]:
            times[name].append(seconds(decoder, values, repeat))
    return times


def main(arguments: Sequence[str] | None = None) -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=25)
    parser.add_argument("--repeat", type=int, default=2_000)
    chosen = parser.parse_args(arguments)
    gc.disable()
    for what, values in samples().items():
        sys.stdout.write(f"\n{what}, {len(values[0])} bytes: us an event, ratio to decode(), to orjson\n")
        times = rounds(what.split()[0], values, chosen.rounds, chosen.repeat)
        for name, measured in times.items():
            ours, bare = _ratio(measured, times["decode()"]), _ratio(measured, times[BARE])
            sys.stdout.write(f"  {name:26} {statistics.median(measured) * 1e6:8.2f} {ours:8.2f} {bare:8.2f}\n")


def _ratio(measured: Sequence[float], other: Sequence[float]) -> float:
    return statistics.median(a / b for a, b in zip(measured, other, strict=True))


if __name__ == "__main__":
    main()
