"""Every metric, span and attribute name there is: one closed list.

Where OpenTelemetry has a convention it is followed (messaging, v1.44, still in development; GenAI, `gen_ai.*`); everything
else lives under `stream_guard.*`. A value of an attribute is a name from the configuration, a topic or partition of the
subscription, or a word of a small set, so that the number of series is bounded, and content can't become one.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from stream_guard.telemetry.vocabulary import Attribute, Kind, Metric, Span, Values

STAGES: Mapping[str, str] = MappingProxyType(
    {
        "queue": "a case opened to its last ask submitted to the engine",
        "engine": "submission to completion, summed over the asks of a case",
        "judge": "a case opened to its verdict decided, retries included",
        "publish": "an output handed to the producer to its acknowledgement",
        "settle": "a record opened to all its outputs acknowledged",
        "total": "the record's own timestamp to all its outputs acknowledged, ignored records left out",
    }
)
"""What `Telemetry.latency` takes, and what each measures. The key of a stage is its name in every face."""


def _words(name: str, label: str) -> Attribute:
    return Attribute(name, label, Values.WORD)


def _configured(name: str, label: str = "") -> Attribute:
    return Attribute(name, label, Values.CONFIGURED)


def _closed(name: str, label: str, *values: str) -> Attribute:
    return Attribute(name, label, Values.CLOSED, frozenset(values))


ROUTE = _configured("stream_guard.route", "route")
POLICY = _configured("stream_guard.policy.id", "policy")
TOPIC = _configured("messaging.destination.name", "topic")
PARTITION = _configured("messaging.destination.partition.id", "partition")
OUTCOME = _closed("stream_guard.outcome", "outcome", "judged", "dead_lettered", "ignored")
REASON = _words("stream_guard.reason", "reason")
DECISION = _words("stream_guard.decision", "decision")
ABSTENTION = _words("stream_guard.abstention", "abstention")
SCOPE = _words("stream_guard.dead_letter.scope", "scope")
STAGE = _closed("stream_guard.stage", "stage", *STAGES)
TOKEN_TYPE = _closed("gen_ai.token.type", "type", "input", "output")
LOOK = _closed("stream_guard.look", "came_of", "settled", "uncertain", "agreed", "differed")
ENGINE_STATE = _closed("stream_guard.engine.state", "state", "up", "down")
ENGINE_CAUSE = _closed("stream_guard.engine.cause", "cause", "died", "hung", "ended", "not_loaded")
ASSIGNMENT = _closed("stream_guard.assignment", "event", "assigned", "revoked", "lost", "stopped")
DRAINED = _closed("stream_guard.drained", "drained", "true", "false")
EDITION_ID = _configured("stream_guard.edition.id", "edition")
POLICY_VERSION = _configured("stream_guard.policy.version", "version")
POLICY_REVISION = _configured("stream_guard.policy.revision", "revision")
SERVICE_VERSION = _configured("stream_guard.version", "version")
SERVED_MODEL = _configured("stream_guard.model", "model")
ENGINE_NAME = _configured("stream_guard.engine.name", "engine")
RELOAD = _closed("stream_guard.reload", "result", "loaded", "refused")

SYSTEM = _words("messaging.system", "")
OPERATION = _words("messaging.operation.name", "")
OPERATION_TYPE = _words("messaging.operation.type", "")
GROUP = _configured("messaging.consumer.group.name")
BATCH = _words("messaging.batch.message_count", "")
OFFSET = _words("messaging.kafka.offset", "")
GEN_AI_OPERATION = _words("gen_ai.operation.name", "")
PROVIDER = _configured("gen_ai.provider.name")
MODEL = _configured("gen_ai.request.model")
INPUT_TOKENS = _words("gen_ai.usage.input_tokens", "")
CACHED_TOKENS = _words("gen_ai.usage.cache_read.input_tokens", "")
OUTPUT_TOKENS = _words("gen_ai.usage.output_tokens", "")
ERROR_TYPE = _words("error.type", "")

SECONDS = (
    0.001,
    0.0025,
    0.005,
    0.01,
    0.025,
    0.05,
    0.1,
    0.25,
    0.5,
    1.0,
    2.5,
    5.0,
    10.0,
    30.0,
    60.0,
    300.0,
    900.0,
    3600.0,
)
"""Bounds for durations from a broker's round trip to a backlog of an hour."""
FRONT_END_SECONDS = (0.0001, 0.00025, 0.0005, 0.001, 0.002, 0.003, 0.004, 0.006, 0.01, 0.02, 0.05, 0.1, 0.5)
"""Bounds for the CPU time of an engine's front end: 3-6 ms are usual for vLLM."""

_POLL = MappingProxyType({SYSTEM.name: "kafka", OPERATION.name: "poll"})


def _counter(name: str, unit: str, description: str, *attributes: Attribute) -> Metric:
    return Metric(name, Kind.COUNTER, unit, description, attributes)


def _gauge(name: str, unit: str, description: str, *attributes: Attribute) -> Metric:
    return Metric(name, Kind.GAUGE, unit, description, attributes)


CONSUMED = _counter("messaging.client.consumed.messages", "{message}", "Records polled.", TOPIC)._replace(
    constants=_POLL
)
REREAD = _counter("stream_guard.context.reread", "{record}", "Settled records read again for context alone.", TOPIC)
RECORDS = _counter("stream_guard.records", "{record}", "Records that ended, by outcome.", ROUTE, OUTCOME, REASON)
VERDICTS = _counter(
    "stream_guard.verdicts", "{verdict}", "Verdicts given, published or not.", ROUTE, POLICY, DECISION, ABSTENTION
)
RULINGS = _counter("stream_guard.rulings", "{ruling}", "Rulings given.", ROUTE, DECISION)
DEAD_LETTERS = _counter(
    "stream_guard.dead_letters", "{record}", "Dead letters acknowledged, of records and of cases.", ROUTE, SCOPE, REASON
)
CASES = _counter("stream_guard.cases", "{case}", "Cases asked about, for each of their policies.", POLICY)
TOKENS = _counter("stream_guard.tokens", "{token}", "Tokens read and written by the engine.", POLICY, TOKEN_TYPE)
PREFIX_CACHE_HITS = _counter(
    "stream_guard.prefix_cache.hits", "{token}", "Input tokens that came from the engine's prefix cache.", POLICY
)
LOOKS = _counter(
    "stream_guard.looks",
    "{look}",
    "Quick looks: what they settled, found uncertain, or were audited by reasoning that agreed or differed.",
    POLICY,
    LOOK,
)
RETRIES = _counter("stream_guard.retries", "{ask}", "Asks asked again, for each of their policies.", POLICY, REASON)
RESENDS = _counter("stream_guard.resends", "{message}", "Outputs not written and sent again.", TOPIC)
ESCALATIONS = _counter(
    "stream_guard.escalations",
    "{case}",
    "Cases that went on to a higher effort or to another deployment.",
    POLICY,
    REASON,
)
ESCALATIONS_REFUSED = _counter(
    "stream_guard.escalations.refused",
    "{record}",
    "Records that another deployment escalated and that can't be judged here: its provisional verdicts stand.",
    POLICY,
    REASON,
)
ENGINE_TRANSITIONS = _counter(
    "stream_guard.engine.transitions", "{transition}", "Times the engine went up or down.", ENGINE_STATE
)
ENGINE_RESTARTS = _counter(
    "stream_guard.engine.restarts",
    "{restart}",
    "Times the embedded engine had to be loaded again: its process died, hung, was ended, or could not be loaded.",
    ENGINE_CAUSE,
)
RELOADS = _counter(
    "stream_guard.reloads", "{reload}", "Editions (routes and policies) that came while the service ran.", RELOAD
)
ASSIGNMENTS = _counter("stream_guard.assignments", "{partition}", "Partitions that came or went.", ASSIGNMENT, DRAINED)

IN_FLIGHT_RECORDS = _gauge("stream_guard.in_flight.records", "{record}", "Records read and not settled.")
IN_FLIGHT_BYTES = _gauge("stream_guard.in_flight.bytes", "By", "Bytes of the records read and not settled.")
IN_FLIGHT_TOKENS = _gauge("stream_guard.in_flight.tokens", "{token}", "Prompt tokens of the open asks.")
IN_FLIGHT_ASKS = _gauge("stream_guard.in_flight.asks", "{ask}", "Asks open at the engine.")
LAG = _gauge(
    "stream_guard.lag",
    "s",
    "How old the oldest record is that is not settled, 0 where there is none: now minus its timestamp where it was read; of a backlog "
    "of which nothing was read yet, now minus the latest moment before which none of it can have been written.",
    TOPIC,
    PARTITION,
)
BACKLOG = _gauge(
    "stream_guard.backlog.records",
    "{record}",
    "Records of a held partition that are not settled, read or not: the end of its log, asked for every 5 seconds, less the "
    "committable offset. Offsets are counted, so compaction makes it too high.",
    TOPIC,
    PARTITION,
)
DEAD_LETTERS_OLDEST = _gauge(
    "stream_guard.dead_letters.oldest",
    "s",
    "Age of the oldest dead letter that the topic holds, redriven ones included, 0 where it is empty; asked for every minute, and "
    "missing while the cluster does not tell.",
    TOPIC,
)
ENGINE_UP = _gauge(
    "stream_guard.engine.up", "1", "1 while the engine takes asks, 0 while it loads or intake waits for it."
)
REGISTRY_UP = _gauge(
    "stream_guard.registry.up",
    "1",
    "0 while records wait for the schema registry, else 1. Only where a route needs one.",
)
SERVICE = _gauge(
    "stream_guard.info",
    "1",
    "1: the version of stream_guard, and the model and engine that it asks.",
    SERVICE_VERSION,
    SERVED_MODEL,
    ENGINE_NAME,
)
POLICIES = _gauge(
    "stream_guard.policy.info",
    "1",
    "1 for each policy in force. Replicas that name other versions of one do not judge alike.",
    POLICY,
    POLICY_VERSION,
    POLICY_REVISION,
)
EDITION = _gauge(
    "stream_guard.edition.info", "1", "1 for the edition in force: the routes and policies that count.", EDITION_ID
)
EDITION_REFUSED = _gauge(
    "stream_guard.edition.refused", "1", "1 while the files hold another edition than that in force, which is refused."
)
SUSPECTS = _gauge(
    "stream_guard.suspects",
    "{record}",
    "Records taken one at a time, since they were in flight whenever the process ended; the others wait.",
)
PARTITIONS = _gauge("stream_guard.partitions.assigned", "{partition}", "Partitions held.")
HALTED = _gauge(
    "stream_guard.partitions.halted",
    "{partition}",
    "1 for a partition that is not read on until somebody fixes the reason.",
    TOPIC,
    PARTITION,
    REASON,
)

POLL_DURATION = Metric(
    "messaging.client.operation.duration", Kind.HISTOGRAM, "s", "Time that one poll took.", (), SECONDS, _POLL
)
STAGE_DURATION = Metric("stream_guard.stage.duration", Kind.HISTOGRAM, "s", "Latency by stage.", (STAGE,), SECONDS)
FRONT_END_DURATION = Metric(
    "stream_guard.front_end.duration", Kind.HISTOGRAM, "s", "CPU time of the engine's front end in this process, by case; of one under several policies, a share for each.",
    (POLICY,), FRONT_END_SECONDS,
)  # fmt: skip

METRICS: tuple[Metric, ...] = (
    CONSUMED, REREAD, RECORDS, VERDICTS, RULINGS, DEAD_LETTERS, CASES, TOKENS, PREFIX_CACHE_HITS, RETRIES, RESENDS,
    LOOKS, ESCALATIONS, ESCALATIONS_REFUSED,
    ENGINE_TRANSITIONS, ENGINE_RESTARTS, RELOADS, ASSIGNMENTS, IN_FLIGHT_RECORDS, IN_FLIGHT_BYTES, IN_FLIGHT_TOKENS, IN_FLIGHT_ASKS, LAG, BACKLOG,
    DEAD_LETTERS_OLDEST, ENGINE_UP, REGISTRY_UP, SERVICE, POLICIES, EDITION, EDITION_REFUSED, SUSPECTS, PARTITIONS, HALTED, POLL_DURATION, STAGE_DURATION, FRONT_END_DURATION,
)  # fmt: skip
"""Every metric."""


POLL = Span(
    "poll", "topic", "CLIENT", "One intake with at least one sampled record; links to those records' own contexts.",
    (SYSTEM, OPERATION, OPERATION_TYPE, TOPIC, GROUP, BATCH),
)  # fmt: skip
PROCESS = Span(
    "process", "topic", "CONSUMER", "One sampled record, poll to settled; child of its producer's span, linked to the poll.",
    (SYSTEM, OPERATION, OPERATION_TYPE, TOPIC, PARTITION, OFFSET, GROUP, OUTCOME),
)  # fmt: skip
CHAT = Span(
    "chat", "model", "CLIENT", "The asks of one case; child of the process span.",
    (GEN_AI_OPERATION, PROVIDER, MODEL, POLICY, INPUT_TOKENS, CACHED_TOKENS, OUTPUT_TOKENS, ERROR_TYPE),
)  # fmt: skip
SEND = Span(
    "send", "topic", "PRODUCER", "One output, handed to the producer to acknowledged; child of the process span.",
    (SYSTEM, OPERATION, OPERATION_TYPE, TOPIC),
)  # fmt: skip

SPANS: tuple[Span, ...] = (POLL, PROCESS, CHAT, SEND)
"""Every span."""
