"""The fixtures `services` and `flow`: the service as processes, and the topics of one test."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fixtures_kafka import Kafka
from tests.service import Flow, Services, make_flow


@pytest.fixture
def services() -> Iterator[Services]:
    """Starts services, and ends them whatever becomes of the test."""
    with Services() as started:
        yield started


@pytest.fixture
def flow(kafka: Kafka, tmp_path: Path) -> Flow:
    """Topics of the test's own, the source with two partitions."""
    return make_flow(kafka, tmp_path, partitions=2)
