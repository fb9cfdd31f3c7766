"""Policies that are asked about together, by the service as a process on the real broker, killed half way."""

from __future__ import annotations

from pathlib import Path

import pytest

from stream_guard.policy.document import Decision
from stream_guard.verdicts.fold import fold_each
from stream_guard.verdicts.model import Rank
from tests.published import Feed, message, read_published
from tests.service import POLICY, START_S, Flow, Services, ends

pytestmark = [pytest.mark.kafka, pytest.mark.slow, pytest.mark.timeout(180)]

COUNT = 300
ENGINE = {"kind": "scripted", "violation_share": 0.3, "malformed_share": 0.1, "delay": "20ms"}


def write_packed(flow: Flow) -> Path:
    """A configuration of three policies, of which two are packed."""
    route = {"policies": ["adverts", "insults", "threats"], "packed": ["threats", "adverts"]}
    path = flow.configuration(engine=ENGINE, route=route, window={"asks": 8})
    for name in ("insults", "threats"):
        (flow.folder / "policies" / f"{name}.md").write_text(
            POLICY.replace("id: adverts", f"id: {name}", 1), encoding="utf-8"
        )
    return path


def test_each_policy_of_a_group_has_its_verdict_through_a_kill(services: Services, flow: Flow) -> None:
    """One slot for each policy and record, one ruling an event; the group answers, or abstains, as one."""
    path, feed = write_packed(flow), Feed(flow)
    feed.send(message(number) for number in range(COUNT))
    service = services.start(path)
    service.until(lambda: sum(ends(flow.kafka, flow.rulings).values()) > COUNT // 4, START_S)
    service.end()  # SIGKILL
    services.start(path).until(flow.done, START_S)
    published = read_published(flow)
    assert published.verdicts.keys() == published.rulings.keys() == feed.sent.keys()
    abstained = 0
    for at, verdicts in published.verdicts.items():
        by_policy = {verdict.policy.id: verdict for verdict in verdicts}
        assert len({verdict.id for verdict in verdicts}) == len({verdict.slot for verdict in verdicts}) == 3
        threats, adverts, insults = (by_policy[name] for name in ("threats", "adverts", "insults"))
        assert threats.prompt_version == adverts.prompt_version != insults.prompt_version
        assert threats.rank is adverts.rank
        letters = {letter.policy_id for letter, _ in published.letters.get(at, ())}
        assert letters == {name for name, verdict in by_policy.items() if verdict.rank is Rank.ABSTENTION}
        abstained += threats.rank is Rank.ABSTENTION
        assert 0 <= threats.tokens.prompt - adverts.tokens.prompt <= 1  # each its share of the one ask
    assert 0 < abstained < COUNT // 2
    folded = fold_each(
        [each for found in (published.verdicts, published.rulings) for many in found.values() for each in many]
    )
    assert len(folded) == COUNT
    for result in folded.values():
        assert len(result.slots) == 3
        assert result.ruled
        assert result.complete or result.decision in (Decision.REVIEW, Decision.BLOCK)
