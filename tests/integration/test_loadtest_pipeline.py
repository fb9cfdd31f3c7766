"""The load test of the pipeline: it runs, and what it compares is the same work."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.fixtures_kafka import Kafka

pytestmark = [pytest.mark.kafka, pytest.mark.slow]


def test_the_service_and_the_hand_written_loop_write_the_same(kafka: Kafka) -> None:
    """Else their ratio would say nothing."""
    done = subprocess.run(
        [sys.executable, "-m", "loadtest.pipeline", "--scripted", "--pairs", "1", "--records", "500"],
        capture_output=True, text=True, timeout=100, check=False, cwd=Path(__file__).parents[2],
        env=os.environ | {"STREAM_GUARD_TEST_BOOTSTRAP": kafka.bootstrap},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    assert "1000 outputs compared and equal" in done.stdout
