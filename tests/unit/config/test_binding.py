from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import jsonschema
import pytest
from msgspec.structs import replace

from stream_guard.config import Settings, build_routes, load_config, own_topics
from stream_guard.config.schema import config_schema
from stream_guard.engines.port import TextRead
from stream_guard.errors import ConfigError, Place
from stream_guard.events.content import Judged
from stream_guard.events.model import Chat, Completion, Message, Turn, View
from stream_guard.identity import PolicyVersion, PromptVersion
from stream_guard.policy.document import Decision, Effort, OutputForm, Policy, QuickLook
from stream_guard.policy.packed import Asked
from stream_guard.prompting.port import Rendered, Template, TextReading
from stream_guard.routing import Limits, Ordering, Outputs, Publish

CONFIG = """\
kafka: {bootstrap_servers: "localhost:9092", start: latest}
engine: {kind: scripted}
policies: [policies]
routes:
  - name: free
    topic: chat.messages
    judge: [message, last_turn]
    when: [{header: tenant, any_of: [acme]}, {field: attributes.tier, matches: 'free.*'}]
    policies: [spam, harassment]
    outputs: &outputs
      {verdicts: guard.verdicts, rulings: guard.rulings, rationale: guard.rationale, dead_letters: guard.dead-letters}
    publish: non_allow
    ordering: key
    limits: {record_bytes: 1000, content_chars: 100, turns: 10, depth: 4}
    abstain: block
    expire_after: 1h
    respond_by: 1.5s
    unique_event_id: true
    allow_unsupported: true
    normalise: false
  - name: rest
    pattern: '(chat|guard)\\..*'
    judge: [message]
    policies: [spam]
    outputs: *outputs
"""


class CountingRenderer:
    """A renderer that remembers what it was asked to encode."""

    def __init__(self) -> None:
        self.encoded: list[tuple[str, View]] = []

    def template(self, asked: Asked, view: View) -> Template:
        """A template without tokens."""
        self.encoded.append((asked.id, view))
        return Template(asked, view, PromptVersion(f"{asked.id} {view}"), TextRead(1, ()), TextReading(), (), ())

    def render(self, template: Template, contents: Sequence[Judged]) -> list[Rendered]:
        """Empty prompts."""
        return [Rendered([]) for _ in contents]

    def text(self, token_ids: Sequence[int]) -> str:
        """No text."""
        return ""


def make_policy(policy_id: str) -> Policy:
    """A policy that says nothing."""
    return Policy(
        id=policy_id, version=PolicyVersion("v"), revision=1, owner="tests", title=policy_id, output=OutputForm.BINARY,
        effort=Effort.LOW, categories=(), yes_means=None, examples=(), instruction="", definitions="", criteria="",
    )  # fmt: skip


POLICIES = {name: make_policy(name) for name in ("spam", "harassment", "unused")}


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """The configuration above."""
    (tmp_path / "policies").mkdir()
    (tmp_path / "guard.yaml").write_text(CONFIG, encoding="utf-8")
    return load_config(tmp_path / "guard.yaml", {})


def test_a_route_carries_all_of_its_settings(settings: Settings) -> None:
    """Nothing that the operator wrote is lost on the way to the pipeline."""
    routes = build_routes(settings, POLICIES, CountingRenderer()).all
    route = routes[0]
    assert route.outputs == Outputs("guard.verdicts", "guard.rulings", "guard.dead-letters", "guard.rationale")
    assert route.limits == Limits(1000, 100, 10, 4)
    assert (route.name, route.publish, route.abstain) == ("free", Publish.NON_ALLOW, Decision.BLOCK)
    assert [each.ordering for each in routes] == [Ordering.KEY, Ordering.NONE]
    assert (route.expire_after_s, route.unique_event_id, route.allow_unsupported) == (3600.0, True, True)
    assert [each.terms.respond_by_s for each in routes] == [1.5, None]
    assert [each.normalise for each in routes] == [False, True]
    assert list(route.templates) == [View.MESSAGE, View.LAST_TURN]
    assert [template.policy.id for template in route.templates[View.LAST_TURN]] == ["spam", "harassment"]


def test_a_policy_is_encoded_once_for_each_view(settings: Settings) -> None:
    """Two routes with the same policy share its template."""
    renderer = CountingRenderer()
    routes = build_routes(settings, POLICIES, renderer)
    assert sorted(renderer.encoded) == sorted(set(renderer.encoded))
    assert routes.all[0].templates[View.MESSAGE][0] is routes.all[1].templates[View.MESSAGE][0]


def test_records_fall_through_to_the_route_that_wants_them(settings: Settings) -> None:
    """Exact topics, patterns, headers, fields and kinds select as written."""
    routes = build_routes(settings, POLICIES, CountingRenderer())

    def chosen(topic: str, tenant: bytes, event: Message | Chat | Completion) -> str | None:
        selected = routes.select(routes.candidates(topic, (("tenant", tenant),)), event)
        return selected and selected[0].name

    free = Message(content="hello", attributes={"tier": "free-trial"})
    assert chosen("chat.messages", b"acme", free) == "free"
    assert chosen("chat.messages", b"acme", Message(content="hello", attributes={"tier": "paid"})) == "rest"
    assert chosen("chat.messages", b"other", free) == "rest"
    assert chosen("chat_messages", b"acme", free) is None
    assert chosen("chat.messages", b"other", Chat(turns=(Turn(role="user", content="hello"),))) is None


def test_an_unknown_policy_is_an_error_with_its_place(settings: Settings) -> None:
    """Every route that names it is a finding, with what there is instead."""
    with pytest.raises(ConfigError) as caught:
        build_routes(settings, {"harassment": POLICIES["harassment"]}, CountingRenderer())
    assert [(place.line, place.column, what) for place, what in caught.value.findings] == [
        (9, 16, "there is no policy spam (loaded: harassment)"),
        (24, 16, "there is no policy spam (loaded: harassment)"),
    ]


def test_own_topics_are_all_that_we_publish_to(settings: Settings) -> None:
    """The source keeps patterns away from them."""
    assert own_topics(settings) == {"guard.verdicts", "guard.rulings", "guard.rationale", "guard.dead-letters"}


PACKED_LINE = CONFIG.splitlines().index("    policies: [spam, harassment]") + 2
"""Where groups stand."""


def packed_settings(tmp_path: Path, packed: str) -> Settings:
    """The configuration above, its first route with groups."""
    (tmp_path / "policies").mkdir(exist_ok=True)
    text = CONFIG.replace(
        "    policies: [spam, harassment]\n", f"    policies: [spam, harassment]\n    packed: {packed}\n"
    )
    (tmp_path / "guard.yaml").write_text(text, encoding="utf-8")
    return load_config(tmp_path / "guard.yaml", {})


def test_groups_are_asked_about_together_in_every_view(tmp_path: Path) -> None:
    """And each policy by itself where it has to be: a case that was redriven, or goes on."""
    routes = build_routes(packed_settings(tmp_path, "[[harassment, spam]]"), POLICIES, CountingRenderer())
    route, rest = routes.all
    for view in (View.MESSAGE, View.LAST_TURN):
        (pack,) = route.packed[view]
        assert pack.asked.id == "harassment+spam"
        assert route.together(view, route.templates[view]) == (pack,)
        assert route.together(view, route.templates[view][:1]) == route.templates[view][:1]
        assert any(each is pack for each in routes.templates)
    assert rest.together(View.MESSAGE, rest.templates[View.MESSAGE]) == rest.templates[View.MESSAGE]


@pytest.mark.parametrize(
    ("packed", "problem"),
    [
        ("[[spam]]", "a group takes two policies or more, not ['spam']"),
        ("[[]]", "a group takes two policies or more"),
        ("[[spam, rest]]", "rest is none of the route's policies"),
        ("[[spam, harassment], [spam, harassment]]", "spam is named twice, and is asked about once"),
        ("[[spam, spam]]", "spam is named twice"),
        ("spam", "must be policies that are asked about together, [a, b], or several such groups, [[a, b], [c, d]]"),
        ("[spam, 5]", "must be policies"),
        ("[[spam, harassment], spam]", "must be policies"),
        ("[[spam, 5]]", "must be policies"),
        ("{spam: harassment}", "must be policies"),
    ],
)
def test_a_group_that_makes_no_sense_is_refused_with_its_place(tmp_path: Path, packed: str, problem: str) -> None:
    """What and where."""
    with pytest.raises(ConfigError) as caught:
        packed_settings(tmp_path, packed)
    ((place, what),) = caught.value.findings
    assert problem in what
    assert place.line == PACKED_LINE


def test_one_group_needs_no_list_of_groups(tmp_path: Path) -> None:
    """Most have one."""
    assert packed_settings(tmp_path, "[spam, harassment]").routes[0].packed == (("spam", "harassment"),)


def test_the_schema_takes_both_forms() -> None:
    """What an editor checks is what the documentation shows."""
    route = config_schema()["$defs"]["RouteSettings"]["properties"]["packed"]
    for good in (["a", "b"], [["a", "b"], ["c", "d"]], []):
        jsonschema.validate(good, route)
    for bad in (["a"], [["a"]], "a", [1, 2]):
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate(bad, route)


def test_a_model_that_can_t_be_asked_so_is_told_with_the_place(tmp_path: Path) -> None:
    """The renderer knows no file."""

    class OneWord(CountingRenderer):
        def template(self, asked: Asked, view: View) -> Template:
            if asked.id == "harassment+spam":
                raise ConfigError((Place("policies harassment+spam"), "can't be packed"))
            return super().template(asked, view)

    with pytest.raises(ConfigError) as caught:
        build_routes(packed_settings(tmp_path, "[[harassment, spam]]"), POLICIES, OneWord())
    ((place, what),) = caught.value.findings
    assert (place.line, what) == (PACKED_LINE, "policies harassment+spam: can't be packed")


def test_a_policy_with_a_quick_look_is_in_no_group(tmp_path: Path) -> None:
    """A look reads the label of one policy: rather than to pass it over, it is said."""
    looked = {**POLICIES, "spam": replace(POLICIES["spam"], quick_look=QuickLook(0.1))}
    with pytest.raises(ConfigError) as caught:
        build_routes(packed_settings(tmp_path, "[[harassment, spam]]"), looked, CountingRenderer())
    ((place, what),) = caught.value.findings
    assert "policy spam has a quick_look" in what
    assert place.line == PACKED_LINE
