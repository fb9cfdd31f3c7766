"""The load test of the pipeline: it runs, and what it compares is the same work."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest

from tests.fixtures_kafka import Kafka

pytestmark = [pytest.mark.kafka, pytest.mark.slow, pytest.mark.timeout(400)]


def test_the_service_and_the_hand_written_loop_write_the_same(kafka: Kafka) -> None:
    """Else their ratio would say nothing."""
    with subprocess.Popen(
        [sys.executable, "-m", "loadtest.pipeline", "--scripted", "--pairs", "1", "--records", "500"],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=Path(__file__).parents[2], start_new_session=True,
        env=os.environ | {"STREAM_GUARD_TEST_BOOTSTRAP": kafka.bootstrap},
    ) as process:  # fmt: skip
        try:
            told, errors = process.communicate(timeout=300)
        finally:
            with suppress(ProcessLookupError):  # its arms are processes of their own
                os.killpg(process.pid, signal.SIGKILL)
    assert process.returncode == 0, errors[-3000:]
    assert "1000 outputs compared and equal" in told
