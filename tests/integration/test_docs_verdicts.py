"""The subscriber of docs/verdicts.md, run as it stands there."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest

from stream_guard.verdicts.fold import fold_each
from tests.fixtures_kafka import Kafka
from tests.published import Feed, message, read_published
from tests.service import Services, make_flow

PAGE = Path(__file__).parents[2] / "docs" / "verdicts.md"
_EVENTS = 30

pytestmark = pytest.mark.kafka


def subscriber() -> str:
    """The only Python on the page."""
    (code,) = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    return str(code)


def test_the_subscriber_has_about_thirty_lines() -> None:
    """Blank lines and imports left out."""
    lines = [line for line in subscriber().splitlines() if line.strip() and "import" not in line]
    assert len(lines) <= 30


@pytest.fixture
def script(tmp_path: Path) -> Path:
    """The subscriber in a file, as the page says."""
    path = tmp_path / "subscriber.py"
    path.write_text(subscriber(), encoding="utf-8")
    return path


def test_the_subscriber_reaches_the_decision_and_the_lead_that_fold_reaches(
    kafka: Kafka, tmp_path: Path, services: Services, script: Path
) -> None:
    """One line an event, the last of which stands."""
    flow = make_flow(kafka, tmp_path, partitions=2)
    Feed(flow).send(message(number) for number in range(_EVENTS))
    service = services.start(flow.configuration())
    service.until(flow.done)
    service.terminate()
    expected = {
        str(key.subject): [str(folded.decision), str(folded.lead)]
        for key, folded in fold_each(r for rulings in read_published(flow).rulings.values() for r in rulings).items()
    }
    assert len(expected) == _EVENTS
    out = tmp_path / "out"
    with out.open("wb") as file:
        command = [sys.executable, str(script), kafka.bootstrap, flow.rulings]
        process = subprocess.Popen(command, stdout=file, stderr=file, env=dict(os.environ))
    try:
        deadline = time.monotonic() + 30
        while len(out.read_text().splitlines()) < _EVENTS and time.monotonic() < deadline:
            time.sleep(0.1)
    finally:
        process.kill()
        process.wait()
    decided = {words[0]: words[1:3] for words in map(str.split, out.read_text().splitlines())}
    assert decided == expected
