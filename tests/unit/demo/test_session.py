"""What a watcher of the demo is told before records flow."""

from __future__ import annotations

import pytest

from stream_guard.demo.session import _stage


@pytest.mark.parametrize(
    ("reason", "told"),
    [
        ("waiting for the cluster", "attaching to Kafka"),
        ("waiting for the engine", "loading the model"),
        ("waiting for the engine: warming up 4 prefixes, 0 grammars, 4 reads of labels", "warming the model up"),
        ("waiting for something new", "starting the service"),
    ],
)
def test_each_wait_of_the_service_has_its_words(reason: str, told: str) -> None:
    """Also one that says more than its name."""
    assert _stage(reason) == told
