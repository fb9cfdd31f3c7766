from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from stream_guard.checkup.finding import Finding
from stream_guard.checkup.lint import advise
from stream_guard.config.resolved import Origins
from tests.cases import make_policy
from tests.inspections import make_route, make_settings

POLICIES = {"spam": make_policy("spam")}


@pytest.fixture
def nothing(tmp_path: Path) -> Path:
    """A file with nothing in it that is a secret."""
    path = tmp_path / "guard.yaml"
    path.write_text("namespace: default\n", encoding="utf-8")
    return path


def lint(path: Path, *routes: Mapping[str, Any], env: Mapping[str, str] | None = None, **more: Any) -> list[Finding]:
    """The advice on a configuration."""
    settings = make_settings(*routes, **more)
    return advise(settings, POLICIES, Origins(settings, path), env or {})


def test_a_plain_configuration_needs_no_advice(nothing: Path) -> None:
    """The defaults are fine on a machine of one's own."""
    assert lint(nothing) == []


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ({}, {"when": [{"header": "tenant", "present": True}]}),
        ({"pattern": "i.*"}, {}),
        ({"pattern": ".*"}, {"pattern": "in.*"}),
        ({"pattern": "in.*"}, {"pattern": "in.*"}),
        ({"judge": ["message", "chat"]}, {"judge": ["last_turn"]}),
    ],
)
def test_a_route_behind_one_that_takes_everything_is_never_reached(
    nothing: Path, first: dict[str, Any], second: dict[str, Any]
) -> None:
    """The same topic, or a pattern that covers it, without a `when`."""
    found = lint(nothing, make_route("first", **first), make_route("second", **second))
    assert found[0].sentence.startswith("route second can never be reached: first stands before it")


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ({"when": [{"header": "tenant", "present": True}]}, {}),
        ({"judge": ["message"]}, {"judge": ["chat"]}),
        ({}, {"topic": "elsewhere"}),
        ({"pattern": "in.*"}, {"pattern": "i.*"}),
        ({}, {"pattern": "i.*"}),
        ({}, {"read": {"format": "text"}}),
    ],
)
def test_a_route_that_gets_what_others_leave_is_fine(
    nothing: Path, first: dict[str, Any], second: dict[str, Any]
) -> None:
    """Other conditions, kinds, topics or readings leave something."""
    assert lint(nothing, make_route("first", **first), make_route("second", **second)) == []


def test_a_pattern_that_matches_outputs_is_said(nothing: Path) -> None:
    """They are passed over, which its author may not know."""
    (found,) = lint(nothing, make_route(pattern=".*s"))
    assert "also matches output topics, which are passed over: letters, rulings, verdicts" in found.sentence


@pytest.mark.parametrize(("tokens", "count"), [(4096, 1), (4095, 0)])
def test_contents_must_leave_room_for_the_policy(nothing: Path, tokens: int, count: int) -> None:
    """As many tokens as the model's context are too many."""
    engine = {"kind": "scripted", "max_model_len": 4096}
    assert len(lint(nothing, make_route(limits={"content_tokens": tokens}), engine=engine)) == count


def test_an_expiry_that_a_rebalance_reaches_is_said(nothing: Path) -> None:
    """Handing a partition over takes up to `drain`."""
    found = lint(nothing, make_route(expire_after=5), kafka={"start": "latest"})
    assert ["at every rebalance its events would abstain" in each.sentence for each in found] == [True]


def test_an_expiry_and_a_backlog_contradict_each_other(nothing: Path) -> None:
    """From the beginning, what is old abstains."""
    found = lint(nothing, make_route(expire_after="1h"))
    assert ["at the first start all that is older than that abstains (review)" in each.sentence for each in found] == [
        True
    ]


def test_a_time_for_answers_and_a_backlog_contradict_each_other(nothing: Path) -> None:
    """From the beginning, nobody waits for an answer any more; from now on, somebody does."""
    found = lint(nothing, make_route(respond_by="5s"))
    assert ["respond_by 5 s, but kafka.start is earliest" in each.sentence for each in found] == [True]
    assert lint(nothing, make_route(respond_by="5s"), kafka={"start": "latest"}) == []


def test_a_context_that_is_not_read_again_is_said(nothing: Path) -> None:
    """It would be empty after each restart."""
    (found,) = lint(nothing, make_route(context={"last": 10, "reread": 5}))
    assert "reads only 5 records of all keys again" in found.sentence


def test_a_policy_that_no_route_uses_is_said(nothing: Path) -> None:
    """Somebody thinks that it counts."""
    settings = make_settings()
    (found,) = advise(settings, {**POLICIES, "abuse": make_policy("abuse")}, Origins(settings, nothing), {})
    assert found.sentence == "policy abuse is loaded, but no route uses it"


@pytest.mark.parametrize(
    ("env", "telemetry", "count"),
    [({}, {}, 0), ({"KUBERNETES_SERVICE_HOST": "10.0.0.1"}, {}, 1), ({"KUBERNETES_SERVICE_HOST": "10.0.0.1"}, {"http_host": "10.0.0.7"}, 0),
     ({"KUBERNETES_SERVICE_HOST": "10.0.0.1"}, {"http_port": None}, 0)],
)  # fmt: skip
def test_probes_must_reach_a_pod(nothing: Path, env: dict[str, str], telemetry: dict[str, Any], count: int) -> None:
    """127.0.0.1 is right on a machine of one's own."""
    assert len(lint(nothing, env=env, telemetry=telemetry)) == count


@pytest.mark.parametrize(
    ("url", "key", "advised"),
    [
        ("http://inference:8000/v1", "hush", True),
        ("http://inference:8000/v1", None, False),
        ("https://inference/v1", "hush", False),
        ("http://127.0.0.1:8000/v1", "hush", False),
        ("http://[::1]:8000/v1", "hush", False),
    ],
)
def test_a_key_that_anybody_can_read_on_its_way(nothing: Path, url: str, key: str | None, advised: bool) -> None:
    """Without TLS, to another machine; the key itself is not shown."""
    engine = {"kind": "openai", "base_url": url, "model": "m", "api": "chat", **({"api_key": key} if key else {})}
    found = [finding.sentence for finding in lint(nothing, engine=engine) if "over http" in finding.sentence]
    assert bool(found) is advised
    assert "hush" not in "".join(found)
