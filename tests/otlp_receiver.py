"""A real OTLP receiver on 127.0.0.1, by gRPC and by HTTP, that keeps what it is sent."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator
from concurrent import futures
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import grpc  # type: ignore[import-untyped]
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
    ExportMetricsServiceResponse,
)
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2_grpc import (
    MetricsServiceServicer,
    add_MetricsServiceServicer_to_server,
)
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from opentelemetry.proto.collector.trace.v1.trace_service_pb2_grpc import (
    TraceServiceServicer,
    add_TraceServiceServicer_to_server,
)
from opentelemetry.proto.common.v1.common_pb2 import KeyValue
from opentelemetry.proto.metrics.v1.metrics_pb2 import Metric
from opentelemetry.proto.trace.v1.trace_pb2 import Span


class Received:
    """What came in so far."""

    def __init__(self) -> None:
        self.traces: list[ExportTraceServiceRequest] = []
        self.metrics: list[ExportMetricsServiceRequest] = []
        self.grpc_port = 0
        self.http_port = 0

    @property
    def spans(self) -> list[Span]:
        """Every span, as sent."""
        resources = [resource for request in self.traces for resource in request.resource_spans]
        return [span for resource in resources for scope in resource.scope_spans for span in scope.spans]

    @property
    def latest(self) -> dict[str, Metric]:
        """The last state of every metric, by name."""
        resources = [resource for request in self.metrics for resource in request.resource_metrics]
        return {m.name: m for resource in resources for scope in resource.scope_metrics for m in scope.metrics}

    def resource(self) -> dict[str, object]:
        """Who sent the last metrics."""
        return attributes(self.metrics[-1].resource_metrics[0].resource.attributes)


def attributes(pairs: Iterable[KeyValue]) -> dict[str, object]:
    """Attributes as a dictionary."""
    return {p.key: getattr(p.value, p.value.WhichOneof("value") or "") for p in pairs}


@contextmanager
def otlp_receiver() -> Iterator[Received]:
    """Listens on two free ports until left."""
    received = Received()
    server = grpc.server(futures.ThreadPoolExecutor(2))
    add_TraceServiceServicer_to_server(_Traces(received), server)  # type: ignore[no-untyped-call]
    add_MetricsServiceServicer_to_server(_Metrics(received), server)  # type: ignore[no-untyped-call]
    received.grpc_port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    http = _Http(received)
    received.http_port = http.server_port
    thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield received
    finally:
        http.shutdown()
        thread.join()
        http.server_close()
        server.stop(None).wait()


class _Traces(TraceServiceServicer):
    def __init__(self, received: Received) -> None:
        self._received = received

    def Export(self, request: ExportTraceServiceRequest, context: object) -> ExportTraceServiceResponse:  # noqa: N802
        self._received.traces.append(request)
        return ExportTraceServiceResponse()


class _Metrics(MetricsServiceServicer):
    def __init__(self, received: Received) -> None:
        self._received = received

    def Export(self, request: ExportMetricsServiceRequest, context: object) -> ExportMetricsServiceResponse:  # noqa: N802
        self._received.metrics.append(request)
        return ExportMetricsServiceResponse()


class _Http(ThreadingHTTPServer):
    def __init__(self, received: Received) -> None:
        super().__init__(("127.0.0.1", 0), _Request)
        self.received = received


class _Request(BaseHTTPRequestHandler):
    server: _Http

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        if self.path == "/v1/traces":
            self.server.received.traces.append(ExportTraceServiceRequest.FromString(body))
        else:
            self.server.received.metrics.append(ExportMetricsServiceRequest.FromString(body))
        self.send_response(200)
        self.send_header("content-type", "application/x-protobuf")
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, *args: object) -> None:
        """Says nothing."""
