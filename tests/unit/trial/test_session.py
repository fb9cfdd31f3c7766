"""A trial over records in memory: everything but Kafka is as in the service."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import orjson
import pytest
from msgspec.structs import replace

from stream_guard.config import Settings, load_config
from stream_guard.errors import ConfigError, RegistryUnavailable, StartRefused
from stream_guard.kafka.cluster.tail import PartitionTail, Tail
from stream_guard.policy.document import Decision
from stream_guard.records import Lease, Record, Undecodable
from stream_guard.trial import session
from stream_guard.trial.news import Fate, Finished, Heard, Judging, News, Sampled, Stage
from stream_guard.trial.session import Plan, run
from stream_guard.trial.tally import Summary, Tally
from tests.service import POLICY

MARKER = "marzipan-tangerine"
"""Stands in every content and nowhere else."""
NOW_MS = 1_790_000_000_000


@pytest.fixture
def settings(tmp_path: Path) -> Callable[..., Settings]:
    """Makes settings; `route` goes into the only route, the rest over the top level."""

    def make(route: dict[str, Any] | None = None, **more: Any) -> Settings:
        (tmp_path / "policies").mkdir(exist_ok=True)
        (tmp_path / "policies" / "adverts.md").write_text(POLICY, encoding="utf-8")
        base = {
            "name": "chat",
            "topic": "chat.in",
            "judge": ["message", "last_turn"],
            "policies": ["adverts"],
            "outputs": {"verdicts": "v", "rulings": "r", "dead_letters": "d"},
        }
        whole = {
            "kafka": {"bootstrap_servers": "127.0.0.1:1", "start": "earliest"},
            "engine": {"kind": "scripted", "violation_share": 0.5},
            "policies": ["policies"],
            "routes": [base | (route or {})],
        }
        path = tmp_path / "guard.yaml"
        path.write_bytes(orjson.dumps(whole | more))
        return load_config(path, {})

    return make


@pytest.fixture
def topic(monkeypatch: pytest.MonkeyPatch) -> Callable[[Sequence[bytes | None]], None]:
    """Puts a topic with these values in the place of Kafka."""

    def hold(values: Sequence[bytes | None]) -> None:
        records = [
            Record(Lease("chat.in", n % 2, 0), n // 2, value, key=b"room", timestamp_ms=NOW_MS + n * 500)
            for n, value in enumerate(values)
        ]
        parts = (PartitionTail(0, 0, 100, len(records)), PartitionTail(1, 0, 100, 0, "no leader"))

        def read_tail(settings: object, name: str, last: int, *, stop: Callable[[], bool]) -> Tail:
            del settings
            assert not stop()
            return Tail(name, tuple(records[-last:]), parts, NOW_MS + 60_000)

        monkeypatch.setattr(session, "read_tail", read_tail)
        monkeypatch.setattr(session, "Admin", _Admin)

    return hold


class _Admin:
    def __init__(self, settings: object) -> None:
        del settings

    def cluster_id(self) -> str:
        return "cluster"

    def topic_ids(self, topics: Sequence[str]) -> dict[str, str | None]:
        return dict.fromkeys(topics, "id")


def message(number: int, **fields: object) -> bytes:
    """A message."""
    return orjson.dumps({"kind": "message", "content": f"{MARKER} {number}", **fields})


async def tried(plan: Plan) -> list[News]:
    """What a trial tells."""
    told: list[News] = []
    await run(plan, told.append)
    return told


def heard(news: Sequence[News]) -> list[Heard]:
    """What it tells of records, in the order of the topic."""
    return sorted((n for n in news if isinstance(n, Heard)), key=lambda each: (each.offset, each.partition))


def summed(news: Sequence[News]) -> Summary:
    """The summary of what was told."""
    tally = Tally()
    for each in news:
        tally.count(each)
    summary = tally.summary()
    assert summary is not None
    return summary


async def test_every_record_ends_in_one_of_three(settings: Callable[..., Settings], topic: Any) -> None:
    """Judged under every policy, dead-lettered or ignored, each with its reason; then the trial is over."""
    topic(
        [
            message(1),
            b"not json",
            None,
            message(2),
            orjson.dumps({"kind": "completion", "prompt": [], "completion": "x"}),
        ]
    )
    news = await tried(Plan(settings(), "chat.in", 200))
    assert [(each.fate, each.reason) for each in heard(news)] == [
        (Fate.JUDGED, ""),
        (Fate.DEAD_LETTERED, "not_json"),
        (Fate.IGNORED, "tombstone"),
        (Fate.JUDGED, ""),
        (Fate.IGNORED, "not_selected"),
    ]
    assert isinstance(news[-1], Finished)
    judged = heard(news)[0]
    assert [verdict.policy.id for verdict in judged.verdicts] == ["adverts"]
    assert (judged.route, judged.kind, judged.chars) == ("chat", "message", len(MARKER) + 2)
    summary = summed(news)
    assert (summary.complete, summary.judged, summary.ignored) == (True, 2, {"tombstone": 1, "not_selected": 1})
    assert summary.dead_lettered == (("not_json", "at byte 1", 1),)
    assert summary.sample.unread == ((1, "no leader"),)
    assert summary.tokens.prompt > 0


async def test_allows_are_told_of_whatever_the_route_publishes(settings: Callable[..., Settings], topic: Any) -> None:
    """A trial that showed no allow would not show what the policy permits."""
    topic([message(n) for n in range(40)])
    news = await tried(Plan(settings({"publish": "non_allow"}), "chat.in", 200))
    assert {verdict.decision for each in heard(news) for verdict in each.verdicts} == {Decision.ALLOW, Decision.FLAG}


async def test_content_is_told_of_only_where_it_is_asked_for(settings: Callable[..., Settings], topic: Any) -> None:
    """Its beginning then; no more of it is kept at any time."""
    topic([message(1), MARKER.encode(), message(2, id=None) + b" " * 9])
    masked = await tried(Plan(settings(), "chat.in", 200))
    assert MARKER not in repr([(each.excerpt, each.verdicts, each.ruling, each.detail) for each in heard(masked)])
    revealed = await tried(Plan(settings(), "chat.in", 200, reveal=True))
    assert [(each.excerpt or "")[: len(MARKER)] for each in heard(revealed)] == [MARKER] * 3
    topic([message(1, content="x" * 5000)])
    (long,) = heard(await tried(Plan(settings(), "chat.in", 200, reveal=True)))
    assert long.excerpt == "x" * 500


async def test_a_small_window_lets_all_through(settings: Callable[..., Settings], topic: Any) -> None:
    """The bounds of the service hold here too."""
    topic([message(n) for n in range(50)])
    window = {"records": 3, "bytes": "2MiB", "asks": 2}
    assert len(heard(await tried(Plan(settings(window=window), "chat.in", 200)))) == 50


async def test_what_depends_on_when_a_record_comes_is_not_applied(
    settings: Callable[..., Settings], topic: Any
) -> None:
    """Old records of one key would all be expired or limited; the trial says that here they are not."""
    topic([message(n) for n in range(20)])
    route = {"expire_after": "1m", "respond_by": "1s", "quota": {"tokens": 30, "per": "1h"}}
    news = await tried(Plan(settings(route), "chat.in", 200))
    assert all(verdict.abstention is None for each in heard(news) for verdict in each.verdicts)
    notes = " ".join(summed(news).notes)
    assert "expire_after is not applied" in notes
    assert "respond_by is not applied" in notes
    assert "quotas are not applied" in notes


async def test_nothing_is_escalated_to_another_deployment(settings: Callable[..., Settings], topic: Any) -> None:
    """A trial publishes nothing: what would go on is judged here for good, and the trial says so."""
    topic([message(n) for n in range(20)])
    route = {"escalate": {"when": {"always": True}, "topic": "up", "final_by": "5m"}}
    news = await tried(Plan(settings(route), "chat.in", 200))
    assert all(each.ruling is not None and each.ruling.complete for each in heard(news))
    assert "nothing is escalated to another deployment" in " ".join(summed(news).notes)


async def test_this_engine_is_asked_again_in_a_trial_too(settings: Callable[..., Settings], topic: Any) -> None:
    """Both verdicts are shown, and one ruling."""
    topic([message(n) for n in range(20)])
    news = await tried(Plan(settings({"escalate": {"when": {"always": True}, "effort": "high"}}), "chat.in", 200))
    assert [len(each.verdicts) for each in heard(news)] == [2] * 20
    assert all(each.ruling is not None and each.ruling.complete for each in heard(news))


async def test_what_came_before_the_sample_is_context_for_it(settings: Callable[..., Settings], topic: Any) -> None:
    """As it would be for the service; it is not judged, and the sample is as large as was asked for."""
    topic([message(n) for n in range(10)])
    route = {"context": {"last": 2, "reread": 4}, "judge": ["message"]}
    news = await tried(Plan(settings(route), "chat.in", 4))
    shown = [verdict.coverage.context_turns for each in heard(news) for verdict in each.verdicts if verdict.coverage]
    assert shown == [2, 2, 2, 2]
    summary = summed(news)
    assert (summary.sample.records, summary.heard, summary.complete) == (4, 4, True)
    assert summary.sample.oldest_ms == NOW_MS + 6 * 500
    assert summary.notes == ("context goes back 4 records before the sample at most",)


async def test_abstentions_are_counted_by_reason(settings: Callable[..., Settings], topic: Any) -> None:
    """And their decision is the route's, never an allow."""
    topic([message(n) for n in range(4)])
    news = await tried(Plan(settings({"limits": {"content_chars": 5}, "long": {"over": "abstain"}}), "chat.in", 200))
    summary = summed(news)
    assert summary.abstentions == {"adverts": {"too_long": 4}}
    assert (summary.rulings, summary.letters) == ({"review": 4}, 4)


async def test_other_policies_take_the_place_of_the_routes_own(
    settings: Callable[..., Settings], topic: Any, tmp_path: Path
) -> None:
    """By file or by id; a file's id may be one that the configuration has too."""
    other = tmp_path / "other.md"
    other.write_text(POLICY.replace("id: adverts", "id: offers"), encoding="utf-8")
    topic([message(1)])
    news = await tried(Plan(settings(), "chat.in", 200, policies=(str(other), "adverts")))
    assert [verdict.policy.id for verdict in heard(news)[0].verdicts] == ["adverts", "offers"]
    assert next(each for each in news if isinstance(each, Judging)).policies == ("adverts", "offers")
    other.write_text(POLICY.replace("revision: 1", "revision: 7"), encoding="utf-8")
    news = await tried(Plan(settings(), "chat.in", 200, policies=(str(other),)))
    assert [verdict.policy.revision for verdict in heard(news)[0].verdicts] == [7]


async def test_reasons_are_told_of_only_where_they_are_asked_for(
    settings: Callable[..., Settings], topic: Any, tmp_path: Path
) -> None:
    """They may quote; the route's own topic for them plays no part."""
    reasoning = tmp_path / "reasoning.md"
    text = POLICY.replace("output: binary\n", "output: rationale\n").replace("yes_means: ADVERT\n", "")
    reasoning.write_text(text.replace("## Criteria", "## Criteria\nR1: offers."), encoding="utf-8")
    topic([message(n) for n in range(3)])
    plan = Plan(settings({}, engine={"kind": "scripted"}), "chat.in", 200, policies=(str(reasoning),))
    assert [each.rationales for each in heard(await tried(plan))] == [()] * 3
    told = heard(await tried(replace(plan, rationale=True)))
    assert [len(each.rationales) for each in told] == [1] * 3
    assert all(each.rationales[0].verdict_id == each.verdicts[0].id for each in told)


async def test_a_policy_that_nobody_knows_is_named(settings: Callable[..., Settings]) -> None:
    """With those that there are."""
    with pytest.raises(ConfigError, match="'nonsense' is no file, and no policy of adverts"):
        await tried(Plan(settings(), "chat.in", 200, policies=("nonsense",)))


async def test_an_empty_topic_is_refused_before_the_engine_is_loaded(
    settings: Callable[..., Settings], topic: Any
) -> None:
    """Loading a model takes minutes."""
    topic([])
    told: list[News] = []
    with pytest.raises(StartRefused, match=r"'chat\.in' holds no records"):
        await run(Plan(settings(), "chat.in", 200), told.append)
    assert isinstance(told[-1], Sampled)


async def test_other_formats_are_decoded_before_anything_looks_at_them(
    settings: Callable[..., Settings], topic: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In one list; with the registry down nothing is judged, and the sentence says so."""
    topic([b"1", b"2"])
    registry = Registry()
    monkeypatch.setattr(session, "open_documents", lambda *_: registry)
    news = await tried(Plan(settings(), "chat.in", 200, reveal=True))
    assert [(each.fate, each.excerpt) for each in heard(news)] == [
        (Fate.JUDGED, "decoded 1"),
        (Fate.DEAD_LETTERED, "2"),
    ]
    assert summed(news).dead_lettered == (("undecodable", "is not of schema 7", 1),)
    assert registry.closed
    registry.down = True
    with pytest.raises(StartRefused, match="the schema registry answers HTTP 503"):
        await tried(Plan(settings(), "chat.in", 200))


class Registry:
    """In the place of `Documents`: the first record is good, the others are not."""

    def __init__(self) -> None:
        """Up."""
        self.down = self.closed = False

    def of(self, records: Sequence[Record]) -> list[Record]:
        """See `Documents`."""
        if self.down:
            raise RegistryUnavailable("answers HTTP 503")
        good = orjson.dumps({"kind": "message", "content": "decoded 1"})
        return [replace(r, document=Undecodable("is not of schema 7") if n else good) for n, r in enumerate(records)]

    def close(self) -> None:
        """See `Documents`."""
        self.closed = True


async def test_the_time_limit_says_what_was_waited_for(settings: Callable[..., Settings], topic: Any) -> None:
    """What was judged until then was told of."""
    topic([message(n) for n in range(3)])
    slow = {"kind": "scripted", "delay": "1h"}
    told: list[News] = []
    with pytest.raises(StartRefused, match=r"not done within 0\.3 s: judging"):
        await run(Plan(settings(engine=slow), "chat.in", 200, limit_s=0.3), told.append)
    assert not heard(told)
    assert not summed(told).complete


async def test_an_engine_that_is_not_there_is_said_to_be_waited_for(
    settings: Callable[..., Settings], topic: Any, unused_port: int
) -> None:
    """With the reason; nothing is judged meanwhile."""
    topic([message(1)])
    server = {"kind": "openai", "base_url": f"http://127.0.0.1:{unused_port}/v1", "model": "m", "api": "chat"}
    told: list[News] = []
    with pytest.raises(StartRefused, match=r"not done within 0\.5 s: waiting for the engine"):
        await run(Plan(settings(engine=server), "chat.in", 200, limit_s=0.5), told.append)
    assert any("waiting for the engine (" in each.what for each in told if isinstance(each, Stage))


async def test_a_trial_that_is_cancelled_leaves_no_task(settings: Callable[..., Settings], topic: Any) -> None:
    """Ctrl-C cancels it."""
    topic([message(1)])
    trial = asyncio.create_task(tried(Plan(settings(engine={"kind": "scripted", "delay": "1h"}), "chat.in", 200)))
    await asyncio.sleep(0.3)
    trial.cancel()
    with pytest.raises(asyncio.CancelledError):
        await trial
    assert [task for task in asyncio.all_tasks() if task is not asyncio.current_task()] == []


async def test_a_model_is_not_asked_for_where_a_script_judges(settings: Callable[..., Settings], topic: Any) -> None:
    """`--engine scripted` needs no model; a scripted engine of the configuration stays as it is configured."""
    topic([message(n) for n in range(3)])
    server = {"kind": "openai", "base_url": "http://127.0.0.1:1/v1", "model": "m", "api": "chat"}
    assert summed(await tried(Plan(settings(engine=server), "chat.in", 200, scripted=True))).scripted
    all_bad = {"kind": "scripted", "violation_share": 1.0}
    summary = summed(await tried(Plan(settings(engine=all_bad), "chat.in", 200, scripted=True)))
    assert summary.decisions == {"adverts": {"flag": 3}}


@pytest.fixture
def unused_port() -> int:
    """A port that nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as held:
        return int(held.getsockname()[1])
