"""The decoder of values in Avro, Protobuf and JSON Schema, as configured."""

from __future__ import annotations

from typing import TYPE_CHECKING

from stream_guard.config import Settings
from stream_guard.config.registry import RegistrySettings
from stream_guard.config.route import RouteSettings
from stream_guard.errors import ConfigError
from stream_guard.events.reader import Format
from stream_guard.routing import Routes

if TYPE_CHECKING:
    from stream_guard.kafka.consumer.documents import Documents, Topic
    from stream_guard.kafka.formats.protobuf import ProtobufSchema
    from stream_guard.kafka.formats.registry import RegistryOptions

_AS_THEY_ARE = (Format.JSON, Format.TEXT)


def open_documents(settings: Settings, routes: Routes) -> Documents | None:
    """What decodes the topics of these routes, None where their values are read as they are. To be closed.

    `Documents.of(records)` decodes a list once; it blocks, and raises RegistryUnavailable. Asks nothing of the registry
    yet. Raises ConfigError where a file of descriptors, StartRefused where a certificate can't be used.
    """
    if not largest_document(routes):
        return None
    # A registry's client takes a second to import, and most topics hold JSON.
    from stream_guard.kafka.consumer.documents import Documents, Topic
    from stream_guard.kafka.formats.registry import Schemas

    given = {
        route.name: _given(settings, index, route)
        for index, route in enumerate(settings.routes)
        if route.read.descriptors is not None
    }

    def topic(name: str) -> Topic:
        first = next(iter(routes.of_topic(name)), None)
        if first is None:
            return Topic(Format.JSON, 0)
        return Topic(first.format, routes.loosest(name).record_bytes, given.get(first.name))

    registry = settings.schema_registry
    return Documents(None if registry is None else Schemas(registry_options(registry)), topic)


def largest_document(routes: Routes) -> int:
    """Bytes of the largest document that may be made of a record, 0 where all values are read as they are."""
    if all(route.format in _AS_THEY_ARE for route in routes.all):
        return 0
    return max(route.limits.record_bytes for route in routes.all)


def registry_options(registry: RegistrySettings) -> RegistryOptions:
    """The configuration, as the registry's client takes it: secrets readable."""
    from stream_guard.kafka.formats.registry import RegistryOptions

    files = {name: str(path) for name, path in registry.files()}
    return RegistryOptions(
        urls=registry.urls,
        username=registry.username,
        password=registry.password.get_secret_value() if registry.password else "",
        token=registry.token.get_secret_value() if registry.token else None,
        ca=files.get("ca"),
        certificate=files.get("certificate"),
        key=files.get("key"),
        key_password=registry.key_password.get_secret_value() if registry.key_password else None,
        timeout_s=registry.timeout,
    )


def _given(settings: Settings, index: int, route: RouteSettings) -> ProtobufSchema:
    from stream_guard.kafka.formats.frame import Refused
    from stream_guard.kafka.formats.protobuf import ProtobufSchema

    path = route.read.descriptors
    place = settings.place("routes", index, "read", "descriptors")
    try:
        return ProtobufSchema.of_descriptors(path.read_bytes() if path else b"", route.read.message or "")
    except OSError as error:
        raise ConfigError((place, f"{path} can't be read: {error.strerror}")) from error
    except Refused as error:
        raise ConfigError((place, f"{path} {error}")) from error
