"""What each field of the published contract means, in one sentence: the text of the schemas. A test demands all of them."""

from __future__ import annotations

from collections.abc import Mapping

_SHARED: Mapping[str, str] = {
    "contract": "Version of the contract. It grows only by addition: ignore fields you don't know.",
    "slot": "Where the verdicts of one subject under one policy, in one namespace and lane, compete.",
    "subject": "The event: the same however often its record is delivered.",
    "namespace": "The tenant.",
    "lane": "Folded apart: `live` is to be enforced, `shadow` is a trial, `replay` a repetition for measuring.",
    "kind": "Kind of the event: message, chat or completion.",
    "event_id": "The event's own id, where its producer gave one.",
    "route": "The route that the record belonged to.",
    "sources": "Where the records of this event stand in Kafka.",
    "policy_id": "The policy.",
    "policy_version": "Hash of the policy document.",
    "prompt_version": "Hash of everything the model is shown besides the content.",
    "decision": "What enforcement is asked to do. Treat a decision you don't know as `review`.",
    "rank": "First of what decides in the fold: abstention < provisional < final < human.",
    "through": "The last step of a completion that was covered; 0 without steps.",
    "sequence": "0 at intake; work that is carried on takes the highest carried + 1.",
    "awaits": "What a provisional verdict waits for (an open list: `escalation`, another deployment; `higher_effort`).",
    "final_by_ms": "Unix time in milliseconds from which a provisional decision stands for good.",
    "reason": "Why there is no judgement (an open list).",
    "detail": "More of the reason, in words; never content.",
    "model": "The model that judged; null where none was asked.",
    "verdict_id": "The verdict.",
    "severity": (
        "How grave the policy calls the category, 0 (permitted) to 4 (severe); null for an abstention. What was written by "
        "releases that did not state it lacks it."
    ),
}

_OF_TYPE: Mapping[str, Mapping[str, str]] = {
    "Verdict": {
        "id": "The verdict's id: the same for a redelivered record under the same policy and prompt.",
        "view": "What of the event was judged: message, last_turn, chat or completion.",
        "policy": "The policy, exactly.",
        "stage": "What gave the verdict.",
        "category": "The policy's category that the content falls in; null for an abstention.",
        "rule_ids": "The policy's rules that the judge named.",
        "confidence": "How sure the judge is; null where it does not say.",
        "abstention": "Why there is no judgement; null where there is one.",
        "derived_from": "Ids of the verdicts that this one follows from or restores.",
        "signals": (
            "Names of other signals that bore on it (an open list). `split`: the content was judged in overlapping segments, the "
            "strictest counted. `context_cut`: the oldest turns of the context were left out, for want of room. "
            "`context_partial`: earlier messages may be missing from the context. `quick_look`: settled by the label alone, without reasoning. `reasoning_cut`: the model's reasoning reached its "
            "budget before it answered. `obfuscation`: something hides what the content "
            "says; each way that was found stands beside it, as `obfuscation:zero_width` (an open list)."
        ),
        "coverage": "What of the event was looked at; null where nothing was.",
        "content_hash": "Keyed hash of what was judged, to find equal contents; null where no key is set.",
        "attempt": "How often the engine was asked for it, over all retries and segments (several steps of one asking count once); 0 where it was not.",
        "tokens": "Tokens that the verdict cost, over all retries and segments.",
        "timings": "When, and how long it took.",
    },
    "Ruling": {
        "id": "The ruling's id: the same for the same verdicts, completeness and reason.",
        "kind": "Kind of the event; null where the record could not be decoded.",
        "complete": "Whether every policy gave a judgement that stands for good.",
        "missing": "Ids of the policies that gave none yet.",
        "reason": "Why a dead-lettered record could not be judged at all; null for every other.",
        "entries": "What each policy said last, in the order of policy ids.",
        "ruled_at_ms": "Unix time of the ruling in milliseconds.",
        "lead": (
            "Id of the policy whose entry leads: the strictest decision; of several, one that stands (`final`, `human`) before a "
            "provisional one before an abstention; then the highest severity (absent or null counts as 0); then the id that "
            "sorts first. Null without entries. Where several rulings fold, the fold says who leads. Rulings of releases that "
            "did not state it lack it."
        ),
    },
    "Rationale": {
        "rationale": "The model's short reason, in its words: may quote the content.",
        "reasoning": "What a reasoning model thought: may quote the content.",
    },
    "Entry": {"revision": "The integer that the policy's author raises."},
    "Position": {
        "cluster": "Id of the Kafka cluster.",
        "topic": "Name of the topic.",
        "topic_id": "Id of the topic (KIP-516); null where the broker has none.",
        "partition": "The partition.",
        "offset": "The offset.",
        "timestamp_ms": "The record's timestamp, Unix time in milliseconds; null where it has none.",
    },
    "PolicyRef": {
        "id": "The policy.",
        "version": "Hash of the policy document.",
        "revision": "The integer that the policy's author raises.",
    },
    "Stage": {
        "name": "An open list: intake, cache, prefilter, look, model, escalation, human.",
        "version": "Version of the stage.",
    },
    "ModelRef": {
        "name": "Name of the model.",
        "manifest": "Hash of its weights, configuration and tokenizer.",
        "engine": "The engine that it ran on.",
        "engine_version": "Version of the engine.",
    },
    "ConfidenceNote": {
        "basis": "`label_probability` is measured, `stated` is what the model says (an open list).",
        "value": "A share in [0, 1]; null where the basis is not a number.",
        "level": "low, medium or high, as the model says; null where it does not.",
    },
    "Tokens": {
        "prompt": "Tokens of the prompts.",
        "cached": "How many of the prompts' tokens came from the prefix cache.",
        "completion": "Tokens that the model wrote.",
    },
    "Timings": {
        "received_at_ms": "Unix time in milliseconds at which the record was read.",
        "judged_at_ms": "Unix time in milliseconds at which the verdict was given.",
        "queue_ms": "Milliseconds from reading the record to asking the engine.",
        "engine_ms": "Milliseconds in the engine, added up over retries and segments.",
    },
    "CoverageNote": {
        "text_parts": "How many text parts were looked at.",
        "unsupported_parts": "Types of the parts that are not text, in order: the first 64.",
        "context_turns": "How many turns were shown as context.",
        "complete": "False as soon as anything judged was left out.",
    },
    "DeadLetter": {
        "id": "The dead letter's id, and its Kafka key.",
        "scope": "What failed: the record, or one case of it.",
        "reason": "Why it is here (an open list).",
        "retriable": "Whether a replay can succeed without anything being fixed.",
        "policy_id": "The policy of the case; absent for a record.",
        "policy_version": "Hash of the policy document of the case; absent for a record.",
        "prompt_version": "Hash of what the model is shown in the case; absent for a record.",
        "kind": "Kind of the event; absent where the record could not be decoded.",
        "stage": "Where it failed.",
        "cluster": "Id of the Kafka cluster of the original.",
        "group": "The consumer group that read it.",
        "topic_id": "Id of the original's topic (KIP-516); absent where the broker has none.",
        "attempts": "How often it was tried.",
        "first_failed_at_ms": "Unix time of the first failure in milliseconds.",
        "last_failed_at_ms": "Unix time of the last failure in milliseconds.",
        "app_version": "Version of stream_guard.",
        "model": "The model; absent where none was asked.",
        "replays": "How often it has been replayed.",
        "traceparent": "W3C trace context of the failed attempt.",
        "entries": "The event's verdicts so far, as a JSON array of a ruling's entries.",
        "topic": "The original's topic.",
        "partition": "The original's partition.",
        "offset": "The original's offset.",
        "leader_epoch": "The original's leader epoch; absent where unknown.",
        "timestamp_ms": "The original's timestamp, Unix time in milliseconds; absent where it has none.",
        "timestamp_type": "create or log_append.",
        "value_null": "Whether the original's value is null; it is empty here then.",
    },
}


def description(type_name: str, field: str) -> str | None:
    """What a field means, None where this page does not say."""
    return _OF_TYPE.get(type_name, {}).get(field) or _SHARED.get(field)
