"""A real schema registry for the tests: Apicurio on 127.0.0.1, its storage in memory, and a way to it that can be cut.

with Registry(archive()) as registry, Way(registry.port) as way:
    SchemaRegistryClient({"url": way.url})
    way.cut()
"""

from __future__ import annotations

import contextlib
import http.client
import os
import shutil
import socket
import subprocess
import tarfile
import threading
import time
from pathlib import Path
from typing import Self

from confluent_kafka.schema_registry import SchemaRegistryClient

from tests.kept import kept
from tests.ports import free_port

_VERSION = "3.0.9"
_ARTIFACT = f"io.apicurio:apicurio-registry-app:{_VERSION}:tar.gz:all"
_CACHE = Path(__file__).parent.parent / ".cache"
_JVM = ("-Xmx384m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-XX:-UsePerfData", "-Xshare:auto")
_PATH = "/apis/ccompat/v7"
_START_S = 60.0


def archive(cache: Path = _CACHE) -> Path:
    """The folder with the registry's application; Maven fetches it once, whoever comes first."""
    return kept("apicurio", [_ARTIFACT.encode()], _fetch, cache)


def _fetch(home: Path) -> None:
    # No POM: the artifact's own has a parent that is nowhere to be had, and only `copy` does without.
    command = ["mvn", "-q", "-B", "dependency:copy", f"-Dartifact={_ARTIFACT}", f"-DoutputDirectory={home}"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=600, check=False)
    if done.returncode:
        raise RuntimeError(f"Maven could not fetch the registry: {done.stdout[-2000:]}{done.stderr[-2000:]}")
    (packed,) = home.glob("*.tar.gz")
    with tarfile.open(packed) as tar:
        tar.extractall(home, filter="data")
    packed.unlink()


class Registry:
    """The registry as a process. It starts empty."""

    def __init__(self, home: Path, log: Path) -> None:
        """Starts it, and waits until it answers; it does not outlive the test process."""
        self.port = free_port()
        self._log = log
        java = str(Path(os.environ["JAVA_HOME"], "bin", "java")) if "JAVA_HOME" in os.environ else "java"
        tie = ["setpriv", "--pdeathsig", "KILL"] if shutil.which("setpriv") else []
        options = ("-Dquarkus.http.host=127.0.0.1", f"-Dquarkus.http.port={self.port}")
        (jar,) = home.glob("*-runner.jar")
        with log.open("wb") as out:
            self._process = subprocess.Popen(
                [*tie, java, *_JVM, *options, "-jar", str(jar)], cwd=home, stdin=subprocess.DEVNULL, stdout=out,
                stderr=out, start_new_session=True, env={**os.environ, "APICURIO_STORAGE_KIND": "sql"},
            )  # fmt: skip
        self._wait_ready()
        self.client = SchemaRegistryClient({"url": self.url})
        """What registers schemas."""

    @property
    def url(self) -> str:
        """Its base URL."""
        return f"http://127.0.0.1:{self.port}{_PATH}"

    def _wait_ready(self) -> None:
        deadline = time.monotonic() + _START_S
        while not self._answers():
            if self._process.poll() is not None or time.monotonic() > deadline:
                self._process.kill()
                raise RuntimeError(f"the registry did not start: {self._log.read_text(errors='replace')[-3000:]}")
            time.sleep(0.1)

    def _answers(self) -> bool:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=5)
        try:
            connection.request("GET", f"{_PATH}/subjects")
            return connection.getresponse().status == 200
        except OSError:
            return False
        finally:
            connection.close()

    def stop(self) -> None:
        """Ends it."""
        self.client.close()
        self._process.kill()
        self._process.wait()


class Way:
    """A TCP way to the registry, on a port of its own. Cut, it refuses connections and ends those that there are."""

    def __init__(self, port: int) -> None:
        """Opens it."""
        self._target = port
        self._port = free_port()
        self._listener: socket.socket | None = None
        self._open: set[socket.socket] = set()
        self._lock = threading.Lock()
        self.mend()

    @property
    def url(self) -> str:
        """The registry's base URL by this way."""
        return f"http://127.0.0.1:{self._port}{_PATH}"

    def mend(self) -> None:
        """Lets connections through."""
        listener = socket.create_server(("127.0.0.1", self._port))
        self._listener = listener
        threading.Thread(target=self._accept, args=(listener,), daemon=True).start()

    def cut(self) -> None:
        """Refuses connections from now on, and ends those that there are."""
        if self._listener is not None:
            with contextlib.suppress(OSError):
                self._listener.shutdown(socket.SHUT_RDWR)  # wakes the thread that accepts: closing alone does not
            self._listener.close()
            self._listener = None
        with self._lock:
            for end in tuple(self._open):
                with contextlib.suppress(OSError):
                    end.shutdown(socket.SHUT_RDWR)

    def __enter__(self) -> Self:
        """Open already."""
        return self

    def __exit__(self, *_: object) -> None:
        """Cuts it for good."""
        self.cut()

    def _accept(self, listener: socket.socket) -> None:
        while True:
            try:
                near, _ = listener.accept()
            except OSError:
                return
            try:
                far = socket.create_connection(("127.0.0.1", self._target))
            except OSError:
                near.close()
                continue
            with self._lock:
                self._open |= {near, far}
            for pair in ((near, far), (far, near)):
                threading.Thread(target=self._carry, args=pair, daemon=True).start()

    def _carry(self, source: socket.socket, target: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while block := source.recv(65_536):
                target.sendall(block)
        for end in (source, target):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
        with self._lock:
            if source in self._open:
                self._open.discard(source)
                source.close()
