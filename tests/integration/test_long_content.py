"""Content that is too long, and keys that flood, on the running service: real Kafka, and an engine that looks for a phrase."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from stream_guard.policy.document import Decision
from tests.fixtures_kafka import Kafka
from tests.published import Fate, Feed, Plan, Published, check, read_published
from tests.service import MARKER, Flow, Services, make_flow

pytestmark = [pytest.mark.kafka, pytest.mark.slow]

_PHRASE = "free cruise"
_ENGINE = {"kind": "scripted", "violating_phrase": _PHRASE}
_TALK = f"Are you coming to the match, {MARKER}? "
_LONG = _TALK * 100
"""About 4,600 characters, each of which is a token of the scripted engine."""


def _event(kind: str, text: str, number: int) -> bytes:
    """A message, or a chat whose last turn says the text after a talk of many turns."""
    if kind == "message":
        return json.dumps({"kind": "message", "id": f"m-{number}", "content": text}).encode()
    turns = [{"role": "user", "content": f"{_TALK}{turn}"} for turn in range(50)]
    return json.dumps(
        {"kind": "chat", "id": f"c-{number}", "turns": [*turns, {"role": "user", "content": text}]}
    ).encode()


def _texts(kind: str) -> dict[str, bytes]:
    """One content of each kind: where the violation stands, and how long all is."""
    texts = {
        "short": _TALK,
        "short, bad": f"{_TALK} WIN a {_PHRASE}!",
        "long": _LONG,
        "long, bad at the end": f"{_LONG} WIN a {_PHRASE}!",
        "long, bad in the middle": f"{_LONG} WIN a {_PHRASE}! {_LONG}",
    }
    return {name: _event(kind, text, number) for number, (name, text) in enumerate(texts.items())}


def _published(services: Services, flow: Flow, plans: list[Plan], **settings: Any) -> tuple[Feed, Published]:
    """What a service makes of records."""
    feed = Feed(flow)
    feed.send(plans)
    service = services.start(flow.configuration(**settings))
    service.until(flow.done, 60.0)
    assert service.terminate() == 0
    assert MARKER not in service.stderr
    return feed, read_published(flow)


def _decisions(kind: str, feed: Feed, published: Published) -> dict[str, tuple[str, tuple[str, ...]]]:
    """What became of each text: the decision and the signals."""
    names = {value: name for name, value in _texts(kind).items()}
    found = {}
    for at, plan in feed.sent.items():
        verdict = published.verdicts[at][0]
        found[names[plan.value or b""]] = (str(verdict.decision), verdict.signals)
    return found


@pytest.mark.parametrize("kind", ["message", "chat"])
@pytest.mark.parametrize(
    "limit",
    [
        {"route": {"limits": {"content_tokens": 1000}}, "engine": _ENGINE},
        {"engine": {**_ENGINE, "max_model_len": 2000}},
    ],
    ids=["the route's limit", "the model's context"],
)
def test_a_violation_past_the_limit_is_caught_by_splitting(
    kafka: Kafka, services: Services, tmp_path: Path, kind: str, limit: dict[str, Any]
) -> None:
    """Wherever it stands; what holds none is allowed, and each verdict says that it was judged in segments."""
    flow = make_flow(kafka, tmp_path)
    feed, published = _published(services, flow, [Plan(Fate.JUDGED, v) for v in _texts(kind).values()], **limit)
    assert check(feed.sent, published) == {Fate.JUDGED: 5}
    cut = ("context_cut",) if kind == "chat" else ()
    assert _decisions(kind, feed, published) == {
        "short": ("allow", cut),
        "short, bad": ("flag", cut),
        "long": ("allow", (*cut, "split")),
        "long, bad at the end": ("flag", (*cut, "split")),
        "long, bad in the middle": ("flag", (*cut, "split")),
    }
    asked = {name: published.verdicts[at][0].attempt for at, name in zip(feed.sent, _texts(kind), strict=True)}
    assert asked["short"] == 1 < asked["long"]


def test_a_route_may_rather_abstain(kafka: Kafka, services: Services, tmp_path: Path) -> None:
    """What is too long is then never judged in part: it is kept whole, as a dead letter."""
    flow = make_flow(kafka, tmp_path)
    plans = [
        Plan(Fate.ABSTAINED if name.startswith("long") else Fate.JUDGED, value, "too_long")
        for name, value in _texts("message").items()
    ]
    route = {"limits": {"content_tokens": 1000}, "long": {"over": "abstain"}}
    feed, published = _published(services, flow, plans, engine=_ENGINE, route=route)
    assert check(feed.sent, published) == {Fate.ABSTAINED: 3, Fate.JUDGED: 2}


def test_a_key_that_floods_with_long_text_is_limited_and_others_are_not(
    kafka: Kafka, services: Services, tmp_path: Path
) -> None:
    """It gets what its quota holds and one content more; all others are judged, and no dead letter tells of the flood."""
    flow = make_flow(kafka, tmp_path, partitions=2)
    flood = [Plan(Fate.JUDGED, _event("message", _LONG, n), key=b"flood") for n in range(40)]
    others = [Plan(Fate.JUDGED, _event("message", _TALK, n), key=b"room-%d" % (n % 7)) for n in range(40)]
    mixed = [plan for pair in zip(flood, others, strict=True) for plan in pair]
    quota = {"tokens": 10_000, "per": "1h"}
    feed, published = _published(services, flow, mixed, engine=_ENGINE, route={"quota": quota})
    ended = Counter[tuple[bytes | None, str]]()
    for at, plan in feed.sent.items():
        (verdict,) = published.verdicts[at]
        ended[plan.key[:4] if plan.key else None, verdict.abstention.reason if verdict.abstention else "judged"] += 1
        if verdict.abstention is not None:
            assert (verdict.decision, verdict.tokens.prompt, verdict.model) == (Decision.REVIEW, 0, None)
    assert ended == {(b"floo", "judged"): 3, (b"floo", "rate_limited"): 37, (b"room", "judged"): 40}
    assert not published.letters
