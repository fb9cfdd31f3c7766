"""What an edition is known by, and what is made anew for one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from stream_guard.config import load_config
from stream_guard.editions.edition import compose, edition_id
from stream_guard.events.model import View
from stream_guard.policy.load import load_policies
from stream_guard.policy.packed import Asked
from stream_guard.prompting.plain import PlainRenderer
from stream_guard.prompting.port import Template
from tests.cases import make_policy
from tests.inspections import make_route, make_settings
from tests.unit.editions.written import Written

POLICIES = {name: make_policy(name) for name in ("spam", "harassment")}


def test_the_same_files_elsewhere_are_the_same_edition(tmp_path: Path) -> None:
    """An operator compares what a laptop says with what a pod says."""
    one, two = Written(tmp_path / "one"), Written(tmp_path / "two" / "deeper")
    assert one.edition().id == two.edition().id


def test_neither_place_nor_order_of_settings_matters() -> None:
    """Descriptors are named by a path; a mapping's keys may be written in any order."""
    proto = {"format": "protobuf", "message": "acme.Chat"}
    here, there = ({**proto, "descriptors": folder} for folder in ("/a/chat.desc", "/b/chat.desc"))
    turned = dict(reversed(make_route(read=there).items()))
    assert edition_id(make_settings(make_route(read=here)), POLICIES) == edition_id(make_settings(turned), POLICIES)


@pytest.mark.parametrize(
    "more",
    [
        {"policies": ["harassment"]},
        {"policies": ["spam", "harassment"]},
        {"publish": "non_allow"},
        {"abstain": "block"},
        {"limits": {"turns": 3}},
        {"when": [{"header": "tenant", "any_of": ["a"]}]},
        {"when": [{"field": "attributes.tier", "matches": "free.*"}]},
        {"read": {"mapping": [{"message": {"text": "$.t"}}]}},
        {"quota": {"tokens": 5}},
        {"normalise": False},
        {"name": "other"},
    ],
)
def test_whatever_a_route_says_is_in_it(more: dict[str, Any]) -> None:
    """No change of what is judged, and how, leaves the hash as it was."""
    begun = edition_id(make_settings(), POLICIES)
    changed = edition_id(make_settings(make_route(**more)), POLICIES)
    assert begun != changed
    assert changed == edition_id(make_settings(make_route(**more)), POLICIES)


def test_the_order_of_routes_is_in_it() -> None:
    """A record belongs to the first that matches."""
    one, two = make_route("one"), make_route("two")
    assert edition_id(make_settings(one, two), POLICIES) != edition_id(make_settings(two, one), POLICIES)


def test_only_policies_that_a_route_names_are_in_it() -> None:
    """Another version of one changes it; a draft that nobody uses does not."""
    begun = edition_id(make_settings(), POLICIES)
    assert edition_id(make_settings(), {"spam": make_policy("spam", 2)}) != begun
    assert edition_id(make_settings(), {"spam": POLICIES["spam"]}) == begun


def test_what_is_no_matter_of_judging_is_not_in_it() -> None:
    """It would differ between pods that judge alike."""
    assert edition_id(make_settings(drain="3s"), POLICIES) == edition_id(make_settings(), POLICIES)


class Counting(PlainRenderer):
    """A renderer that remembers what it encoded."""

    def __init__(self) -> None:
        super().__init__()
        self.encoded: list[str] = []

    def template(self, asked: Asked, view: View) -> Template:
        """Notes it."""
        self.encoded.append(asked.id)
        return super().template(asked, view)


def test_a_policy_that_did_not_change_is_not_encoded_again(tmp_path: Path) -> None:
    """Its templates are the very same: what waits under them goes on sharing a group, and a change costs what it changes."""
    written, renderer = Written(tmp_path), Counting()
    written.policy("harassment")
    written.config(make_route(policies=["spam", "harassment"]))
    begun = written.edition(renderer)
    assert sorted(renderer.encoded) == ["harassment", "spam"]
    written.policy("spam", revision=2)
    settings = load_config(written.path, {})
    renderer.encoded.clear()
    after = compose(settings, load_policies(settings.policies), renderer, begun.routes.templates)
    assert renderer.encoded == ["spam"]
    same = {t.policy.id for t in after.routes.templates for known in begun.routes.templates if t is known}
    assert same == {"harassment"}


def test_its_repr_shows_no_secret(tmp_path: Path) -> None:
    """It holds the settings."""
    written = Written(tmp_path)
    written.config(content_hash_key="marmalade-zanzibar")
    assert "marmalade" not in repr(written.edition())
    assert repr(replace(written.edition())).startswith("Edition(")
