"""What a running service takes over, and what it does not."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from stream_guard.config import load_config
from stream_guard.editions.changes import needs_restart
from tests.inspections import OUTPUTS, make_route, make_settings
from tests.unit.editions.written import Written

TWO = (make_route("one"), make_route("two", limits={"record_bytes": 5000}, outputs={**OUTPUTS, "verdicts": "more"}))


def said(begun: tuple[Any, ...], now: tuple[Any, ...], **more: Any) -> list[str]:
    """What needs a restart."""
    return [what for _, what in needs_restart(make_settings(*begun), make_settings(*now, **more))]


@pytest.mark.parametrize(
    "now",
    [
        (make_route(policies=["spam", "harassment"], publish="non_allow", abstain="block"),),
        (make_route(when=[{"header": "a", "present": True}], expire_after="1h", respond_by="2s", normalise=False),),
        (make_route(limits={"record_bytes": 1000, "turns": 2_000, "content_chars": 200_000, "content_tokens": 9, "depth": 99}),),
        (make_route("renamed", quota={"tokens": 5}, ordering="key", allow_unsupported=True, unique_event_id=True),),
        (make_route(judge=["message", "chat"], read={"mapping": [{"message": {"text": "$.t"}}]}),),
        (make_route(read={"format": "text"}), make_route("rest")),
    ],
)  # fmt: skip
def test_what_a_route_says_of_its_records_may_change(now: tuple[Any, ...]) -> None:
    """Conditions, policies, what is published, limits within those of the start, quotas, mappings, more routes."""
    assert said((make_route(),), now) == []


def test_where_policies_lie_may_change() -> None:
    """They are read anew each time."""
    assert said((make_route(),), (make_route(),), policies=["elsewhere"]) == []


def test_routes_may_go_and_change_places() -> None:
    """As long as somebody takes each input's records."""
    assert said(TWO, TWO[:1]) == said(TWO, TWO[::-1]) == []


def test_whatever_was_in_force_once_can_be_so_again() -> None:
    """It is held against the start: a limit that was lowered may be raised again, an output that was dropped may be used."""
    assert said(TWO, (make_route("one", limits={"record_bytes": 5000}, outputs={**OUTPUTS, "verdicts": "more"}),)) == []


@pytest.mark.parametrize(
    ("now", "what"),
    [
        ((make_route(topic="other"),), "topic other was not read at the start: to read it needs a restart"),
        ((make_route(topic="other"),), "topic in is read, and no route takes its records any more: that needs a restart"),
        ((make_route(), make_route("b", pattern="b.*")), "the pattern b.* was not read at the start: to read it needs a restart"),
        ((make_route(outputs={**OUTPUTS, "rulings": "new"}),), "new was not checked for rulings of topic in at the start: that needs a restart"),
        ((make_route(outputs={**OUTPUTS, "rationale": "why"}),), "why was not checked for rationale of topic in at the start: that needs a restart"),
        ((make_route(outputs={**OUTPUTS, "rationale": "verdicts", "verdicts": "letters", "dead_letters": "x"}),), "letters was not checked for verdicts of topic in at the start: that needs a restart"),
        ((make_route(escalate={"topic": "up", "final_by": "5m", "when": {"always": True}}),), "up was not checked for escalations of topic in at the start: that needs a restart"),
        ((make_route(subscribe=False),), "topic in is read, and no route takes its records any more: that needs a restart"),
        ((make_route(limits={"record_bytes": 1_048_577}),), "room was reserved at the start for records of 1048576 bytes: for larger ones it needs a restart"),
        ((make_route(read={"format": "avro"}),), "another format, type or file of descriptors, or another first route to say so, needs a restart"),
        ((make_route(context={"last": 3}),), "route chat has another context than at the start: that needs a restart"),
    ],
)  # fmt: skip
def test_what_the_start_opened_or_checked_may_not(now: tuple[Any, ...], what: str) -> None:
    """Each in a sentence that says what it is and that it needs a restart."""
    assert what in said((make_route(),), now)


def test_escalation_may_change_but_for_its_topic() -> None:
    """When it happens and until when it is awaited may; to where, was checked at the start."""
    up = {"topic": "up", "final_by": "5m", "when": {"always": True}}
    begun = (make_route(escalate=up),)
    assert said(begun, (make_route(escalate={**up, "final_by": "9m", "when": {"severity": 3}}),)) == []
    assert said(begun, (make_route(),)) == []
    assert said(begun, (make_route(escalate={"effort": "high", "when": {"always": True}}),)) == []
    (told,) = said(begun, (make_route(escalate={**up, "topic": "down"}),))
    assert told == "down was not checked for escalations of topic in at the start: that needs a restart"


def test_a_topic_that_is_not_read_can_not_be_read_from_now_on() -> None:
    """What is subscribed to is settled at the start."""
    (told,) = said((make_route(subscribe=False),), (make_route(),))
    assert told == "topic in was not read at the start: to read it needs a restart"


def test_a_context_may_neither_change_nor_go() -> None:
    """How much is read again was settled at the start, and what is remembered belongs to a route by its name."""
    begun = (make_route(context={"last": 3}),)
    assert said(begun, (make_route(context={"last": 3}, publish="non_allow"),)) == []
    assert said(begun, (make_route(context={"last": 4}),)) == [
        "route chat has another context than at the start: that needs a restart"
    ]
    assert said(begun, (make_route("renamed"),)) == [
        "route chat, which had a context at the start, is gone: that needs a restart"
    ]


def test_who_says_first_how_values_are_written_may_not_change() -> None:
    """Two inputs may name the same topic: the first route's format counts."""
    avro, text = make_route("a", pattern="a.*", read={"format": "avro"}), make_route("b", pattern="b.*")
    assert said((avro, text), (avro, text)) == []
    (what,) = said((avro, text), (text, avro))
    assert what.startswith("another format")


def test_each_setting_elsewhere_is_named_and_never_shown(tmp_path: Path) -> None:
    """By its name in the file, at its place; what is a secret stays one."""
    written = Written(tmp_path)
    written.config(window={"records": 10}, content_hash_key="marmalade-zanzibar-1")
    begun = load_config(written.path, {})
    written.config(
        window={"records": 20}, content_hash_key="marmalade-zanzibar-2", telemetry={"http_port": 1},
        kafka={"bootstrap_servers": "localhost:9092", "group": "other", "start": "earliest"},
        engine={"kind": "openai", "base_url": "http://127.0.0.1:1/v1", "model": "m", "api": "chat"},
    )  # fmt: skip
    found = needs_restart(begun, load_config(written.path, {}))
    assert sorted(what.split(" ")[0] for _, what in found) == [
        "content_hash_key", "engine.kind", "kafka.group", "telemetry.http_port", "window.records",
    ]  # fmt: skip
    assert all(place.file == str(written.path) and place.line is not None for place, _ in found)
    assert "marmalade" not in repr(found)


def test_paths_that_a_mount_swaps_are_no_change(tmp_path: Path) -> None:
    """A file beside the configuration has the same name after the swap of a ConfigMap."""
    for version in ("one", "two"):
        Written(tmp_path / version).config(state_dir="state")
    mount = tmp_path / "mount"
    mount.mkdir()
    (mount / "..data").symlink_to("../one")
    (mount / "guard.yaml").symlink_to("..data/guard.yaml")
    begun = load_config(mount / "guard.yaml", {} | {"STREAM_GUARD_POLICIES": f'["{tmp_path}/one/policies"]'})
    (mount / "new").symlink_to("../two")
    (mount / "new").replace(mount / "..data")
    now = load_config(mount / "guard.yaml", {} | {"STREAM_GUARD_POLICIES": f'["{tmp_path}/two/policies"]'})
    assert begun.state_dir == mount / "state"
    assert needs_restart(begun, now) == []
