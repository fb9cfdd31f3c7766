"""What Kafka's errors mean for us, decided once."""

# ruff: noqa: SLF001 - codes that begin with an underscore are the client's own, and public

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from enum import Enum, auto

from confluent_kafka import KafkaError, KafkaException

from stream_guard.errors import StartRefused


class Meaning(Enum):
    """What an error event of the consumer asks for."""

    TRANSIENT = auto()
    """librdkafka goes on by itself: log it."""
    POSITION_GONE = auto()
    """The partition's position is not in the log, or there is none."""
    UNREADABLE = auto()
    """What stands at the partition's position can't be read; going on would skip it."""
    REFUSED = auto()
    """The group can't go on as configured."""


_POSITION_GONE = {KafkaError._AUTO_OFFSET_RESET, KafkaError.OFFSET_OUT_OF_RANGE, KafkaError._LOG_TRUNCATION}
_UNREADABLE = {
    KafkaError._BAD_COMPRESSION,
    KafkaError._BAD_MSG,
    KafkaError.INVALID_MSG,
    KafkaError.INVALID_MSG_SIZE,
    KafkaError.INVALID_RECORD,
    KafkaError.MSG_SIZE_TOO_LARGE,
    KafkaError._NOT_IMPLEMENTED,
}
_OWN_NAME = "give every replica a name of its own"
_FENCED = f"another process joined under this kafka.instance_id and took its place: {_OWN_NAME}"
_REFUSED = {
    KafkaError.GROUP_AUTHORIZATION_FAILED: "the principal may not use the consumer group: grant READ on it",
    KafkaError.TOPIC_AUTHORIZATION_FAILED: "the principal may not read a topic: grant READ on it",
    KafkaError.CLUSTER_AUTHORIZATION_FAILED: "the principal may not use the cluster",
    KafkaError.INCONSISTENT_GROUP_PROTOCOL: "the group's other members use another assignor or group protocol",
    KafkaError.UNSUPPORTED_ASSIGNOR: "the broker does not know the assignor",
    KafkaError.INVALID_GROUP_ID: "the group id is not valid",
    KafkaError.INVALID_SESSION_TIMEOUT: "the broker does not allow this session.timeout.ms",
    KafkaError.FENCED_INSTANCE_ID: _FENCED,
    KafkaError._FENCED: _FENCED,
    KafkaError.UNRELEASED_INSTANCE_ID: f"another process is a member under this kafka.instance_id: {_OWN_NAME}",
    KafkaError.GROUP_MAX_SIZE_REACHED: "the group has as many members as the broker allows",
}
# A right can be given back while the service waits: what was not done is done then, and the model need not be loaded again.
_RIGHTS = (KafkaError.TOPIC_AUTHORIZATION_FAILED, KafkaError.GROUP_AUTHORIZATION_FAILED)
# These say that this very record can never be written. Anything else, a missing topic or right included, can be mended
# from outside, so sending again can help and nothing is given up.
_NEVER_WRITTEN = {
    KafkaError.MSG_SIZE_TOO_LARGE,
    KafkaError.RECORD_LIST_TOO_LARGE,
    KafkaError.INVALID_RECORD,
    KafkaError.INVALID_MSG,
    KafkaError.INVALID_MSG_SIZE,
    KafkaError.INVALID_TIMESTAMP,
    KafkaError._INVALID_ARG,
    KafkaError._BAD_MSG,
}

# A new cluster makes its offsets topic at the first question about a group; a group's coordinator may move at any time.
_COORDINATOR_MOVES = {
    KafkaError.NOT_COORDINATOR,
    KafkaError.COORDINATOR_NOT_AVAILABLE,
    KafkaError.COORDINATOR_LOAD_IN_PROGRESS,
}


def meaning(error: KafkaError) -> Meaning:
    """What an error event of the consumer asks for."""
    code = error.code()
    if code in _POSITION_GONE:
        return Meaning.POSITION_GONE
    if fatal(error) or (code in _REFUSED and code not in _RIGHTS):
        return Meaning.REFUSED
    return Meaning.UNREADABLE if code in _UNREADABLE else Meaning.TRANSIENT


def retriable(error: KafkaError) -> bool:
    """Whether sending the same output again can help."""
    return error.code() not in _NEVER_WRITTEN


def fatal(error: KafkaError) -> bool:
    """Whether the client that met this error takes nothing more."""
    return error.fatal() or error.code() == KafkaError._FATAL


def coordinator_moves(error: BaseException) -> bool:
    """Whether the group's coordinator is only just coming or going: the same question may be answered in a moment."""
    return isinstance(error, KafkaException) and error.args[0].code() in _COORDINATOR_MOVES


def instance_held(error: KafkaError) -> bool:
    """Whether a member of the new protocol may not join because its instance id still has a member: maybe one that crashed."""
    return _cause(error) == KafkaError.UNRELEASED_INSTANCE_ID


def refusal(error: KafkaError, group: str) -> StartRefused:
    """The sentence for the operator."""
    why = _REFUSED.get(_cause(error), "the client can't go on")
    return StartRefused(f"Kafka refused consumer group {group!r}: {why} ({describe(error)})")


def _cause(error: KafkaError) -> int:
    """The code of an error; of a fatal one, that of its cause, which the client tells in words alone."""
    code = error.code()
    if code != KafkaError._FATAL:
        return code
    return next((known for known in _REFUSED if KafkaError(known).str() in error.str()), code)


@contextmanager
def configuring(client: str) -> Iterator[None]:
    """Around the making of a client: raises StartRefused where librdkafka does not take its configuration."""
    try:
        yield
    except KafkaException as error:
        raise StartRefused(f"the Kafka {client} can't be configured so: {describe(error.args[0])}") from error
    except (TypeError, ValueError) as error:  # an option that the Python client takes for itself, as oauth_cb
        raise StartRefused(f"the Kafka {client} can't be configured so: {error}") from error


def telling(error: KafkaError) -> bool:
    """Whether this says why no broker can be reached, rather than only that none can."""
    return error.code() != KafkaError._ALL_BROKERS_DOWN


def explain(error: KafkaError, right: str) -> str:
    """The same as `describe`, and the right that is to be granted where one is missing."""
    return f"{describe(error)}: grant {right}" if error.code() in _RIGHTS else describe(error)


def describe(error: KafkaError) -> str:
    """The error's name and what the client says of it; never content."""
    return f"{error.name()}: {error.str()}"
