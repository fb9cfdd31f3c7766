"""`stream-guard check` and `explain` as processes, against the real broker and what the service left there."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.published import Feed, message
from tests.service import START_S, Flow, Services

pytestmark = [pytest.mark.kafka, pytest.mark.slow, pytest.mark.timeout(180)]


def command(*arguments: str | Path, columns: int = 100, env: dict[str, str] | None = None) -> tuple[int, str, str]:
    """Runs one. Returns its exit code, stdout and stderr."""
    done = subprocess.run(
        [sys.executable, "-m", "stream_guard.cli", *map(str, arguments)],
        capture_output=True, text=True, timeout=60, check=False, env={**os.environ, "COLUMNS": str(columns), **(env or {})},
    )  # fmt: skip
    return done.returncode, done.stdout, done.stderr


def findings(path: Path, *flags: str) -> tuple[int, dict[str, list[dict[str, Any]]]]:
    """The exit code of a live check, and its findings by subject."""
    code, out, err = command("check", "-c", path, "--live", "--json", *flags)
    assert err == ""
    return code, {section["subject"]: section["findings"] for section in json.loads(out)["sections"]}


def test_before_the_first_start_and_after_it(services: Services, flow: Flow) -> None:
    """First what would be judged, and from where; then where the group stands. Asking changes neither."""
    path, feed = flow.configuration(), Feed(flow)
    feed.send(message(number) for number in range(40))
    code, before = findings(path, "--rate", "10", "--replicas", "2")
    assert code == 0, before
    (waiting, work) = before["backlog"]
    assert waiting["message"].startswith(
        f"{flow.source}: 40 records wait from the beginning, as the group has no offsets"
    )
    assert work["message"].startswith("up to 40 cases at 10 a second:")
    assert flow.committed() == {}
    service = services.start(path)
    service.until(flow.done, START_S)
    _, during = findings(path)
    assert f"group {flow.group} is at work: 1 member (classic)" in [each["message"] for each in during["backlog"]]
    assert service.terminate() == 0
    assert [each["message"] for each in findings(path)[1]["backlog"]] == [
        f"{flow.source}: nothing waits, from the group's offsets"
    ]


def test_what_run_refuses_is_an_error_of_the_check(services: Services, flow: Flow) -> None:
    """The same words, exit code 3, and what to do; a person gets it on a terminal's width."""
    small = flow.kafka.topic(max_message_bytes="150000")
    outputs = {"verdicts": "nobody.made.this", "rulings": flow.rulings, "dead_letters": small}
    path = flow.configuration(route={"outputs": outputs}, kafka={"producer": {"batch.size": 100000}})
    code, out, err = command("check", "-c", path, "--live", columns=80)
    assert (code, err) == (3, "")
    assert max(map(len, out.splitlines())) <= 80
    text = " ".join(out.split())
    assert "✗ output topic nobody.made.this does not exist" in text
    assert f"dead-letter topic '{small}' takes 150000 bytes" in text
    assert services.refused(path)[0] == 3


def test_what_explain_prints_runs_as_the_original_does(flow: Flow, tmp_path: Path) -> None:
    """It checks as well, live, under the same group; and a secret in it is masked."""
    path = flow.configuration(engine={"kind": "openai", "base_url": "http://127.0.0.1:9/v1", "model": "m", "api": "chat",
                                      "api_key": "${KEY}"})  # fmt: skip
    code, out, _ = command("explain", "-c", path, env={"KEY": "marker-zanzibar"})
    assert (code, "marker" in out, "api_key: '**********'" in out) == (0, False, True)
    resolved = tmp_path / "resolved.yaml"
    resolved.write_text(out, encoding="utf-8")
    code, found = findings(resolved)
    assert code == 3
    assert [each["severity"] for each in found["engine"]] == ["error"]
    assert {each["severity"] for subject in ("cluster", "permissions", "backlog") for each in found[subject]} == {"ok"}
