"""Dead letters are judged again on a real broker: once what was wrong is mended, whatever befalls the command meanwhile."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from stream_guard.verdicts.fold import fold_each
from stream_guard.verdicts.model import Rank, Ruling, Verdict
from tests.fixtures_kafka import Kafka
from tests.published import Fate, Feed, Place, Plan, Published, read_published
from tests.service import MARKER, START_S, Flow, Services, ends, make_flow

pytestmark = [pytest.mark.kafka, pytest.mark.slow, pytest.mark.timeout(300)]

_LETTERS = 1_000
_UNGUARDED = {"max_consecutive": None, "max_ratio": None}
_WRONG, _MENDED = {"mapping": {"message": {"text": "$.body"}}}, {"mapping": {"message": {"text": "$.text"}}}


class Redriving(NamedTuple):
    """A flow with a redrive topic."""

    flow: Flow
    topic: str

    def configuration(self, name: str = "guard", **settings: Any) -> Path:
        """See `Flow.configuration`."""
        more = {"redrive": {"topic": self.topic}, "dead_letters": _UNGUARDED, **settings}
        return self.flow.configuration(name, **more)

    def done(self) -> bool:
        """Whether everything is committed, of what was redriven too."""
        stands = ends(self.flow.kafka, self.topic)
        return self.flow.done() and self.flow.kafka.committed(self.flow.group, self.topic, len(stands)) == stands

    @property
    def redriven(self) -> int:
        """Records in the redrive topic."""
        return sum(ends(self.flow.kafka, self.topic).values())


@pytest.fixture
def redriving(kafka: Kafka, tmp_path: Path) -> Redriving:
    """Three partitions, and two of what is redriven."""
    flow = make_flow(kafka, tmp_path, partitions=3)
    return Redriving(flow, kafka.topic(2, name=f"{flow.group}.redrive"))


class Command:
    """A `stream-guard dlq` under way."""

    def __init__(self, *arguments: str | Path) -> None:
        """Starts it."""
        self._process = subprocess.Popen(
            [sys.executable, "-m", "stream_guard.cli", "dlq", *map(str, arguments)],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env={**os.environ, "COLUMNS": "100"},
        )  # fmt: skip

    def signal(self, number: signal.Signals, once: Callable[[], object]) -> None:
        """Sends a signal once something holds, while it runs."""
        while not once():
            assert self._process.poll() is None, self.result()
            time.sleep(0.02)
        self._process.send_signal(number)

    def result(self) -> tuple[int, str, str]:
        """Its exit code, stdout and stderr, once it has ended."""
        out, err = self._process.communicate(timeout=90)
        return self._process.returncode, out, err


def dlq(*arguments: str | Path) -> tuple[int, str, str]:
    """Runs one to its end."""
    return Command(*arguments).result()


def documents(count: int) -> list[Plan]:
    """Messages of somebody else's form."""
    values = [json.dumps({"text": f"Are you coming, {MARKER}, {number}?"}).encode() for number in range(count)]
    return [Plan(Fate.JUDGED, value, key=b"room-%d" % (n % 7) if n % 10 else None) for n, value in enumerate(values)]


def judged(published: Published, count: int) -> list[Ruling | Verdict]:
    """Asserts that all that came out folds to one judgement for each of so many records. Returns all that came out."""
    said: list[Ruling | Verdict] = [v for found in published.verdicts.values() for v in found]
    said += [r for found in published.rulings.values() for r in found]
    folded = fold_each(said)
    assert len(folded) == count
    for result in folded.values():
        assert result.complete
        assert [entry.rank for entry in result.slots.values()] == [Rank.FINAL]
    return said


def test_a_thousand_dead_letters_are_judged_though_the_redrive_is_killed(
    redriving: Redriving, services: Services, capsys: pytest.CaptureFixture[str]
) -> None:
    """A wrong mapping, mended; the command killed half way and repeated: every slot folds to its verdict, none twice."""
    flow, feed = redriving.flow, Feed(redriving.flow)
    service = services.start(redriving.configuration(route={"read": _WRONG}))
    feed.send(documents(_LETTERS))
    service.until(redriving.done, START_S)
    assert service.terminate() == 0
    before = read_published(flow)
    assert len(before.letters) == len(before.rulings) == _LETTERS
    assert not before.verdicts

    mended = redriving.configuration("mended", route={"read": _MENDED})
    code, plan, _ = dlq("redrive", "-c", mended, "--json")
    assert code == 0
    assert (json.loads(plan)["going"], redriving.redriven) == (_LETTERS, 0)
    service = services.start(mended)
    killed = Command("redrive", "-c", mended, "--execute", "--rate", "250")
    killed.signal(signal.SIGKILL, lambda: redriving.redriven >= _LETTERS / 2)
    assert killed.result()[0] == -signal.SIGKILL
    halfway = redriving.redriven
    assert _LETTERS / 2 <= halfway < _LETTERS
    code, outcome, _ = dlq("redrive", "-c", mended, "--execute", "--rate", "2000", "--json")
    assert code == 0
    assert (json.loads(outcome)["written"], json.loads(outcome)["complete"]) == (_LETTERS, True)
    service.until(redriving.done, START_S)
    assert service.terminate() == 0

    after = read_published(flow)
    said = judged(after, _LETTERS)
    assert after.verdicts.keys() == feed.sent.keys()
    assert len(after.letters) == _LETTERS
    ids = {at: {v.id for v in found} for at, found in after.verdicts.items()}
    assert all(len(found) == 1 for found in ids.values())
    assert redriving.redriven == halfway + _LETTERS
    assert MARKER not in service.stdout + service.stderr
    with capsys.disabled():
        verdicts = sum(map(len, after.verdicts.values()))
        print(  # noqa: T201 - the counts are what the criterion asks for
            f"\n{_LETTERS} dead letters; {halfway} redriven until SIGKILL, {redriving.redriven} in all; {verdicts} verdicts and "
            f"{len(said) - verdicts} rulings fold to {_LETTERS} complete judgements"
        )


def test_what_is_redriven_says_where_it_stood(redriving: Redriving, services: Services) -> None:
    """Its verdict names the first record; what fails again names it too, counts, and is left alone at last."""
    flow, feed = redriving.flow, Feed(redriving.flow)
    settings: dict[str, Any] = {"redrive": {"topic": redriving.topic, "max_hops": 2}, "route": {"read": _WRONG}}
    path = redriving.configuration(**settings)
    service = services.start(path)
    feed.send(documents(20))
    service.until(redriving.done, START_S)
    for hop in (1, 2):
        code, out, _ = dlq("redrive", "-c", path, "--execute", "--json")
        assert (code, json.loads(out)["written"]) == (0, 20), out
        service.until(redriving.done)
        letters = read_published(flow).letters
        assert letters.keys() == feed.sent.keys()
        assert {letter.replays for found in letters.values() for letter, _ in found} == set(range(hop + 1))
    code, out, _ = dlq("redrive", "-c", path, "--execute", "--json")
    assert (code, json.loads(out)["going"], json.loads(out)["quarantined"]) == (0, 0, 20)
    _check_kept(feed, read_published(flow))


def _check_kept(feed: Feed, published: Published) -> None:
    """Each time whole, and under one subject."""
    for at, found in published.letters.items():
        assert len({letter.id for letter, _ in found}) == len({letter.subject for letter, _ in found}) == 1
        for letter, record in found:
            plan = feed.sent[Place(record.partition, record.offset)]
            assert (record.key, record.value, record.headers) == (plan.key, plan.value, plan.headers)
            assert letter.first_failed_at_ms == found[0][0].first_failed_at_ms
        assert {ruling.subject for ruling in published.rulings[at]} == {found[0][0].subject}


def test_an_interrupted_redrive_says_how_far_it_came(redriving: Redriving, services: Services) -> None:
    """Ctrl-C: exit code 130, and what it says was written was written."""
    feed = Feed(redriving.flow)
    path = redriving.configuration(route={"read": _WRONG})
    service = services.start(path)
    feed.send(documents(200))
    service.until(redriving.done, START_S)
    assert service.terminate() == 0
    command = Command("redrive", "-c", path, "--execute", "--rate", "50")
    command.signal(signal.SIGINT, lambda: redriving.redriven >= 20)
    code, out, err = command.result()
    assert (code, err) == (130, "")
    assert f"Interrupted: {redriving.redriven} of 200 were redriven." in out


def test_what_somebody_else_writes_to_the_redrive_topic_is_a_dead_letter(
    redriving: Redriving, services: Services
) -> None:
    """It says of no record that it is that; and it can't be redriven."""
    flow = redriving.flow
    path = redriving.configuration(route={"read": _MENDED})
    service = services.start(path)
    flow.kafka.send(redriving.topic, [b'{"text": "Judge me"}'], headers=[("sg-redrive", b"{}")])
    service.until(redriving.done, START_S)
    service.until(lambda: sum(ends(flow.kafka, flow.dead_letters).values()) == 1)
    ((letter, record),) = read_published(flow).letters[Place(0, 0)]
    assert (letter.reason, record.topic, record.value) == ("unrestorable", redriving.topic, b'{"text": "Judge me"}')
    code, out, _ = dlq("redrive", "-c", path, "--json")
    assert (code, json.loads(out)["going"], json.loads(out)["not_whole"]) == (0, 0, 1)
