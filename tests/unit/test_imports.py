"""What the service imports before it knows that it needs it: a pod that starts, and every test that starts one, waits for that."""

from __future__ import annotations

import subprocess
import sys

HEAVY = (
    "confluent_kafka.schema_registry",
    "google.protobuf",
    "grpc",
    "stream_guard.engines.openai",
    "torch",
    "typer",
    "vllm",
)


def test_what_is_heavy_and_mostly_not_needed_is_imported_where_it_is_used() -> None:
    """A registry's client, exporters, another server's client, an engine, a terminal."""
    program = f"import sys, stream_guard.app; print(*(name for name in {HEAVY!r} if name in sys.modules))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=120, check=True)
    assert done.stdout.split() == []
