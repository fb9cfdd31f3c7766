"""A schema registry of a test's own making, over HTTP: for what a real one answers only on a bad day.

It also does what Confluent's does and Apicurio does not: it serves Protobuf schemas as descriptors.
"""

from __future__ import annotations

import base64
import json
import ssl
import threading
from collections.abc import Mapping, Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, NamedTuple, Self
from urllib.parse import parse_qs, urlsplit

from google.protobuf.descriptor_pb2 import FileDescriptorProto

from stream_guard.kafka.formats.registry import RegistryOptions


class Answer(NamedTuple):
    """What it says instead."""

    status: int
    body: bytes = b"{}"


class StubRegistry:
    """Serves the schemas that it was given. `answer` is said to every request while it is set."""

    def __init__(self, context: ssl.SSLContext | None = None) -> None:
        """Listens; with a context over TLS."""
        self.schemas: dict[int, dict[str, Any]] = {}
        self.versions: dict[str, dict[str, Any]] = {}
        self.answer: Answer | None = None
        self.only = ""
        """Where set, `answer` is said only to requests with this in their path."""
        self.every = 1
        """Where set, `answer` is said to each so manieth request alone."""
        self.asked: list[str] = []
        self.authorization: list[str | None] = []
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._server.daemon_threads = True
        self._scheme = "http"
        if context is not None:
            self._scheme = "https"
            self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True)

    @property
    def url(self) -> str:
        """Its base URL."""
        return f"{self._scheme}://127.0.0.1:{self._server.server_address[1]}"

    def options(self, **more: Any) -> RegistryOptions:
        """What a client is told."""
        return RegistryOptions(urls=(self.url,), **more)

    def add(
        self,
        schema: object,
        kind: str = "AVRO",
        references: Sequence[Mapping[str, Any]] = (),
        subject: str | None = None,
    ) -> int:
        """Registers a schema: JSON for Avro and JSON Schema, a FileDescriptorProto, or a text. Returns its id."""
        number = len(self.schemas) + 1
        text = schema if isinstance(schema, str | FileDescriptorProto) else json.dumps(schema)
        entry = {"schema": text, "schemaType": kind, "references": list(references), "id": number}
        self.schemas[number] = entry
        if subject is not None:
            self.versions[subject] = {**entry, "subject": subject, "version": 1}
        return number

    def say(self, path: str, authorization: str | None) -> Answer:
        """The answer to a request."""
        self.asked.append(path)
        self.authorization.append(authorization)
        if self.answer is not None and self.only in path and len(self.asked) % self.every == 0:
            return self.answer
        parts = urlsplit(path)
        words = parts.path.strip("/").split("/")
        form = parse_qs(parts.query).get("format", [""])[0]
        if words[0] == "subjects" and len(words) == 1:
            return Answer(200, json.dumps([f"subject-{number}" for number in self.schemas]).encode())
        entry = self.versions.get(words[1]) if words[0] == "subjects" else self.schemas.get(int(words[-1]))
        if entry is None:
            return Answer(404, b'{"error_code": 40403, "message": "Schema not found"}')
        return Answer(200, json.dumps({**entry, "schema": _written(entry["schema"], form)}).encode())

    def __enter__(self) -> Self:
        """Serves."""
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Ends."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


def _written(schema: str | FileDescriptorProto, form: str) -> str:
    if isinstance(schema, str):
        return schema
    return base64.b64encode(schema.SerializeToString()).decode() if form == "serialized" else f"// {schema.name}"


def _handler(registry: StubRegistry) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            answer = registry.say(self.path, self.headers.get("Authorization"))
            self.send_response(answer.status)
            self.send_header("Content-Length", str(len(answer.body)))
            self.end_headers()
            self.wfile.write(answer.body)

        def log_message(self, format: str, *args: object) -> None:
            """Says nothing."""

    return Handler
