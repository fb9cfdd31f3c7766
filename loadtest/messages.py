"""Made-up messages: records of about 280 bytes, with two headers, that never repeat. The seed decides all of them."""

from __future__ import annotations

import random
from collections.abc import Iterator

import msgspec
from msgspec import Struct

from stream_guard.records import Headers

_WORDS = [
    "does",
    "anybody",
    "know",
    "whether",
    "the",
    "late",
    "train",
    "still",
    "stops",
    "at",
    "old",
    "harbour",
    "we",
    "meet",
    "near",
    "big",
    "clock",
    "on",
    "friday",
    "after",
    "work",
    "bring",
    "your",
    "own",
    "cup",
    "and",
    "some",
    "bread",
    "my",
    "sister",
    "sells",
    "her",
    "bike",
    "for",
    "eighty",
    "euros",
    "call",
    "me",
    "when",
    "you",
    "are",
    "there",
    "our",
    "shop",
    "moved",
    "to",
    "mill",
    "lane",
    "last",
    "month",
    "same",
    "opening",
    "hours",
    "as",
    "before",
    "please",
    "tell",
    "all",
    "friends",
    "who",
    "like",
    "good",
    "coffee",
    "and",
    "cake",
]
_CHARACTERS = 150


class Sample(Struct, frozen=True):
    """One record to send."""

    key: bytes
    value: bytes
    headers: Headers


def texts(seed: int) -> Iterator[str]:
    """Messages of about 150 characters, without end."""
    rng = random.Random(seed)
    while True:
        words: list[str] = []
        while sum(map(len, words)) + len(words) < _CHARACTERS:
            words.append(rng.choice(_WORDS))
        yield f"{' '.join(words).capitalize()} ({rng.randrange(10**6)})."


def samples(seed: int, count: int) -> Iterator[Sample]:
    """Records of messages in the canonical event format."""
    rng = random.Random(seed)
    for number, text in zip(range(count), texts(seed), strict=False):
        author = f"a-{rng.randrange(5_000):04}"
        event = {
            "kind": "message", "id": f"m-{seed}-{number:07}", "author": author, "language": "en",
            "attributes": {"room": "harbour", "age_days": rng.randrange(900)}, "content": text,
        }  # fmt: skip
        trace = f"00-{rng.getrandbits(128):032x}-{rng.getrandbits(64):016x}-00"
        headers = (("traceparent", trace.encode()), ("producer", b"loadtest"))
        yield Sample(author.encode(), msgspec.json.encode(event), headers)
