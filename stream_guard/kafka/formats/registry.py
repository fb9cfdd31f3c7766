"""The schema registry: schemas by id, and the difference between one that it lacks and one that it can't give now.

What an answer means was decided here:

- **Not now** (RegistryUnavailable): no connection, a timeout, HTTP 408, 429 or 5xx, refused credentials (401, 403), a 404
  that is not in a registry's words (the URL is wrong), and "no such schema" from a registry that holds none at all (it
  lost them, or is another's). Records wait: none of this is their fault.
- **No such schema**: 404 with a registry's own error code (404xx), said twice with a second in between, because a replica
  may lag behind the one where the schema was registered just now. The record is at fault: if it had to wait, anyone who
  may write to the topic could stop it for good with four random bytes. Its bytes are kept in the dead letter.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection
from typing import Final, Literal, TypeVar

from confluent_kafka.schema_registry import RegisteredSchema, Schema, SchemaRegistryClient
from confluent_kafka.schema_registry.error import SchemaRegistryError
from msgspec import Struct

from stream_guard.errors import RegistryUnavailable, StartRefused

T = TypeVar("T")

_LOOK_AGAIN_S = 1.0
_REMEMBERED_S = 30.0
_REMEMBERED = 10_000
"""Ids that the registry lacks, so that a flood of them asks once each."""
_MAX_ID = 2**31 - 1
"""Ids are Java ints: a greater one is no registry's, and some answer it as if their URL were wrong."""
_UNKNOWN: Final = range(40_400, 40_500)


class RegistryOptions(Struct, frozen=True, kw_only=True):
    """Where the registry is, and who asks. `timeout_s` bounds each request, in seconds."""

    urls: tuple[str, ...]
    username: str | None = None
    password: str = ""
    token: str | None = None
    ca: str | None = None
    certificate: str | None = None
    key: str | None = None
    key_password: str | None = None
    timeout_s: float = 5.0

    def __repr__(self) -> str:
        """Names the addresses alone: the rest may be secrets."""
        return f"RegistryOptions({', '.join(self.urls)})"

    def client_config(self) -> dict[str, object]:
        """What the client library is told. It does not try again by itself: whoever waits knows how long already."""
        files = {
            "ssl.ca.location": self.ca,
            "ssl.certificate.location": self.certificate,
            "ssl.key.location": self.key,
            "ssl.key.password": self.key_password,
        }
        config: dict[str, object] = {"url": ",".join(self.urls), "timeout": self.timeout_s, "max.retries": 0}
        config |= {name: value for name, value in files.items() if value is not None}
        if self.username is not None:
            config["basic.auth.user.info"] = f"{self.username}:{self.password}"
        if self.token is not None:
            config["bearer.auth.credentials.source"] = "STATIC_TOKEN"
            config["bearer.auth.token"] = self.token
            config["bearer.auth.logical.cluster"] = ""  # the library insists on it; only one vendor's cloud reads it
        return config


class NotRegistered(LookupError):
    """There is no such schema."""


class Client(SchemaRegistryClient):
    """The library's client, with its failures told apart."""

    def get_schema(
        self,
        schema_id: int,
        subject_name: str | None = None,
        fmt: str | None = None,
        reference_format: str | None = None,
    ) -> Schema:
        """The schema of an id. Raises NotRegistered, RegistryUnavailable."""
        ask = super().get_schema
        return _answer(lambda: ask(schema_id, subject_name, fmt, reference_format))

    def get_version(
        self,
        subject_name: str,
        version: int | Literal["latest"] = "latest",
        deleted: bool = False,
        fmt: str | None = None,
    ) -> RegisteredSchema:
        """A version of a subject: what references name. Raises NotRegistered, RegistryUnavailable."""
        ask = super().get_version
        return _answer(lambda: ask(subject_name, version, deleted, fmt))

    def is_empty(self) -> bool:
        """Whether the registry holds no schema at all; False where it does not tell."""
        ask = super().get_subjects
        try:
            return not _answer(lambda: ask(limit=1))
        except (NotRegistered, RegistryUnavailable):
            return False


def _answer(ask: Callable[[], T]) -> T:
    try:
        return ask()
    except SchemaRegistryError as error:
        if error.http_status_code == 404 and error.error_code in _UNKNOWN:  # noqa: PLR2004 - not found
            raise NotRegistered("the registry has no such schema") from None
        # Without its cause, which quotes the answer: whoever answers instead of a registry may say anything.
        raise RegistryUnavailable(_refusal(error.http_status_code)) from None
    except Exception as error:  # noqa: BLE001
        # No answer, or none that can be read: the library passes on whatever its own HTTP library raises.
        raise RegistryUnavailable(f"no answer ({type(error).__name__}: {_system_reason(error)})") from None


def _refusal(status: int) -> str:
    if status in (401, 403):
        return f"refuses the credentials (HTTP {status}): check schema_registry in the configuration"
    if status == 404:  # noqa: PLR2004 - not found
        return "answers HTTP 404 in no registry's words: check schema_registry.url, path included"
    return f"answers HTTP {status}"


def _system_reason(error: Exception) -> str:
    """The first line of what the system said, bounded. No address holds credentials: the configuration refuses that."""
    if type(error).__name__ == "LocalProtocolError":  # the HTTP library's, which is the library's choice
        return "the request can't be sent"  # its text quotes the header that is wrong: the token
    return (str(error).splitlines() or ["nothing said"])[0][:200]


class Schemas:
    """The schemas of one registry, by id. Blocks; not for the event loop. Used by one thread at a time."""

    def __init__(
        self,
        options: RegistryOptions,
        *,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        """Raises StartRefused where the certificate files can't be used."""
        try:
            self.client = Client(options.client_config())
        except (OSError, ValueError) as error:
            raise StartRefused(
                f"the schema registry's certificates or URL can't be used: {_system_reason(error)}"
            ) from None
        self._clock, self._sleep = clock, sleep
        self._proven = self._closed = False
        self._missing: dict[int, float] = {}
        """Ids that the registry lacks, and until when that is believed."""
        self._denied: dict[int, float] = {}
        """Ids of which it said so once, and when: a replica may lag behind."""

    def find(self, ids: Collection[int], form: str | None = None) -> dict[int, Schema | None]:
        """The schema of each id, None where there is none. `form` is how the registry should write it.

        Raises RegistryUnavailable where any of them can't be had now.
        """
        found = {each: self._ask(each, form) for each in ids if not self._is_missing(each)}
        if doubtful := [each for each in found if each in self._denied]:
            self._sleep(_LOOK_AGAIN_S)
            found |= {each: self._ask(each, form) for each in doubtful}
        return {each: found.get(each) for each in ids}

    def _ask(self, schema_id: int, form: str | None) -> Schema | None:
        """Asks for a schema. A first denial is kept if the next question fails, so that a flood of ids gets on all the same."""
        schema, now = self._get(schema_id, form), self._clock()
        if schema is not None:
            self._denied.pop(schema_id, None)
        elif now - _bounded(self._denied).setdefault(schema_id, now) >= _LOOK_AGAIN_S:
            del self._denied[schema_id]
            _bounded(self._missing)[schema_id] = now + _REMEMBERED_S
        return schema

    def _get(self, schema_id: int, form: str | None) -> Schema | None:
        if self._closed:
            raise RegistryUnavailable("is not asked any more: the service stops")
        try:
            schema = self.client.get_schema(schema_id, None, form)
        except NotRegistered:
            if not self._proven and self.client.is_empty():
                raise RegistryUnavailable("holds no schema at all: it lost them, or the URL is another's") from None
            return None
        self._proven = True
        return schema

    def _is_missing(self, schema_id: int) -> bool:
        return not 0 < schema_id <= _MAX_ID or self._missing.get(schema_id, -1.0) > self._clock()

    def close(self) -> None:
        """Closes the connections. Whoever waits for an answer in another thread is told at its next question."""
        self._closed = True
        self.client.close()


def _bounded(ids: dict[int, float]) -> dict[int, float]:
    """Forgets all where there is no room for one more."""
    if len(ids) >= _REMEMBERED:
        ids.clear()
    return ids
