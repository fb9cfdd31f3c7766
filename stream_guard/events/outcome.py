"""What decoding a record can end in, besides an event."""

from __future__ import annotations

from enum import StrEnum

from msgspec import Struct


class IgnoredReason(StrEnum):
    """Why a record needs no judgement. Counted, never published."""

    TOMBSTONE = "tombstone"
    NOT_SELECTED = "not_selected"
    NO_LONGER_SELECTED = "no_longer_selected"
    """It was redriven, but no route of today judges it, or not under the policy that it failed under."""


class RejectionReason(StrEnum):
    """Why a record could not become cases. Such a record is dead-lettered."""

    EMPTY = "empty"
    NOT_UTF8 = "not_utf8"
    LONE_SURROGATE = "lone_surrogate"
    NOT_JSON = "not_json"
    TOO_DEEP = "too_deep"
    TOO_LARGE = "too_large"
    INVALID_EVENT = "invalid_event"
    UNSUPPORTED_KIND = "unsupported_kind"
    UNMAPPED = "unmapped"
    """The route's mapping did not find what it must: the detail names the path."""
    UNDECODABLE = "undecodable"
    """The bytes are not of the format (Avro, Protobuf, JSON Schema) that the route says they are."""
    UNREADABLE = "unreadable"
    """The Kafka client could not read all of the record (a header's name that is not UTF-8, say)."""
    POISON = "poison"
    """The record brought the process down, more than once, with nothing else in flight."""
    UNREADABLE_BATCH = "unreadable_batch"
    """A batch, or a value, that can't be read within the memory there is: the detail names its offsets, nothing is kept."""
    UNRESTORABLE = "unrestorable"
    """A record of the redrive or the escalation topic that does not say which record it is: somebody else wrote it."""
    FOREIGN_ESCALATION = "foreign_escalation"
    """It was escalated by a deployment of another namespace or lane: its verdict would compete with nobody's."""
    NOT_ESCALATABLE = "not_escalatable"
    """It was escalated, and no route here judges records of its topic, or what it makes of them is of another kind."""
    POLICY_UNUSABLE = "policy_unusable"
    """It was escalated with a policy document that can't be read, or under which this model can't be asked."""
    POLICY_MISMATCH = "policy_mismatch"
    """It was escalated with another policy document than that of its provisional verdict."""
    POLICY_CHANGED = "policy_changed"
    """It was escalated with a policy document that was changed, though its revision was not raised."""


class Ignored(Struct, frozen=True, gc=False):
    """This record is not to be judged."""

    reason: IgnoredReason


class Rejection(Struct, frozen=True, gc=False):
    """This record can't be judged. `detail` says what and where, never the content itself."""

    reason: RejectionReason
    detail: str
