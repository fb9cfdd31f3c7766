"""Policies that come with escalated records: which are judged under, and which are refused."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from stream_guard.errors import ConfigError, Place
from stream_guard.escalation.policies import CarriedPolicies
from stream_guard.events.model import View
from stream_guard.events.outcome import Rejection, RejectionReason
from stream_guard.policy.document import Policy
from stream_guard.policy.load import parse_policy
from stream_guard.policy.packed import Asked, Packed
from stream_guard.prompting.plain import PlainRenderer
from stream_guard.prompting.port import Template
from stream_guard.records import Escalated
from tests.cases import RENDERER, make_record
from tests.escalations import make_document, make_written_policy


class CountingRenderer(PlainRenderer):
    """Counts the templates that it makes; it can't be asked under a policy that says `never`."""

    def __init__(self) -> None:
        super().__init__()
        self.made = 0

    def template(self, asked: Asked, view: View) -> Template:
        """See the port."""
        self.made += 1
        if not isinstance(asked, Packed) and "never" in asked.criteria:
            raise ConfigError((Place("model"), "can't be asked under this"))
        return super().template(asked, view)


def make_escalated(document: str | bytes | None = None, **changes: Any) -> Escalated:
    """What comes with a case under the policy of a document."""
    document = make_document() if document is None else document
    raw = document.encode() if isinstance(document, str) else document
    policy = make_written_policy()
    escalated = Escalated(
        namespace="default", lane="live", policy_id=policy.id, policy_version=policy.version, revision=policy.revision,
        document=raw, view=View.MESSAGE, verdict_id="v", sequence=0, context="", context_turns=0, text_parts=1, unsupported_parts=(), complete=True,
        context_partial=False, brought_by=make_record(),
    )  # fmt: skip
    return replace(escalated, **changes)


def of(policy: Policy, **changes: Any) -> Escalated:
    """The same of another policy."""
    return make_escalated(
        policy.document, policy_id=policy.id, policy_version=policy.version, revision=policy.revision, **changes
    )


def make_policies(*known: Policy, **settings: Any) -> CarriedPolicies:
    """Those of a deployment that has these configured."""
    return CarriedPolicies(RENDERER, known, namespace="default", lane="live", **settings)


def judged(policies: CarriedPolicies, escalated: Escalated) -> Template | Rejection:
    """What its event is judged under."""
    return policies.template(escalated, "chat" if escalated.view == View.LAST_TURN else "message")


def reason(found: Template | Rejection) -> RejectionReason | None:
    """Why one was refused."""
    return found.reason if isinstance(found, Rejection) else None


def test_a_document_makes_the_template_that_its_deployment_would_make() -> None:
    """By this deployment's own renderer, whether it has the policy or not."""
    own = RENDERER.template(make_written_policy(), View.MESSAGE)
    for policies in (make_policies(), make_policies(make_written_policy())):
        assert judged(policies, make_escalated()) == own


def test_what_was_escalated_is_not_looked_at() -> None:
    """A look would settle it by one token, with bounds that were measured on another model."""
    document = make_document().replace("yes_means", "quick_look: {permits_below: 0.1}\nyes_means", 1)
    policy = parse_policy(document, "adverts.md")
    assert RENDERER.template(policy, View.MESSAGE).look is not None
    found = judged(make_policies(), make_escalated(document, policy_version=policy.version))
    assert isinstance(found, Template)
    assert (found.look, found.policy.version) == (None, policy.version)


def test_a_document_is_encoded_once_for_each_view() -> None:
    """However many records bring it, each in bytes of its own."""
    renderer = CountingRenderer()
    policies = CarriedPolicies(renderer, (), namespace="default", lane="live")
    for _ in range(3):
        for view in (View.MESSAGE, View.LAST_TURN):
            judged(policies, make_escalated(bytes(bytearray(make_document().encode())), view=view))
    assert (renderer.made, len(policies)) == (2, 2)


def test_what_is_kept_is_bounded() -> None:
    """The one that was asked for longest ago goes first."""
    renderer = CountingRenderer()
    policies = CarriedPolicies(renderer, (), namespace="default", lane="live", most=2)
    first, second, third = (of(make_written_policy(revision=revision)) for revision in (1, 2, 3))
    for escalated in (first, second, first, third):
        assert isinstance(judged(policies, escalated), Template)
    assert (renderer.made, len(policies)) == (3, 2)
    judged(policies, first)
    assert renderer.made == 3
    judged(policies, second)
    assert renderer.made == 4


@pytest.mark.parametrize("changes", [{"namespace": "other"}, {"lane": "shadow"}])
def test_what_is_of_another_tenant_or_lane_is_refused(changes: dict[str, Any]) -> None:
    """Its verdict would fill a slot that nobody reads."""
    assert reason(judged(make_policies(), make_escalated(**changes))) is RejectionReason.FOREIGN_ESCALATION


@pytest.mark.parametrize(
    "document", [b"", b"\xff", b"no policy", make_document(effort="utter"), make_document(criteria="never")]
)
def test_a_document_that_is_of_no_use_is_refused(document: str | bytes) -> None:
    """Empty, no text, no policy, a policy of a later release, or one that this model can't be asked under."""
    policies = CarriedPolicies(CountingRenderer(), (), namespace="default", lane="live")
    found = judged(policies, make_escalated(document))
    assert reason(found) is RejectionReason.POLICY_UNUSABLE
    assert reason(judged(policies, make_escalated(document))) is RejectionReason.POLICY_UNUSABLE


@pytest.mark.parametrize("changes", [{"policy_version": "f" * 32}, {"policy_id": "insults"}, {"revision": 2}])
def test_a_document_of_another_hash_is_refused(changes: dict[str, Any]) -> None:
    """It is not what the provisional verdict was given under."""
    assert reason(judged(make_policies(), make_escalated(**changes))) is RejectionReason.POLICY_MISMATCH


def test_a_changed_document_of_the_same_revision_is_refused() -> None:
    """Be the other text configured here, or have come before; the detail says what to do."""
    changed = of(make_written_policy(criteria="Offers are fine."))
    configured, met = make_policies(make_written_policy()), make_policies()
    judged(met, make_escalated())
    for policies in (configured, met):
        found = judged(policies, changed)
        assert isinstance(found, Rejection)
        assert found == Rejection(
            RejectionReason.POLICY_CHANGED, "policy adverts was changed, but its revision is still 1: raise it"
        )
        assert isinstance(judged(policies, make_escalated()), Template)


def test_a_changed_document_of_another_revision_is_not() -> None:
    """Newer or older than what is configured: it says so, and the fold knows which counts."""
    policies = make_policies(make_written_policy(revision=2))
    for revision in (1, 3):
        changed = make_written_policy(revision=revision, criteria="Offers are fine.")
        assert isinstance(judged(policies, of(changed)), Template)
