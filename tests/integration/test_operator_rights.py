"""An operator who may do what docs/kafka-security.md grants, on a broker that lets nobody do more."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.guarded import make_guarded
from tests.published import message
from tests.secured import Mechanism, Secured, topic
from tests.service import Services, ends

pytestmark = [pytest.mark.kafka, pytest.mark.slow, pytest.mark.timeout(300)]

_PAGE = (Path(__file__).parents[2] / "docs" / "kafka-security.md").read_text(encoding="utf-8")
_UNREADABLE = {"mapping": {"message": {"text": "$.nowhere"}}}


def _granted() -> list[tuple[str, str]]:
    """Operations and topics of the page, in its order."""
    return re.findall(r"User:guard-operator --operation (\w+) --topic ([\w.-]+)", _PAGE)


def test_an_operator_needs_the_rights_of_the_page_and_no_other(
    secured_kafka: Secured, tmp_path: Path, services: Services
) -> None:
    """They list, show and redrive by the first two, and purge by the last alone."""
    guarded = make_guarded(secured_kafka, tmp_path, Mechanism.SCRAM_512)
    flow, operator = guarded.flow, secured_kafka.user()
    redrive = secured_kafka.topic(1, name=f"{flow.group}.redrive")
    section = secured_kafka.section(guarded.user, Mechanism.SCRAM_512)
    service = services.start(flow.configuration(kafka=section, route={"read": _UNREADABLE}))
    guarded.feed.send(message(number) for number in range(3))
    service.until(flow.done, 40.0)

    path = flow.configuration(
        "operator", kafka=secured_kafka.section(operator, Mechanism.SCRAM_512), redrive={"topic": redrive}
    )
    named: Mapping[str, str] = {"guard.dead-letters": flow.dead_letters, "guard.redrive": redrive}
    *first, (purging, purged) = _granted()
    assert [operation for operation, _ in first] == ["Read", "Write"]
    assert dlq("ls", "-c", path)[0] == 3
    for operation, name in first:
        secured_kafka.allow(operator.name, operation.upper(), topic(named[name]))

    letters = _letters(dlq("ls", "-c", path, "--json"))
    assert len(letters) == 3
    assert dlq("show", "-c", path, letters[0]["id"])[0] == 0
    assert dlq("redrive", "-c", path, "--execute")[0] == 0
    assert sum(ends(secured_kafka, redrive).values()) == 3

    code, told = dlq("purge", "-c", path, "--all", "--execute")
    assert (code, "grant DELETE on the topic" in " ".join(told.split())) == (3, True), told
    secured_kafka.allow(operator.name, purging.upper(), topic(named[purged]))
    assert dlq("purge", "-c", path, "--all", "--execute")[0] == 0
    assert _letters(dlq("ls", "-c", path, "--json")) == []


def dlq(*arguments: str | Path) -> tuple[int, str]:
    """Runs a `stream-guard dlq` to its end. Returns its exit code, and what it wrote."""
    done = subprocess.run(
        [sys.executable, "-m", "stream_guard.cli", "dlq", *map(str, arguments)],
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=90, check=False, env={**os.environ, "COLUMNS": "200"},
    )  # fmt: skip
    return done.returncode, done.stdout


def _letters(result: tuple[int, str]) -> list[dict[str, Any]]:
    """The dead letters of `dlq ls --json`, without the summary at its end."""
    code, told = result
    assert code == 0, told
    return [row for line in told.splitlines() if line.startswith("{") and "id" in (row := json.loads(line))]
