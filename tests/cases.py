"""What tests of the flow share: records, a policy, a route and the pieces between them."""

from __future__ import annotations

import re
from collections.abc import Mapping

import orjson

from stream_guard.deciding import Decider
from stream_guard.delivery.hearing import Hearing
from stream_guard.docket import Docket
from stream_guard.engines.port import EngineIdentity
from stream_guard.events.model import View
from stream_guard.identity import PolicyVersion
from stream_guard.policy.document import Category, Decision, Effort, OutputForm, Policy
from stream_guard.prompting.plain import PlainRenderer
from stream_guard.publishing import Provenance, Publisher
from stream_guard.records import Headers, Lease, Record
from stream_guard.routing import Outputs, Route, Routes

LEASE = Lease("chat", 0, 1, "topic-id")
NOW_MS = 1_790_000_000_000
OUTPUTS = Outputs("verdicts", "rulings", "dead-letters", "rationale")
ENGINE = EngineIdentity("scripted", "1", "model-x", "manifest", 8192)
RENDERER = PlainRenderer()


def make_policy(policy_id: str = "spam", revision: int = 1) -> Policy:
    """A binary policy that flags."""
    return Policy(
        id=policy_id,
        version=PolicyVersion(f"{policy_id}-{revision}"),
        revision=revision,
        owner="team",
        title=policy_id,
        output=OutputForm.BINARY,
        effort=Effort.LOW,
        categories=(Category("OK", "Fine", 0, Decision.ALLOW), Category("BAD", "Not fine", 2, Decision.FLAG)),
        yes_means="BAD",
        examples=(),
        instruction="Decide.",
        definitions="None.",
        criteria="None.",
    )


def make_route(
    name: str = "chat", topic: str = "chat", policies: tuple[str, ...] = ("spam",), **settings: object
) -> Route:
    """A route with these policies in all views; `settings` are fields of the route."""
    views = (View.MESSAGE, View.LAST_TURN, View.COMPLETION)
    made = [make_policy(policy) for policy in policies]
    templates = {view: tuple(RENDERER.template(policy, view) for policy in made) for view in views}
    fields: Mapping[str, object] = {"templates": templates, "outputs": OUTPUTS, **settings}
    return Route(name=name, topic=re.compile(topic), **fields)  # type: ignore[arg-type]  # settings of the test's choice


def make_record(
    value: object = None, *, offset: int = 7, lease: Lease = LEASE, key: bytes | None = b"room", headers: Headers = ()
) -> Record:
    """A record with the JSON of `value`; bytes as they are; without a value, a plain message."""
    if value is None:
        value = {"kind": "message", "content": "hello there"}
    raw = value if isinstance(value, bytes) else orjson.dumps(value)
    return Record(lease, offset, raw, key=key, headers=headers, timestamp_ms=NOW_MS - 1_000)


def make_tombstone(offset: int = 7) -> Record:
    """A record without a value."""
    return Record(LEASE, offset, None, key=b"room", timestamp_ms=NOW_MS)


def make_docket(*routes: Route) -> Docket:
    """A docket over these routes, or over one."""
    return Docket(Routes(routes or (make_route(),)), cluster="cluster")


def open_hearing(record: Record | None = None, *routes: Route) -> Hearing:
    """The hearing of one record."""
    (hearing,) = make_docket(*routes).open([record or make_record()], [None], 10.0, NOW_MS)
    return hearing


def make_decider(content_hash_key: bytes | None = None) -> Decider:
    """A decider of the live lane."""
    return Decider(namespace="default", lane="live", engine=ENGINE, content_hash_key=content_hash_key)


def make_publisher() -> Publisher:
    """A publisher of the same service."""
    return Publisher(Provenance("default", "live", "cluster", "group", "0.1.0", "model-x"))
