"""Two deployments on a real broker: what the first says for now is superseded by the second, or stands at its time."""

from __future__ import annotations

import signal
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from stream_guard.policy.document import Decision
from stream_guard.verdicts.dead_letter import DeadLetter
from stream_guard.verdicts.dead_letter import decode as decode_dead_letter
from stream_guard.verdicts.fold import Folded, FoldKey, fold_each
from stream_guard.verdicts.model import Rank, Ruling, Verdict
from tests.fixtures_kafka import Kafka
from tests.published import Feed, Place, Plan, Published, message, read_published
from tests.service import MARKER, POLICY, START_S, Flow, Service, Services, ends, make_flow

pytestmark = [pytest.mark.kafka, pytest.mark.slow, pytest.mark.timeout(240)]

_RECORDS = 40
_FLAGS_ALL = {"kind": "scripted", "violating_phrase": "match"}
_ALLOWS_ALL = {"kind": "scripted", "violating_phrase": "nothing of the sort"}


class Pair(NamedTuple):
    """Two deployments that share the topics of verdicts and rulings; the second has a group and dead letters of its own."""

    flow: Flow
    topic: str
    letters: str

    @property
    def group(self) -> str:
        """The second's."""
        return f"{self.flow.group}.second"

    def first(self, name: str = "first", **escalate: Any) -> Path:
        """The configuration of the one that judges first, and flags everything."""
        chosen = {"when": {"severity": 2}, "topic": self.topic, "final_by": "10m", **escalate}
        return self.flow.configuration(name, engine=_FLAGS_ALL, route={"escalate": chosen})

    def second(self, name: str = "second", engine: Mapping[str, object] = _ALLOWS_ALL, **settings: Any) -> Path:
        """That of the one that has the last word: the same route, which it does not read by itself."""
        outputs = {"verdicts": self.flow.verdicts, "rulings": self.flow.rulings, "dead_letters": self.letters}
        return self.flow.configuration(
            name, kafka={"group": self.group}, engine=dict(engine), escalation={"topic": self.topic},
            route={"subscribe": False, "outputs": outputs}, **settings,
        )  # fmt: skip

    def answered(self) -> bool:
        """Whether the second has settled all that was escalated to it."""
        stands = ends(self.flow.kafka, self.topic)
        return self.flow.kafka.committed(self.group, self.topic, len(stands)) == stands

    def done(self) -> bool:
        """Whether both are through."""
        return self.flow.done() and self.answered()


@pytest.fixture
def pair(kafka: Kafka, tmp_path: Path) -> Pair:
    """Three partitions, and two of what is escalated."""
    flow = make_flow(kafka, tmp_path, partitions=3)
    topic = kafka.topic(2, name=f"{flow.group}.escalations")
    return Pair(flow, topic, kafka.topic(name=f"{flow.group}.second.letters", max_message_bytes="1200000"))


def fed(pair: Pair, count: int = _RECORDS) -> Mapping[Place, Plan]:
    """Messages that all violate at first sight."""
    feed = Feed(pair.flow)
    feed.send(message(number) for number in range(count))
    return feed.sent


def said(published: Published) -> list[Verdict | Ruling]:
    """All that a subscriber sees."""
    verdicts = [verdict for found in published.verdicts.values() for verdict in found]
    return [*verdicts, *(ruling for found in published.rulings.values() for ruling in found)]


def folded(sent: Mapping[Place, Plan], published: Published) -> Mapping[FoldKey, Folded]:
    """What it comes to: one subject a record, and rulings alone say the same as all."""
    assert published.verdicts.keys() == published.rulings.keys() == sent.keys()
    results = fold_each(said(published))
    assert len(results) == len(sent)
    assert fold_each([each for each in said(published) if isinstance(each, Ruling)]) == results
    assert all(len(result.slots) == 1 and not result.ties for result in results.values())
    return results


def check_superseded(sent: Mapping[Place, Plan], published: Published) -> None:
    """Every first word has its last, which follows from it, fills its slot, and decides."""
    for result in folded(sent, published).values():
        (entry,) = result.slots.values()
        assert (entry.rank, entry.decision, result.complete) == (Rank.FINAL, Decision.ALLOW, True)
        assert result.stands_at(0)
    for found in published.verdicts.values():
        by_rank = {verdict.rank: verdict for verdict in found}
        assert by_rank.keys() == {Rank.PROVISIONAL, Rank.FINAL}
        assert len({verdict.id for verdict in found}) == 2  # whatever was repeated
        first, last = by_rank[Rank.PROVISIONAL], by_rank[Rank.FINAL]
        assert (first.decision, first.awaits, first.stage.name) == (Decision.FLAG, "escalation", "model")
        assert (last.derived_from, last.slot, last.sequence, last.stage.name) == (
            (first.id,), first.slot, 1, "escalation",
        )  # fmt: skip
        assert last.policy == first.policy


def check_stands(sent: Mapping[Place, Plan], published: Published) -> None:
    """The first word is all there is: it stands from its time on, and not before."""
    for result in folded(sent, published).values():
        (entry,) = result.slots.values()
        assert (entry.rank, result.decision, result.complete) == (Rank.PROVISIONAL, Decision.FLAG, False)
        assert entry.final_by_ms is not None
        assert not result.stands_at(entry.final_by_ms - 1)
        assert result.stands_at(entry.final_by_ms)


def check_silent(*services: Service) -> None:
    """No content is in anything that they said of themselves."""
    for service in services:
        assert MARKER not in service.stdout + service.stderr


def test_the_second_has_the_last_word(pair: Pair, services: Services) -> None:
    """Up from the start: each provisional flag is superseded, and the last ruling is complete."""
    first, second = services.start(pair.first()), services.start(pair.second())
    second.until_ready()
    sent = fed(pair)
    first.until(pair.done, START_S)
    check_superseded(sent, read_published(pair.flow))
    assert first.count("stream_guard_escalations_total", policy="adverts", reason="severity") == _RECORDS
    assert sum(ends(pair.flow.kafka, pair.topic).values()) == _RECORDS
    assert first.terminate() == second.terminate() == 0
    check_silent(first, second)


def test_a_second_that_is_killed_goes_on_where_it_was(pair: Pair, services: Services) -> None:
    """SIGKILL half way, and a new process: what it repeats has the same ids, and folds."""
    first = services.start(pair.first())
    sent = fed(pair)
    first.until(pair.flow.done, START_S)
    slow = pair.second("slow", {**_ALLOWS_ALL, "delay": "300ms"}, window={"asks": 4})
    second = services.start(slow)
    before = sum(ends(pair.flow.kafka, pair.flow.rulings).values())
    second.until(lambda: sum(ends(pair.flow.kafka, pair.flow.rulings).values()) >= before + _RECORDS // 4, START_S)
    second.signal(signal.SIGKILL)
    second.wait()
    assert not pair.answered()
    services.start(pair.second()).until(pair.answered, START_S)
    check_superseded(sent, read_published(pair.flow))


def test_without_a_second_the_first_word_stands_in_time_and_a_late_one_still_counts(
    pair: Pair, services: Services
) -> None:
    """Nobody reads the topic: the decision stands at `final_by`. Somebody who comes after that, and is slow, supersedes it."""
    first = services.start(pair.first(final_by="1s"))
    sent = fed(pair)
    first.until(pair.flow.done, START_S)
    assert first.terminate() == 0
    check_stands(sent, read_published(pair.flow))

    late = services.start(pair.second("late", {**_ALLOWS_ALL, "delay": "1500ms"}))
    late.until(pair.answered, START_S)
    published = read_published(pair.flow)
    check_superseded(sent, published)
    for found in published.verdicts.values():
        stood_at = [verdict.final_by_ms for verdict in found if verdict.final_by_ms is not None]
        answered_at = [verdict.timings.judged_at_ms for verdict in found if verdict.rank is Rank.FINAL]
        assert max(stood_at) < min(answered_at)


def test_a_changed_document_of_the_same_revision_is_refused(pair: Pair, services: Services) -> None:
    """The second has another text of that revision: dead letters, which say so; the first word stands. Raised, it is judged."""
    other = pair.flow.folder / "other"
    other.mkdir()
    changed = POLICY.replace("Everyday talk is not.", "Everyday talk is one, too.")
    (other / "adverts.md").write_text(changed, encoding="utf-8")
    first, second = services.start(pair.first()), services.start(pair.second(policies=["other"]))
    sent = fed(pair)
    second.until(pair.done, START_S)
    second.until(lambda: second.count("stream_guard_escalations_refused_total", reason="policy_changed") == _RECORDS)
    published = read_published(pair.flow)
    check_stands(sent, published)
    refused = [r for found in published.rulings.values() for r in found if r.reason == "policy_changed"]
    assert len(refused) == _RECORDS
    assert {letter.reason for letter in letters(pair)} == {"policy_changed"}
    assert second.logged("escalation.refused")[0]["policy"] == "adverts"
    check_silent(first, second)
    assert second.terminate() == 0

    (other / "adverts.md").write_text(changed.replace("revision: 1", "revision: 2"), encoding="utf-8")
    again = services.start(pair.second("raised", policies=["other"]))
    again.until_ready()
    more = fed(pair, 5)
    again.until(pair.done, START_S)
    published = read_published(pair.flow)
    for place in more:
        assert {verdict.rank for verdict in published.verdicts[place]} == {Rank.PROVISIONAL, Rank.FINAL}


def test_a_topic_that_does_not_exist_is_refused_at_the_start(pair: Pair, services: Services) -> None:
    """On both sides, before the model is loaded: escalations would wait for ever, or not be read."""
    nowhere = f"{pair.topic}.nowhere"
    for path in (pair.first(topic=nowhere), pair._replace(topic=nowhere).second("lost")):
        code, said_why = services.refused(path)
        assert code == 3
        assert f"do not exist, or may not be seen: {nowhere}" in said_why


def letters(pair: Pair) -> list[DeadLetter]:
    """The second's dead letters."""
    count = sum(ends(pair.flow.kafka, pair.letters).values())
    read = pair.flow.kafka.read(pair.letters, count)
    assert len(read) == count
    found = []
    for each in read:
        letter, record = decode_dead_letter(each.key(), each.value(), tuple(each.headers() or ()))  # type: ignore[arg-type]
        assert record.topic == pair.topic  # whole, with the policy that it came with
        found.append(letter)
    return found


def test_the_same_engine_is_asked_again_with_more_effort(pair: Pair, services: Services) -> None:
    """One ruling for both askings, complete; the last word follows from the first."""
    path = pair.flow.configuration(
        "effort", engine=_FLAGS_ALL, route={"escalate": {"when": {"always": True}, "effort": "high"}}
    )
    service = services.start(path)
    sent = fed(pair)
    service.until(pair.flow.done, START_S)
    published = read_published(pair.flow)
    for result in folded(sent, published).values():
        assert (result.decision, result.complete) == (Decision.FLAG, True)
    for place, found in published.verdicts.items():
        first, last = found
        assert (first.rank, first.awaits) == (Rank.PROVISIONAL, "higher_effort")
        assert (last.rank, last.derived_from) == (Rank.FINAL, (first.id,))
        assert last.prompt_version != first.prompt_version
        (ruling,) = published.rulings[place]
        assert [entry.verdict_id for entry in ruling.entries] == [last.id]
