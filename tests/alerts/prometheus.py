"""A real Prometheus on 127.0.0.1: it scrapes services as a PodMonitor would have it do, and works off rules that are in a hurry."""

from __future__ import annotations

import http.client
import json
import re
import time
import urllib.parse
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.alerts.rendered import JOB, NAMESPACE
from tests.kubernetes.processes import Processes
from tests.ports import free_port

HASTE = 30
"""Windows, offsets and `for` of the rules are so many times shorter than they are shipped, and nothing else of them is changed: a test can't wait for
fifteen minutes. Thresholds are as they are."""
_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
_PATIENCE_S = 120.0


def hastened(groups: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The same rules with times that are HASTE times shorter."""
    return [{"name": group["name"], "rules": [_hastened(rule) for rule in group["rules"]]} for group in groups]


def _hastened(rule: Mapping[str, Any]) -> dict[str, Any]:
    timed = {"for": _shorter(rule["for"])} if "for" in rule else {}
    expr = re.sub(r"\[(\w+)\]", lambda found: f"[{_shorter(found[1])}]", rule["expr"])
    return {**rule, **timed, "expr": re.sub(r"\boffset (\w+)", lambda found: f"offset {_shorter(found[1])}", expr)}


def _shorter(duration: str) -> str:
    seconds = sum(int(count) * _UNITS[unit] for count, unit in re.findall(r"(\d+)([smhd])", duration))
    return f"{max(seconds * 1000 // HASTE, 0)}ms"


class Prometheus:
    """One that runs."""

    def __init__(self, port: int, processes: Processes) -> None:
        """Listens on `port`, and is all that `processes` holds."""
        self._port, self._processes = port, processes

    def ask(self, path: str, **parameters: object) -> Any:
        """What its API says. Raises AssertionError with its own words where it refuses."""
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=30)
        try:
            connection.request("GET", f"/api/v1/{path}?{urllib.parse.urlencode(parameters)}")
            told = json.loads(connection.getresponse().read())
        finally:
            connection.close()
        assert told["status"] == "success", f"{parameters}: {told}"
        return told["data"]

    @property
    def ready(self) -> bool:
        """Whether it takes questions."""
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=30)
        try:
            connection.request("GET", "/-/ready")
            return connection.getresponse().status == http.HTTPStatus.OK
        except ConnectionError:
            return False
        finally:
            connection.close()

    def firing(self) -> set[str]:
        """The alerts that fire now."""
        return {found["labels"]["alertname"] for found in self.alerts() if found["state"] == "firing"}

    def alerts(self) -> list[dict[str, Any]]:
        """Those that fire or are about to."""
        found: list[dict[str, Any]] = self.ask("alerts")["alerts"]
        return found

    def until(self, holds: Callable[[], object], what: str) -> None:
        """Waits until something holds. A busy machine is slow. Raises Died where Prometheus ended."""
        deadline = time.monotonic() + _PATIENCE_S
        while not holds():
            self._processes.check()
            assert time.monotonic() < deadline, f"{what}: waited {_PATIENCE_S} s in vain; {self.alerts()}"
            time.sleep(0.3)


@contextmanager
def scraping(
    tools: Path, folder: Path, pods: Mapping[str, int], groups: Sequence[Mapping[str, Any]]
) -> Iterator[Prometheus]:
    """One that scrapes these pods' ports every second, under these rules."""
    folder.mkdir()
    targets = [
        {"targets": [f"127.0.0.1:{port}"], "labels": {"namespace": NAMESPACE, "job": JOB, "pod": pod}}
        for pod, port in pods.items()
    ]
    (folder / "rules.yaml").write_text(json.dumps({"groups": list(groups)}))
    (folder / "prometheus.yaml").write_text(
        json.dumps(
            {
                "global": {"scrape_interval": "1s", "scrape_timeout": "1s", "evaluation_interval": "1s"},
                "rule_files": ["rules.yaml"],
                "scrape_configs": [{"job_name": "pods", "static_configs": targets}],
            }
        )
    )
    port, processes = free_port(), Processes(folder)
    processes.start(
        "prometheus", tools / "prometheus", f"--config.file={folder / 'prometheus.yaml'}",
        f"--storage.tsdb.path={folder / 'data'}", f"--web.listen-address=127.0.0.1:{port}",
        # Five minutes in a hurry.
        f"--query.lookback-delta={300 // HASTE}s",
    )  # fmt: skip
    try:
        prometheus = Prometheus(port, processes)
        prometheus.until(lambda: prometheus.ready and prometheus.ask("query", query="up")["result"], "no first scrape")
        yield prometheus
    finally:
        processes.end()
