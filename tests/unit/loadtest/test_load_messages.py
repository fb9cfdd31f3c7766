"""The load run's messages."""

from __future__ import annotations

import statistics
from itertools import islice

from loadtest.messages import samples, texts
from stream_guard.events.decode import decode
from stream_guard.events.model import Message


def test_a_seed_gives_the_same_messages() -> None:
    """Both arms of a pair can be given the same records, and another seed gives others."""
    assert list(samples(1, 20)) == list(samples(1, 20))
    assert not set(islice(texts(1), 200)) & set(islice(texts(2), 200))


def test_messages_are_events_of_the_size_promised() -> None:
    """Every record decodes to a message; they have about 280 bytes and two headers."""
    made = list(samples(3, 200))
    assert all(isinstance(decode(sample.value, 1_000, 8), Message) for sample in made)
    assert 260 <= statistics.mean(len(sample.value) for sample in made) <= 320
    assert {len(sample.headers) for sample in made} == {2}
