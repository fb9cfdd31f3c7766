"""The schema registry: that it answers, and that it knows the schemas of the topics that need one."""

from __future__ import annotations

from collections.abc import Collection

from stream_guard.checkup.finding import Finding, error, ok, warning
from stream_guard.checkup.words import counted, listed
from stream_guard.config.registry import RegistrySettings
from stream_guard.documents import registry_options
from stream_guard.errors import RegistryUnavailable, StartRefused
from stream_guard.kafka.formats.registry import Client, NotRegistered, Schemas

_NOBODYS = "stream-guard-check"
"""A subject to ask for where no topic is known: a registry that answers that it has none answers."""


def check_registry(registry: RegistrySettings, topics: Collection[str]) -> list[Finding]:
    """Asks for the subject of each of these topics. Blocks, each question bounded."""
    try:
        schemas = Schemas(registry_options(registry))
    except StartRefused as refused:
        return [error(str(refused))]
    try:
        unknown = [topic for topic in sorted(topics) or [_NOBODYS] if not _knows(schemas.client, f"{topic}-value")]
    except RegistryUnavailable as refused:
        return [
            error(f"the schema registry at {registry.url} {refused}", "fix it or schema_registry; `run` would wait")
        ]
    finally:
        schemas.close()
    return _told(registry, topics, unknown)


def _told(registry: RegistrySettings, topics: Collection[str], unknown: Collection[str]) -> list[Finding]:
    known = len(topics) - len(set(unknown) & set(topics))
    found = [ok(f"{registry.url} answers, and knows the schemas of {counted(known, 'topic')}")]
    if missing := set(unknown) & set(topics):
        found.append(
            warning(
                f"the registry has no subject {listed([f'{topic}-value' for topic in missing])}",
                "check the registry's address, and that the producers register there; only records with a known schema are "
                "judged (with another naming of subjects this is fine)",
            )
        )
    return found


def _knows(client: Client, subject: str) -> bool:
    """Raises RegistryUnavailable."""
    try:
        client.get_version(subject)
    except NotRegistered:
        return False
    return True
