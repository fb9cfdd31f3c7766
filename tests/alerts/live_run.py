"""A run of two real replicas on real Kafka, watched by a real Prometheus: well at first, then one thing after the other goes wrong."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tests.alerts.judge import Switch, judge_in_a_thread
from tests.alerts.prometheus import Prometheus, scraping
from tests.alerts.rendered import NAME
from tests.fixtures_kafka import Kafka
from tests.mounted import Mounted
from tests.openai_server import MODEL
from tests.published import Fate, Feed, Load, Plan
from tests.service import POLICY, Service, Services, make_flow

PER_SECOND = 25
WELL_S = 45.0
"""How long all is well: half as long again as rules in a hurry wait, so that one which is wrong from the start would fire."""
_POLICY = "adverts.md"
_GARBAGE = Plan(Fate.DEAD_LETTERED, b"{no json", "not_json")
_TOMBSTONE = Plan(Fate.IGNORED, None, "tombstone")


@dataclass
class Observed:
    """What Prometheus saw. `fired` are the alerts by what was wrong; Unix times in seconds."""

    prometheus: Prometheus
    began: float
    fired: dict[str, set[str]] = field(default_factory=dict)
    ended: float = 0.0


class Run:
    """The run: each step makes something go wrong, waits for the alerts that are to tell of it, mends it, and waits for silence."""

    def __init__(self, observed: Observed, feed: Feed, switch: Switch, mounted: list[Mounted]) -> None:
        self._observed, self._feed, self._switch, self._mounted = observed, feed, switch, mounted
        self._prometheus = observed.prometheus
        self._revision = 1

    def all_is_well(self) -> None:
        """Records are judged for a while."""
        self._observed.fired["nothing"] = self._watch(WELL_S)

    def the_engine_is_away(self) -> None:
        """The model server is gone for both replicas."""
        self._switch.off()
        self._await("engine", "StreamGuardEngineDown", "StreamGuardNoProgress")
        self._switch.on()
        self._silence("StreamGuardEngineDown", "StreamGuardNoProgress")

    def an_edit_reaches_one_replica(self) -> None:
        """The second replica's files hold what can't be read, the first one's a new revision."""
        self._edit(self._mounted[0])
        self._mounted[1].swap(**{_POLICY: b"---\nnot a policy\n"})
        self._await("edit", "StreamGuardEditionRefused", "StreamGuardPoliciesDiffer")
        self._edit(self._mounted[1], raises=0)
        self._silence("StreamGuardEditionRefused", "StreamGuardPoliciesDiffer")

    def garbage_comes(self) -> None:
        """One record in ten is no JSON."""
        told = {"StreamGuardDeadLetters", "StreamGuardDeadLetterReasonNew"}
        found = set[str]()
        deadline = time.monotonic() + 120
        while not told <= found:
            assert time.monotonic() < deadline, f"only {found} fired"
            self._feed.send([_GARBAGE] * 3 + [_TOMBSTONE])
            found |= self._watch(1.0)
        self._observed.fired["garbage"] = found

    def _edit(self, mounted: Mounted, raises: int = 1) -> None:
        self._revision += raises
        mounted.swap(**{_POLICY: POLICY.replace("revision: 1", f"revision: {self._revision}").encode()})

    def _watch(self, seconds: float) -> set[str]:
        found, deadline = set[str](), time.monotonic() + seconds
        while time.monotonic() < deadline:
            found |= self._prometheus.firing()
            time.sleep(0.5)
        return found

    def _await(self, what: str, *names: str) -> None:
        self._prometheus.until(lambda: set(names) <= self._prometheus.firing(), f"{what}: {names} are to fire")
        self._observed.fired[what] = self._prometheus.firing()

    def _silence(self, *names: str) -> None:
        self._prometheus.until(lambda: not set(names) & self._prometheus.firing(), f"{names} are to end")


@contextmanager
def observed_run(kafka: Kafka, folder: Path, tools: Path, rules: list[dict[str, object]]) -> Iterator[Observed]:
    """The whole run. Prometheus lives until this is left, the services with it."""
    flow = make_flow(kafka, folder, partitions=4)
    with Services() as services, judge_in_a_thread() as (judge, switch):
        engine = {"kind": "openai", "base_url": judge.base_url, "model": MODEL, "api": "chat"}
        mounted = [Mounted(folder / f"policies-{n}", **{_POLICY: POLICY.encode()}) for n in (1, 2)]
        replicas = [
            services.start(flow.configuration(f"guard-{n}", engine=engine, policies=[f"policies-{n}"])) for n in (1, 2)
        ]
        for replica in replicas:
            replica.until_ready()
        with Load(Feed(flow), PER_SECOND) as feed:
            feed.send([_TOMBSTONE])
            for replica in replicas:
                _at_work(replica)
            pods = {f"{NAME}-{n}": _port(replica) for n, replica in enumerate(replicas, 1)}
            with scraping(tools, folder / "prometheus", pods, rules) as prometheus:
                observed = Observed(prometheus, time.time())
                run = Run(observed, feed, switch, mounted)
                run.all_is_well()
                run.the_engine_is_away()
                run.an_edit_reaches_one_replica()
                run.garbage_comes()
                observed.ended = time.time()
                yield observed


def _at_work(replica: Service) -> None:
    """Both hold partitions, and both judged."""
    replica.until(lambda: len(replica.partitions()) == 2)
    replica.until(lambda: replica.count("stream_guard_records_total", outcome="judged") > 0)


def _port(replica: Service) -> int:
    return int(replica.logged("http.listening")[0]["port"])
