"""What an output may say, given the truth: checked the moment it is sent. Each check returns what is wrong, in words."""

from __future__ import annotations

from collections.abc import Iterator
from collections.abc import Set as AbstractSet
from typing import Final, TypeAlias

from stream_guard.events.content import CONTEXT_PARTIAL
from stream_guard.identity import Subject, ruling_id, slot, verdict_id
from stream_guard.judging.judgement import QUICK_LOOK, AbstentionReason
from stream_guard.policy.document import Decision
from stream_guard.policy.packed import Packed
from stream_guard.prompting.port import Template
from stream_guard.routing import Publish
from stream_guard.verdicts.model import Entry, Rank, Ruling, Verdict
from tests.simulation.corpus import ALL_ITEMS, GOES_ON, LANE, NAMESPACE, Fate
from tests.simulation.log import SimRecord
from tests.simulation.policies import truth, unsure

Answers: TypeAlias = dict[tuple[str, int], set[tuple[Decision, str]]]
"""The decisions and categories that the engine truly gave, by policy id and number of the content."""

Seen: TypeAlias = dict[tuple[str, int], set[int]]
"""The items of long contents that the engine truly looked at, by policy id and number of the content."""

_JUDGED: Final = (Fate.JUDGED, Fate.SPLIT)

_BLAME: Final = {
    AbstentionReason.UNPARSEABLE: "garbage",
    AbstentionReason.UNDECIDED: "garbage",
    AbstentionReason.FAILED: "transient",
    AbstentionReason.REJECTED: "rejected",
    AbstentionReason.TIMEOUT: "stuck",
    AbstentionReason.TOO_LONG: "too_long",
    AbstentionReason.ENGINE_KILLER: "killer",
}
"""What an engine must have done to a case before it may end in this abstention."""

_FATES: Final = {
    AbstentionReason.UNSUPPORTED_CONTENT: Fate.UNSUPPORTED,
    AbstentionReason.EXPIRED: Fate.EXPIRED,
    AbstentionReason.TOO_LONG: Fate.TOO_LONG,
}


def check_verdict(
    record: SimRecord,
    read: SimRecord,
    verdict: Verdict,
    answers: Answers,
    spoiled: AbstractSet[tuple[str, int, str]],
    seen: Seen,
) -> list[str]:
    """Whether a verdict says nothing but the truth. `answers` and `spoiled` tell what the engine has said of what.

    `read` is the record that was read: that itself, or one of ours that brought it once more.
    """
    policy_id = verdict.policy.id
    template = (read.lifted if verdict.sequence else read.asked).get(policy_id)
    if template is None or verdict.subject != record.subject:
        return [f"no case of this record: {policy_id}, subject {verdict.subject}"]
    return [
        *_check_identity(record, verdict, template),
        *_check_route(record, verdict),
        *(
            _check_judgement(record, verdict, template, answers, seen)
            if verdict.abstention is None
            else _check_abstention(record, verdict, template, spoiled)
        ),
    ]


def _check_identity(record: SimRecord, verdict: Verdict, template: Template) -> Iterator[str]:
    place = slot(NAMESPACE, LANE, verdict.subject, verdict.policy.id)
    if verdict.slot != place:
        yield "the slot is not that of its subject and policy"
    version = record.templates[verdict.policy.id].policy.version, template.prompt_version
    if (verdict.policy.version, verdict.prompt_version) != version:
        under, due = record.asked_under(verdict), template.asked.id
        if under is not None and under.asked.id != due:
            yield f"{verdict.policy.id} was asked about under {under.asked.id}, not under {due}"
        else:
            yield "another policy or prompt version than the route's"
    if verdict.id != verdict_id(place, *version, verdict.rank, verdict.stage.name, verdict.through, verdict.sequence):
        yield "the id does not follow from what it names"


def _check_route(record: SimRecord, verdict: Verdict) -> Iterator[str]:
    route = record.content.route
    if verdict.route != route.name or verdict.view != record.content.view:
        yield f"route {verdict.route}, view {verdict.view}"
    if route.publish is Publish.NON_ALLOW and verdict.decision is Decision.ALLOW and not verdict.sequence:
        yield "an allow on a route that does not publish them"


def _check_judgement(
    record: SimRecord, verdict: Verdict, template: Template, answers: Answers, seen: Seen
) -> Iterator[str]:
    policy, number, fate = record.templates[verdict.policy.id].policy, record.content.number, record.content.fate
    given = answers.get((policy.id, number), set())
    may = {CONTEXT_PARTIAL} if template.look is None else {CONTEXT_PARTIAL, QUICK_LOOK}
    if {*verdict.signals} - may != ({"split"} if fate is Fate.SPLIT else set()):
        yield f"signals {verdict.signals}"
    if fate is Fate.SPLIT and not unsure(policy, number) and verdict.category != truth(policy, number).id:
        yield f"{verdict.category}{_of(template)} of a content of which an item is {truth(policy, number).id}"
    yield from _check_seen(record, policy.id, verdict.decision, seen, _of(template))
    if record.content.fate not in _JUDGED:
        yield f"a judgement of what is {record.content.fate.name.lower()}"
    category = policy.category(verdict.category or "")
    goes_on = bool(record.lifted) and not verdict.sequence and category is not None and category.severity >= GOES_ON
    if goes_on != (verdict.awaits is not None) or goes_on != (verdict.final_by_ms is not None):
        yield f"awaits {verdict.awaits}"
    if bool(verdict.derived_from) != bool(verdict.sequence):
        yield f"sequence {verdict.sequence}, derived from {verdict.derived_from}"
    expected = Rank.PROVISIONAL if goes_on else Rank.FINAL
    if verdict.rank is not expected or (verdict.decision, verdict.category) not in given:
        said = f"{verdict.rank} {verdict.decision} ({verdict.category}){_of(template)}"
        yield f"{said}, but the engine gave {sorted(given)}"


def _of(template: Template) -> str:
    """Of which pack something is said, where it was asked about in one."""
    return f" in {template.asked.id}" if isinstance(template.asked, Packed) else ""


def _check_seen(record: SimRecord, policy_id: str, decision: Decision, seen: Seen, among: str = "") -> Iterator[str]:
    """What is milder than an abstention needs a look at everything."""
    if record.content.fate is Fate.SPLIT and decision.strictness < record.content.route.abstain.strictness:
        unseen = ALL_ITEMS - seen.get((policy_id, record.content.number), set())
        if unseen:
            yield f"{decision} under {policy_id}{among}, but {len(unseen)} of {len(ALL_ITEMS)} items were never judged"


def _check_abstention(
    record: SimRecord, verdict: Verdict, template: Template, spoiled: AbstractSet[tuple[str, int, str]]
) -> Iterator[str]:
    if verdict.abstention is None:
        return
    reason = verdict.abstention.reason
    if verdict.rank is not Rank.ABSTENTION or verdict.decision is not record.content.route.abstain:
        yield f"an abstention with rank {verdict.rank} and decision {verdict.decision}"
    if reason is AbstentionReason.RATE_LIMITED:
        if record.content.route.terms.quota is None:
            yield "limited on a route without a quota"
        return
    if reason is AbstentionReason.EXPIRED and record.content.respond_by_s is not None:
        return
    if reason is AbstentionReason.TOO_LONG and record.content.fate is Fate.SPLIT:
        yield "too long, though it may be split"
    blame = (verdict.policy.id, record.content.number, _BLAME.get(reason, ""))
    if _FATES.get(reason) is not record.content.fate and blame not in spoiled:
        yield f"abstains for {reason}{_of(template)}, of which nothing is known"


def check_ruling(record: SimRecord, ruling: Ruling, answers: Answers, seen: Seen) -> list[str]:
    """Whether a ruling says nothing but the truth."""
    return [
        *_check_sum(ruling),
        *(
            _check_rejection(record, ruling)
            if record.content.fate is Fate.REJECTED
            else _check_entries(record, ruling, answers, seen)
        ),
    ]


def _check_sum(ruling: Ruling) -> Iterator[str]:
    decisions = [entry.decision for entry in ruling.entries]
    if decisions and ruling.decision.strictness != max(decision.strictness for decision in decisions):
        yield f"{ruling.decision} is not the strictest of {decisions}"
    abstained = sorted(entry.policy_id for entry in ruling.entries if entry.rank in (Rank.ABSTENTION, Rank.PROVISIONAL))
    if ruling.complete != (not abstained) or list(ruling.missing) != abstained:
        yield f"complete {ruling.complete}, missing {ruling.missing}"
    if ruling.lead != _lead(ruling):
        yield f"{ruling.lead} leads, not {_lead(ruling)}"
    ids = [entry.verdict_id for entry in ruling.entries]
    if ruling.id != ruling_id(NAMESPACE, LANE, ruling.subject, ids, ruling.complete, ruling.reason):
        yield "the id does not follow from what it names"


def _lead(ruling: Ruling) -> str | None:
    """Of the strictest entries those that stand best, of these the gravest, of these the first: worked out the slow way."""
    left = [entry for entry in ruling.entries if entry.decision is ruling.decision]
    for ranks in ((Rank.FINAL, Rank.HUMAN), (Rank.PROVISIONAL,)):
        left = [entry for entry in left if entry.rank in ranks] or left
    for severity in (4, 3, 2, 1):
        left = [entry for entry in left if entry.severity == severity] or left
    return min((entry.policy_id for entry in left), default=None)


def _check_rejection(record: SimRecord, ruling: Ruling) -> Iterator[str]:
    if ruling.reason != record.content.reason:
        yield f"reason {ruling.reason}"
    if ruling.complete or ruling.decision is not record.content.route.abstain:
        yield f"{ruling.decision}, complete {ruling.complete}, of what could not be judged"


def _check_entries(record: SimRecord, ruling: Ruling, answers: Answers, seen: Seen) -> Iterator[str]:
    if ruling.subject != record.subject or ruling.reason is not None:
        yield f"subject {ruling.subject}, reason {ruling.reason}"
    if sorted(entry.policy_id for entry in ruling.entries) != sorted(record.templates):
        yield "not one entry for each policy"
    for entry in ruling.entries:
        yield from _check_entry(record, ruling.subject, entry, answers)
        if entry.rank is not Rank.ABSTENTION:
            yield from _check_seen(record, entry.policy_id, entry.decision, seen)


def _check_entry(record: SimRecord, subject: Subject, entry: Entry, answers: Answers) -> Iterator[str]:
    template = record.templates.get(entry.policy_id)
    if template is None or entry.slot != slot(NAMESPACE, LANE, subject, entry.policy_id):
        yield f"the entry of {entry.policy_id} names another slot"
    elif entry.rank is Rank.ABSTENTION:
        if entry.decision is not record.content.route.abstain or entry.severity is not None:
            yield f"the abstention of {entry.policy_id} decides {entry.decision}, severity {entry.severity}"
    else:
        severities = {category.id: category.severity for category in template.policy.categories}
        answered = answers.get((entry.policy_id, record.content.number), ())
        given = {(decision, severities[category]) for decision, category in answered}
        if (entry.decision, entry.severity) not in given or record.content.fate not in _JUDGED:
            said = f"{entry.decision}, severity {entry.severity}"
            yield f"the entry of {entry.policy_id} says {said}; the engine gave {sorted(given)}"
