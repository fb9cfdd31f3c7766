"""The policies that come with escalation records: checked against their hash and against those known here, encoded once each.

A document that was changed without raising its revision is refused: its verdicts would compete with those of the other text, and
nobody could say under which of them a case was decided. Known are the policies of the routes, and those that came before.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable
from typing import NamedTuple, TypeAlias

from msgspec.structs import replace

from stream_guard.errors import ConfigError
from stream_guard.events.model import KIND_OF_VIEW, View
from stream_guard.events.outcome import Rejection, RejectionReason
from stream_guard.policy.document import Policy, PolicyId
from stream_guard.policy.load import parse_policy
from stream_guard.prompting.port import Renderer, Template
from stream_guard.records import Escalated

_MOST = 64
"""Documents that are kept: of 64 kB and as many token ids each, at most."""
_REVISIONS = 1024
"""Revisions that are remembered."""

_Key: TypeAlias = tuple[bytes, str]


class _Made(NamedTuple):
    """What a document comes to."""

    policy: Policy
    template: Template


class CarriedPolicies:
    """Makes templates of documents. Pure but for what it remembers, which is bounded."""

    def __init__(
        self, renderer: Renderer, known: Iterable[Policy], *, namespace: str, lane: str, most: int = _MOST
    ) -> None:
        """`known` are the policies that are configured here; `namespace` and `lane` are those that verdicts are given in."""
        self._renderer = renderer
        self.know(known)
        self._met: OrderedDict[tuple[PolicyId, int], str] = OrderedDict()
        self._own = namespace, lane
        self._most = most
        self._made: OrderedDict[_Key, _Made | Rejection] = OrderedDict()

    def __len__(self) -> int:
        """How many documents are kept."""
        return len(self._made)

    def know(self, policies: Iterable[Policy]) -> None:
        """These are configured here now. What was before need not be known any more: a mended revision is raised."""
        self._configured = {(policy.id, policy.revision): policy.version for policy in policies}

    def template(self, escalated: Escalated, kind: str) -> Template | Rejection:
        """What a case is asked under, or why it must not be. `kind` is that of the event, as it is read here."""
        if KIND_OF_VIEW[View(escalated.view)] != kind:
            detail = f"it is read as a {kind} here, but {escalated.view} was judged"
            return Rejection(RejectionReason.NOT_ESCALATABLE, detail)
        if (escalated.namespace, escalated.lane) != self._own:
            return Rejection(RejectionReason.FOREIGN_ESCALATION, "it is of another namespace or lane")
        made = self._known(escalated)
        if isinstance(made, Rejection):
            return made
        policy = made.policy
        stated = escalated.policy_id, escalated.policy_version, escalated.revision
        if stated != (policy.id, policy.version, policy.revision):
            return Rejection(
                RejectionReason.POLICY_MISMATCH, "the policy document is not that of the provisional verdict"
            )
        if self._differs(policy):
            detail = f"policy {policy.id} was changed, but its revision is still {policy.revision}: raise it"
            return Rejection(RejectionReason.POLICY_CHANGED, detail)
        return made.template

    def _known(self, escalated: Escalated) -> _Made | Rejection:
        key = escalated.document, escalated.view
        made = self._made.get(key)
        if made is None:
            made = self._made[key] = self._make(*key)
            if len(self._made) > self._most:
                self._made.popitem(last=False)
        else:
            self._made.move_to_end(key)
        return made

    def _make(self, document: bytes, view: str) -> _Made | Rejection:
        try:
            policy = parse_policy(document.decode(), "the policy document")
            thought_about = replace(
                policy, quick_look=None
            )  # its bounds are another model's, and it was looked at before
            return _Made(policy, self._renderer.template(thought_about, View(view)))
        except UnicodeDecodeError:
            return Rejection(RejectionReason.POLICY_UNUSABLE, "the policy document is not UTF-8")
        except ConfigError as error:
            place, what = error.findings[0]
            return Rejection(RejectionReason.POLICY_UNUSABLE, f"{place}: {what}")

    def _differs(self, policy: Policy) -> bool:
        """Whether another text of this revision is known."""
        key = policy.id, policy.revision
        version = self._configured.get(key) or self._met.get(key)
        if version is None:
            self._met[key] = policy.version
            if len(self._met) > _REVISIONS:
                self._met.popitem(last=False)
        return version not in (None, policy.version)
