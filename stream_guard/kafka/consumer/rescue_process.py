"""The child process that reads a partition apart, seen from the service."""

from __future__ import annotations

import contextlib
import select
import subprocess
import sys
import time
from collections.abc import Mapping
from threading import Event
from typing import IO, Final

import msgspec

from stream_guard.errors import InvariantViolated
from stream_guard.kafka.consumer.rescue_child import HEAD_BYTES, Answer, Question, Terms, frame_length, send
from stream_guard.kafka.settings import KafkaSettings
from stream_guard.records import Lease

_ANSWER_S: Final = 60.0
"""How long one answer may take: longer than any decompression within the cap."""
_LEISURE_S: Final = 0.5
_LOOK_MS: Final = 200
_DECODER: Final[msgspec.msgpack.Decoder[Answer]] = msgspec.msgpack.Decoder(Answer)


class Died(Exception):
    """The child ended before it answered, or had to be ended. Its message says how."""


class Stopped(Exception):
    """The job is not wanted any more."""


class Child:
    """The process, started when it is first asked."""

    def __init__(self, terms: Terms, stopped: Event) -> None:
        """Starts nothing yet."""
        self._terms, self._stopped = terms, stopped
        self._process: subprocess.Popen[bytes] | None = None

    def ask(self, question: Question) -> Answer:
        """Its answer. Raises Died, after which the next question starts another one; raises Stopped."""
        process = self._process or self._start()
        try:
            send(_pipe(process.stdin), question)
            return _DECODER.decode(self._frame(process))
        except (BrokenPipeError, EOFError) as error:
            raise Died(self.end()) from error

    def end(self) -> str:
        """Ends it. Returns how it had ended by itself."""
        process, self._process = self._process, None
        if process is None:
            return ""
        for pipe in (process.stdin, process.stdout):
            if pipe is not None:
                with contextlib.suppress(BrokenPipeError):
                    pipe.close()  # which ends it, where it is at leisure
        try:
            code: int | None = process.wait(_LEISURE_S)
        except subprocess.TimeoutExpired:
            code = None
            process.kill()
            process.wait()
        return "it gave no answer" if code is None else f"signal {-code}" if code < 0 else f"exit code {code}"

    def _start(self) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", "stream_guard.kafka.consumer.rescue_child"]
        process = self._process = subprocess.Popen(  # noqa: S603 - our own module, by our own interpreter
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, bufsize=0
        )
        send(_pipe(process.stdin), self._terms)
        return process

    def _frame(self, process: subprocess.Popen[bytes]) -> bytes:
        deadline = time.monotonic() + _ANSWER_S
        return self._bytes(process, frame_length(self._bytes(process, HEAD_BYTES, deadline)), deadline)

    def _bytes(self, process: subprocess.Popen[bytes], count: int, deadline: float) -> bytes:
        stream = _pipe(process.stdout)
        parts, ready = bytearray(), select.poll()
        ready.register(stream, select.POLLIN)
        while len(parts) < count:
            if self._stopped.is_set():
                raise Stopped
            if ready.poll(_LOOK_MS):
                if not (part := stream.read(count - len(parts))):
                    raise EOFError
                parts += part
            elif time.monotonic() > deadline:
                raise EOFError
        return bytes(parts)


def _pipe(stream: IO[bytes] | None) -> IO[bytes]:
    if stream is None:
        raise InvariantViolated("the child was started without pipes")
    return stream


def terms(settings: KafkaSettings, lease: Lease, whole: int) -> Terms:
    """What a child is told. One batch a fetch: so it dies of none but the one that comes next."""
    # zstd is the one codec that librdkafka bounds, by this: it then says so, rather than that the child dies of it.
    most = max(settings.rescue_memory // 3, _RECEIVED)
    client = {**settings.reader_config(), **_FIXED, "receive.message.max.bytes": most}
    return Terms(client, lease.topic, lease.partition, settings.rescue_memory, whole, settings.timeout_s)


_RECEIVED: Final = 100_000_000
"""librdkafka's own bound: less would not let a full answer in."""
_FIXED: Mapping[str, str | int | bool] = {
    "group.id": "stream-guard-rescue",
    "max.partition.fetch.bytes": 1,
    "fetch.min.bytes": 1,
    "queued.min.messages": 1,
    "log_level": 0,
}
