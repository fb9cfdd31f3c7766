"""What decoding an event costs: `decode()` and msgspec's typed decoder, against orjson and pydantic with strict models.

    python -m loadtest.decoding

The decoders take turns within every round, so that whatever slows the machine down slows all of them down; the
median over rounds is printed in microseconds an event, and the median of the rounds' ratios to `decode()`.
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
from stream_guard.events.model import Chat, Completion, Message

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


def decoders() -> Mapping[str, Decode]:
    """The contestants; all but the last yield validated values."""
    typed = msgspec.json.Decoder(Message | Chat | Completion)
    union = Annotated[_Message | _Chat | _Completion, Field(discriminator="kind")]
    pydantic: TypeAdapter[object] = TypeAdapter(union)
    return {
        "decode()": lambda value: decode(value, 1_048_576, 32),
        "msgspec typed": typed.decode,
        "orjson + pydantic strict": lambda value: pydantic.validate_python(orjson.loads(value)),
        "pydantic validate_json": pydantic.validate_json,
        "orjson, not validated": orjson.loads,
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


def rounds(values: Sequence[bytes], count: int, repeat: int) -> dict[str, list[float]]:
    """Seconds an event for every decoder, a value a round; the order turns with each round."""
    contestants = list(decoders().items())
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
        sys.stdout.write(f"\n{what}, {len(values[0])} bytes: us an event, ratio to decode()\n")
        times = rounds(values, chosen.rounds, chosen.repeat)
        for name, measured in times.items():
            ratio = statistics.median(a / b for a, b in zip(measured, times["decode()"], strict=True))
            sys.stdout.write(f"  {name:26} {statistics.median(measured) * 1e6:8.2f} {ratio:8.2f}\n")


if __name__ == "__main__":
    main()
