"""`stream-guard try`: what a person sees of a trial, and how wrong command lines end."""

from __future__ import annotations

import io
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from stream_guard.cli import cli
from stream_guard.cli.streams import Streams
from stream_guard.cli.try_screen import JsonScreen, TableScreen
from stream_guard.cli.try_summary import summary_lines
from stream_guard.identity import PolicyVersion, RulingId, Slot, Subject, VerdictId
from stream_guard.judging.judgement import AbstentionReason
from stream_guard.policy.document import Decision
from stream_guard.trial.news import Fate, Finished, Heard, Judging, News, Sampled, Stage
from stream_guard.trial.tally import Tally
from stream_guard.verdicts.model import (
    AbstentionNote,
    ConfidenceNote,
    PolicyRef,
    Rank,
    Rationale,
    Ruling,
    Timings,
    Tokens,
    Verdict,
)
from stream_guard.verdicts.model import Stage as VerdictStage
from tests.service import POLICY
from tests.unit.cli.test_commands import CONFIG

MARKER = "marzipan-tangerine"
NOW_MS = 1_790_000_000_000
SAMPLE = Sampled("chat.in", 200, 6, 3, 4711, oldest_ms=NOW_MS - 120_000, newest_ms=NOW_MS - 20_000, read_at_ms=NOW_MS)
JUDGING = Judging("vllm", "small", ("adverts", "insults"), 72.0)


def make_verdict(policy: str = "adverts", decision: Decision = Decision.FLAG, **fields: Any) -> Verdict:
    """A judgement of the model, or what `fields` make of it."""
    values: dict[str, Any] = {
        "id": VerdictId(f"verdict-{policy}"), "slot": Slot("slot"), "subject": Subject("subject"), "namespace": "default",
        "lane": "live", "kind": "message", "view": "message", "event_id": None, "route": "chat", "sources": (),
        "policy": PolicyRef(policy, PolicyVersion("v1"), 1), "prompt_version": "p1", "rank": Rank.FINAL,
        "stage": VerdictStage("model", "1"), "through": 0, "sequence": 0, "decision": decision, "category": "ADVERT",
        "rule_ids": (), "confidence": ConfidenceNote("label_probability", 0.931, None), "abstention": None,
        "awaits": None, "final_by_ms": None, "derived_from": (), "signals": (), "coverage": None, "content_hash": None,
        "model": None, "attempt": 1, "tokens": Tokens(500, 400, 1), "timings": Timings(0, 0, 0.0, 40.0),
    }  # fmt: skip
    return Verdict(**values | fields)


def make_ruling(decision: Decision = Decision.FLAG) -> Ruling:
    """A ruling."""
    return Ruling(
        id=RulingId("r"), subject=Subject("subject"), namespace="default", lane="live", kind="message", event_id=None,
        route="chat", sources=(), decision=decision, complete=True, missing=(), reason=None, entries=(), ruled_at_ms=NOW_MS,
    )  # fmt: skip


def make_heard(*verdicts: Verdict, **fields: Any) -> Heard:
    """A record that was judged, or what `fields` make of it."""
    values: dict[str, Any] = {
        "partition": 0, "offset": 4711, "timestamp_ms": NOW_MS, "fate": Fate.JUDGED, "route": "chat", "kind": "message",
        "ruling": make_ruling(), "verdicts": verdicts, "chars": 87, "bytes": 120, "at_s": 0.4,
    }  # fmt: skip
    return Heard(**values | fields)


FAILED = make_heard(
    fate=Fate.DEAD_LETTERED, reason="unmapped", detail="message.text: $.body finds nothing", chars=None, letters=1
)
TOMBSTONE = make_heard(fate=Fate.IGNORED, reason="tombstone", chars=None, ruling=None)
NEWS: Sequence[News] = (
    Stage("reading the last records of chat.in"),
    SAMPLE,
    JUDGING,
    make_heard(make_verdict(), make_verdict("insults", Decision.ALLOW, category="FINE")),
    make_heard(make_verdict(decision=Decision.ALLOW, category="FINE"), at_s=0.1),
    make_heard(
        make_verdict(decision=Decision.REVIEW, category=None, confidence=None,
                     abstention=AbstentionNote(AbstentionReason.TOO_LONG, "9000 tokens")),
        make_verdict("insults", confidence=ConfidenceNote("stated", None, "high"), signals=("split",)),
    ),
    FAILED,
    FAILED,
    TOMBSTONE,
)  # fmt: skip


def seen(
    news: Sequence[News], monkeypatch: pytest.MonkeyPatch, *, columns: int = 120, show_all: bool = False
) -> tuple[str, str]:
    """What a trial that tells this writes to stdout and stderr, on no terminal."""
    monkeypatch.setenv("COLUMNS", str(columns))
    streams = Streams(io.StringIO(), io.StringIO())
    with TableScreen(streams, show_all=show_all) as screen:
        for each in news:
            screen.show(each)
    return _text(streams.out), _text(streams.err)


def objects(news: Sequence[News]) -> list[dict[str, Any]]:
    """What it writes for machines."""
    streams = Streams(io.StringIO(), io.StringIO())
    with JsonScreen(streams) as screen:
        for each in news:
            screen.show(each)
    return [json.loads(line) for line in _text(streams.out).splitlines()]


def _text(stream: object) -> str:
    assert isinstance(stream, io.StringIO)
    return stream.getvalue()


def run(*arguments: str) -> Result:
    """`stream-guard try ...` in this process."""
    return CliRunner().invoke(cli, ["try", *arguments])


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder, with a configuration and its policy."""
    (tmp_path / "policies").mkdir()
    monkeypatch.chdir(tmp_path)
    (tmp_path / "guard.yaml").write_text(CONFIG, encoding="utf-8")
    (tmp_path / "policies" / "spam.md").write_text(POLICY.replace("id: adverts", "id: spam"), encoding="utf-8")
    return tmp_path


@pytest.mark.parametrize("columns", [80, 120])
def test_a_person_sees_a_row_a_verdict_that_is_not_allow(columns: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """With its place, its policy, how sure the model is, and the size of what was judged; no line is too long."""
    out, err = seen([*NEWS, Finished()], monkeypatch, columns=columns)
    rows = [line.split() for line in out.splitlines()[1:7]]
    assert rows[0] == ["0:4711", "message", "adverts", "flag", "ADVERT", "0.93", "••••", "87", "characters"]
    assert rows[1][:7] == ["0:4711", "message", "adverts", "review", "-", "-", "abstained,"]
    assert rows[2][:6] == ["0:4711", "message", "insults", "flag", "ADVERT", "high"]
    assert rows[3][:6] == ["0:4711", "dead", "letter", "unmapped:", "message.text:", "$.body"]
    assert "allow" not in "".join(out.splitlines()[:6])
    assert max(map(len, out.splitlines())) <= columns
    assert "reading the last records of chat.in…" in err


def test_the_summary_tells_what_there_was_and_what_it_cost(monkeypatch: pytest.MonkeyPatch) -> None:
    """Outcomes, failures by their words, decisions by policy with shares, tokens, speed against what comes in."""
    out, _ = seen([*NEWS, Finished()], monkeypatch)
    told = " ".join(out.split())
    for part in (
        "the last 6 of chat.in (3 partitions): 1 min 40 s from", "the newest 20 s old, 0.05 records/s",
        "200 were asked for: there are no more", "3 judged, 2 dead-lettered, 1 ignored (1 tombstone)",
        "2x unmapped: message.text: $.body finds nothing", "adverts: 1 allow (33%), 1 flag (33%), 1 abstained (33%) (1 too_long)",
        "insults: 1 allow (50%), 1 flag (50%)", "split: 1 verdict judged in segments, for their length",
        "2,500 read, 80% of them from the prefix cache; 5 written; 835 a judged record",
        "5 verdicts in 400 ms, 12 verdicts/s; ready after 1 min 12 s", "small on vllm",
        "the topic got 0.05 records/s over the sample; this engine judged 12 cases/s here: 300 times what comes in",
    ):  # fmt: skip
        assert part in told
    assert told.endswith("Nothing was published, and no offset was committed.")


def test_an_engine_that_is_too_slow_is_told_how_many_it_takes() -> None:
    """So that nobody has to divide."""
    tally = Tally()
    busy = Sampled("chat.in", 2, 2, 1, oldest_ms=NOW_MS - 10, newest_ms=NOW_MS, read_at_ms=NOW_MS)
    for each in (busy, JUDGING, make_heard(make_verdict(), at_s=1.0), make_heard(make_verdict(), at_s=1.0)):
        tally.count(each)
    summary = tally.summary()
    assert summary is not None
    table = summary_lines(summary)[1]
    assert "100 records/s" in str([list(column.cells) for column in getattr(table, "columns", [])])
    assert "it would take 50 engines like this one" in str([list(column.cells) for column in table.columns])  # type: ignore[union-attr]


def test_a_sample_of_one_moment_has_no_span(monkeypatch: pytest.MonkeyPatch) -> None:
    """Not `0 ms from ... on`."""
    moment = Sampled("chat.in", 1, 1, 1, oldest_ms=NOW_MS, newest_ms=NOW_MS, read_at_ms=NOW_MS)
    told = " ".join(seen([moment, JUDGING, FAILED, Finished()], monkeypatch)[0].split())
    assert "the last 1 of chat.in (1 partition): of 2026-09-21 14:13:20 UTC, the newest 0 ms old" in told


def test_all_shows_what_is_allowed_and_ignored_too(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every record has its row then."""
    out, _ = seen([*NEWS, Finished()], monkeypatch, show_all=True)
    assert sum(line.lstrip().startswith("0:4711") for line in out.splitlines()) == 8
    assert "tombstone" in out.split("records")[0]


def test_what_fails_in_the_same_way_is_shown_three_times_and_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    """A mapping that is wrong for all must not fill the screen."""
    out, _ = seen([SAMPLE, JUDGING, *[FAILED] * 50, Finished()], monkeypatch)
    assert out.count("dead letter ") == 3
    assert "50x unmapped" in out


def test_revealed_content_and_reasons_cannot_move_the_cursor(monkeypatch: pytest.MonkeyPatch) -> None:
    """Escape sequences and line ends are spaces; what is too long is cut."""
    reason = Rationale(
        verdict_id=VerdictId("verdict-adverts"), slot=Slot("s"), subject=Subject("s"), policy_id="adverts",
        rationale="sells\x1b[31m things", reasoning=None,
    )  # fmt: skip
    wild = make_heard(make_verdict(), excerpt=f"{MARKER}\x1b[2J\r\n\u202eabc" + "z" * 400, rationales=(reason,))
    out, _ = seen([SAMPLE, JUDGING, wild, Finished()], monkeypatch, columns=80)
    assert MARKER in out
    assert "sells [31m things" in out
    assert not {"\x1b", "\r", "\u202e"} & set(out)
    assert max(map(len, out.splitlines())) <= 80


def test_a_trial_that_is_broken_off_shows_what_was_judged(monkeypatch: pytest.MonkeyPatch) -> None:
    """And says so; before anything was judged there is nothing to show."""
    out, _ = seen(NEWS[:5], monkeypatch)
    assert "Broken off: 2 of 6 records have an outcome, the rest has none." in out
    assert "Nothing was published" in out
    assert seen(NEWS[:2], monkeypatch)[0] == ""


def test_machines_get_a_line_a_record_and_the_summary() -> None:
    """The last line is the summary, also of a trial that was broken off."""
    lines = objects([*NEWS, Finished()])
    assert [line["outcome"] for line in lines[:-1]] == ["judged"] * 3 + ["dead_lettered"] * 2 + ["ignored"]
    assert lines[2]["verdicts"][0]["abstention"] == {"reason": "too_long", "detail": "9000 tokens"}
    assert lines[3]["detail"] == "message.text: $.body finds nothing"
    assert "content" not in lines[0]
    summary = lines[-1]["summary"]
    assert summary["dead_lettered"] == [
        {"reason": "unmapped", "detail": "message.text: $.body finds nothing", "records": 2}
    ]
    assert (summary["complete"], summary["published"], summary["committed"]) == (True, 0, 0)
    assert summary["sample"]["records_per_second"] == 0.05
    assert objects(NEWS[:5])[-1]["summary"]["complete"] is False


def test_machines_get_content_and_reasons_where_they_were_asked_for() -> None:
    """In fields of their own."""
    reason = Rationale(
        verdict_id=VerdictId("verdict-adverts"), slot=Slot("s"), subject=Subject("s"), policy_id="adverts",
        rationale="sells things", reasoning=None,
    )  # fmt: skip
    line = objects([SAMPLE, JUDGING, make_heard(make_verdict(), excerpt=MARKER, rationales=(reason,))])[0]
    assert line["content"] == MARKER
    assert line["verdicts"][0]["reasons"] == [{"rationale": "sells things", "reasoning": None}]


def test_without_a_configuration_init_is_pointed_to(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first thing that a newcomer runs."""
    monkeypatch.chdir(tmp_path)
    result = run()
    assert result.exit_code == 2
    assert "stream-guard init" in result.stderr
    assert run("-c", "other.yaml").exit_code == 2


@pytest.mark.parametrize(
    ("arguments", "what"),
    [
        (["--topic", "nonsense"], "no route reads 'nonsense': the routes read chat.messages"),
        (["--policy", "nonsense"], "'nonsense' is no file, and no policy of spam"),
        (["--limit", "soon"], "not a duration"),
        (["--limit", "0s"], "must be more than nothing"),
        (["--last", "0"], "--last"),
        (["--last", "100001"], "--last"),
        (["--engine", "other"], "--engine"),
    ],
)  # fmt: skip
def test_a_wrong_command_line_is_exit_code_2(folder: Path, arguments: list[str], what: str) -> None:
    """Before anything is connected to."""
    del folder
    result = run(*arguments)
    assert result.exit_code == 2
    assert what in " ".join(result.stderr.split())
    assert result.stdout == ""


def test_a_broker_that_does_not_answer_is_exit_code_3(folder: Path) -> None:
    """As one object where machines read."""
    (folder / "guard.yaml").write_text(CONFIG.replace("localhost:9092", "127.0.0.1:1"), encoding="utf-8")
    result = run("--json", "--limit", "2s")
    assert result.exit_code == 3
    assert json.loads(result.stderr.splitlines()[-1])["error"]["code"] == 3
    assert result.stdout == ""


def test_the_help_says_what_it_does_not_do() -> None:
    """Nobody should have to trust a first run blindly."""
    told = " ".join(run("--help").stdout.replace("│", " ").split())
    assert "nothing is published and no offset is committed" in told
    assert "masked without --reveal" in told
