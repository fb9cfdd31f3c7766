"""`stream-guard dlq` as a process: what an operator sees of dead letters, and what goes away."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from tests.fixtures_kafka import Kafka
from tests.published import Fate, Feed, Plan, message, read_published
from tests.service import MARKER, START_S, Flow, Services, ends, make_flow

pytestmark = [pytest.mark.kafka, pytest.mark.slow, pytest.mark.timeout(240)]

_LONG = Plan(Fate.ABSTAINED, json.dumps({"kind": "message", "content": f"{MARKER} " * 50}).encode(), "too_long")
_BROKEN = [
    Plan(Fate.DEAD_LETTERED, b"", "empty"),
    Plan(
        Fate.DEAD_LETTERED, b'{"kind": ' + MARKER.encode(), "not_json", headers=(("tenant", b"acme"), ("tenant", None))
    ),
    Plan(Fate.DEAD_LETTERED, b"\xff\x1b[2J", "not_utf8", key=None),
]


class Left(NamedTuple):
    """A flow whose records have ended, and its configuration."""

    flow: Flow
    path: Path
    feed: Feed


@pytest.fixture(scope="module")
def left(kafka: Kafka, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Left]:
    """For tests that take nothing away."""
    with Services() as services:
        yield leave(make_flow(kafka, tmp_path_factory.mktemp("left"), partitions=2), services)


def leave(flow: Flow, services: Services) -> Left:
    """Twelve dead letters of four reasons, beside records that were judged."""
    redrive = flow.kafka.topic(name=f"{flow.group}.redrive")
    path, feed = flow.configuration(route={"limits": {"content_chars": 500}}, redrive={"topic": redrive}), Feed(flow)
    service = services.start(path)
    feed.send([*(_BROKEN * 3), *([_LONG] * 3), *(message(number) for number in range(5))])
    service.until(lambda: flow.done() and sum(ends(flow.kafka, flow.dead_letters).values()) == 12, START_S)
    assert service.terminate() == 0
    return Left(flow, path, feed)


def dlq(*arguments: str | Path, columns: int = 80) -> tuple[int, str, str]:
    """Runs one. Returns its exit code, stdout and stderr."""
    done = subprocess.run(
        [sys.executable, "-m", "stream_guard.cli", "dlq", *map(str, arguments)],
        capture_output=True, text=True, timeout=60, check=False, env={**os.environ, "COLUMNS": str(columns)},
    )  # fmt: skip
    return done.returncode, done.stdout, done.stderr


def listed(path: Path, *flags: str) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """The dead letters of a listing, and its summary."""
    code, out, err = dlq("ls", "-c", path, "--json", *flags)
    assert (code, err) == (0, "")
    *letters, last = [json.loads(line) for line in out.splitlines()]
    return letters, last["summary"]


def test_dead_letters_are_listed_filtered_and_summed_up(left: Left) -> None:
    """By reason, scope, policy, topic and time; no content, on any width."""
    letters, summary = listed(left.path)
    assert {each["reason"] for each in letters} == {"empty", "not_json", "not_utf8", "too_long"}
    assert [(each["reason"], each["letters"]) for each in summary["reasons"]] == [
        ("empty", 3), ("not_json", 3), ("not_utf8", 3), ("too_long", 3),
    ]  # fmt: skip
    places = {(each["origin"]["partition"], each["origin"]["offset"]) for each in letters}
    assert places == {tuple(at) for at, plan in left.feed.sent.items() if plan.fate is not Fate.JUDGED}
    for flags, count in (
        (("--reason", "empty", "--reason", "not_json"), 6), (("--policy", "adverts"), 3), (("--topic", left.flow.source), 12),
        (("--topic", "nobody.made.this"), 0), (("--since", "1h"), 12), (("--until", "1h"), 0), (("--route", "chat"), 12),
        (("--until", "2020-01-01T00:00:00Z"), 0),
    ):  # fmt: skip
        found, told = listed(left.path, *flags)
        assert (len(found), told["dead_letters"], told["not_asked_for"]) == (count, count, 12 - count), flags
    assert [len(listed(left.path, "--last", "5")[0]), listed(left.path, "--last", "0")[1]["dead_letters"]] == [5, 12]
    for columns in (80, 120):
        code, out, err = dlq("ls", "-c", left.path, columns=columns)
        assert (code, err) == (0, "")
        assert all(len(line) <= columns for line in out.splitlines())
        assert "case adverts" in out
        assert f"12 dead letters in {left.flow.dead_letters}" in out
        assert MARKER not in out


def test_one_dead_letter_is_shown_and_masked(left: Left) -> None:
    """By its id, by how that begins, or by where its record stood; its record only where it is revealed."""
    letters, _ = listed(left.path, "--reason", "not_json")
    letter = letters[0]
    at = "{topic}:{partition}:{offset}".format(**letter["origin"])
    for name in (letter["id"], letter["id"][:8], at):
        code, out, err = dlq("show", name, "-c", left.path)
        assert (code, err) == (0, "")
        assert letter["id"] in out
        assert "not_json" in out
        assert MARKER not in out
        assert "acme" not in out
        assert "tenant" not in out
    _, revealed, _ = dlq("show", at, "-c", left.path, "--reveal")
    assert MARKER in revealed
    assert "tenant = acme" in revealed
    assert "tenant = null" in revealed
    shown = json.loads(dlq("show", at, "-c", left.path, "--json")[1])
    assert "record" not in shown
    assert (shown["reason"], shown["origin"]["offset"]) == ("not_json", letter["origin"]["offset"])
    assert json.loads(dlq("show", at, "-c", left.path, "--json", "--reveal")[1])["record"]["headers"] == [
        ["tenant", "YWNtZQ=="], ["tenant", None],
    ]  # fmt: skip


def test_content_can_not_move_the_cursor(left: Left) -> None:
    """What is not text is shown in hex."""
    letters, _ = listed(left.path, "--reason", "not_utf8")
    _, out, _ = dlq("show", letters[0]["id"], "-c", left.path, "--reveal")
    assert "in hex: ff1b5b324a" in out
    assert "\x1b" not in out


def test_what_can_not_be_done_is_said(left: Left) -> None:
    """Each with its exit code, and nothing on stdout."""
    unset = left.flow.configuration("unset")
    absent = left.flow.configuration("absent", redrive={"topic": "nobody.made.this"})
    path = left.path
    for arguments, code, said in (
        (("show", "0" * 32, "-c", path), 3, "no dead letter in"),
        (("redrive", "-c", unset), 2, "there is no redrive topic"),
        (("redrive", "-c", absent, "--execute"), 3, "the redrive topic nobody.made.this does not exist"),
        (("ls", "-c", path, "--route", "nowhere"), 2, "no route is called nowhere; there are chat"),
        (("ls", "-c", path, "--since", "yesterday"), 2, "must be a time with its offset"),
        (("purge", "-c", path), 2, "give either --before or --all"),
    ):  # fmt: skip
        found, out, err = dlq(*arguments, columns=200)
        assert found == code, err
        assert said in err
        assert MARKER not in out + err


def test_a_redrive_is_first_a_plan(left: Left) -> None:
    """What would go, by reason; then it goes, and says so."""
    code, out, err = dlq("redrive", "-c", left.path, "--reason", "too_long", "--rate", "2")
    assert (code, err) == (0, "")
    assert "With --execute, 3 dead letters would be redriven, at 2 a second: 1.5 s." in out.replace("\n", " ")
    assert sum(ends(left.flow.kafka, f"{left.flow.group}.redrive").values()) == 0
    code, out, err = dlq("redrive", "-c", left.path, "--reason", "too_long", "--execute")
    assert (code, err) == (0, "")
    assert "3  redriven" in out
    assert sum(ends(left.flow.kafka, f"{left.flow.group}.redrive").values()) == 3


def test_a_purge_is_first_a_plan_and_then_for_good(flow: Flow, services: Services) -> None:
    """Of what was written before, or of all; a compacted topic is refused."""
    left = leave(flow, services)
    code, out, _ = dlq("purge", "-c", left.path, "--all")
    assert code == 0
    assert "Nothing was deleted. With --execute, up to 12 records would be." in out
    assert len(read_published(left.flow).letters) == 12
    assert json.loads(dlq("purge", "-c", left.path, "--before", "1h", "--execute", "--json")[1])["records"] == 0
    code, out, _ = dlq("purge", "-c", left.path, "--all", "--execute")
    assert (code, "Deleted: up to 12 records." in out) == (0, True)
    assert listed(left.path) == ([], listed(left.path)[1])
    compacted = left.flow.kafka.topic(cleanup_policy="compact")
    outputs = {"verdicts": left.flow.verdicts, "rulings": left.flow.rulings, "dead_letters": compacted}
    code, out, err = dlq(
        "purge", "-c", left.flow.configuration("compacted", route={"outputs": outputs}), "--all", "--execute"
    )
    assert (code, out) == (3, "")
    assert "compacted" in err
