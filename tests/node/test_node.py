"""Our image on a real node, installed by the chart, at a real broker: who it runs as, what reaches it, and how it ends."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from stream_guard.policy.load import parse_policy
from tests import cluster, images
from tests.cluster import Cluster, jars
from tests.fixtures_kafka import Kafka
from tests.kubernetes import tools
from tests.kubernetes.control_plane import ControlPlane
from tests.kubernetes.helm import Helm
from tests.kubernetes.release import Release
from tests.node import node
from tests.node.namespaces import Namespaces
from tests.node.pods import Pods, Watched
from tests.published import Fate, Feed, Load, Place, check, message, read_published
from tests.service import MARKER, POLICY, Flow, ends, make_flow

pytestmark = [
    pytest.mark.node, pytest.mark.kafka, pytest.mark.slow, pytest.mark.timeout(images.BUILD_S + 2 * tools.BUILD_S + 300),
]  # fmt: skip

_NAMESPACE = "guard"
_ENGINE = {"kind": "scripted", "violation_share": 0.3, "delay": "100ms", "delay_spread": "200ms"}
"""Several records are under way at any time."""
_PER_SECOND = 40
_BROKER = {
    "listeners": f"CLIENT://127.0.0.1:${{port}},PODS://{node.ADDRESS}:${{extra1}},CONTROLLER://127.0.0.1:${{controller}}",
    "advertised.listeners": f"CLIENT://127.0.0.1:${{port}},PODS://{node.ADDRESS}:${{extra1}}",
    "listener.security.protocol.map": "CLIENT:PLAINTEXT,PODS:PLAINTEXT,CONTROLLER:PLAINTEXT",
    "broker.session.timeout.ms": "60000",
}
"""Reached over the loopback by the test, and by pods over the bridge that they are on."""
_INSIDE = """
import json, os
def refused(path):
    try:
        open(path, "w")
    except OSError as error:
        return error.strerror
status = dict(line.split(":", 1) for line in open("/proc/1/status").read().splitlines())
told = {name: status[name].split()[0] for name in ("Uid", "CapEff", "CapBnd", "NoNewPrivs", "Seccomp")}
places = ("/x", "/opt/stream-guard/x", "/etc/stream-guard/x", "/etc/stream-guard/policies/x")
command = open("/proc/1/cmdline").read().split("\\0")
print(json.dumps({**told, "command": command, "refused": {place: refused(place) for place in places}}))
"""


@dataclass
class Installed:
    """The chart's release, and the topics that it reads and writes."""

    release: Release
    pods: Pods
    flow: Flow
    feed: Feed
    folder: Path
    revision: int = 1
    values: dict[str, Any] = field(default_factory=dict)

    def write(self, revision: int) -> None:
        """Writes the values, with a revision of the policy."""
        self.revision = revision
        whole = {**self.values, "policies": {"adverts.md": document(revision)}}
        self.release.values.write_text(json.dumps(whole), encoding="utf-8")

    def settle(self) -> None:
        """Returns once all that was sent is committed."""
        self.pods.cluster.wait(self.flow.done, f"committed {self.flow.committed()} of {self.flow.ends()}")


def document(revision: int) -> str:
    """The policy's file."""
    return POLICY.replace("revision: 1", f"revision: {revision}")


def values(flow: Flow, bootstrap: str) -> dict[str, Any]:
    """The chart's values: our image, the scripted engine, and a node without GPUs."""
    outputs = {"verdicts": flow.verdicts, "rulings": flow.rulings, "dead_letters": flow.dead_letters}
    route = {"name": "chat", "topic": flow.source, "judge": ["message"], "policies": ["adverts"], "outputs": outputs}
    repository, _, tag = images.NAME.rpartition(":")
    return {
        "image": {"repository": repository, "tag": tag, "pullPolicy": "Never"},
        "gpu": {"enabled": False},
        "config": {
            "kafka": {"bootstrap_servers": bootstrap, "group": flow.group, "start": "earliest"},
            "engine": _ENGINE,
            "routes": [route],
        },
        "resources": {"requests": {"cpu": "100m", "memory": "256Mi"}, "limits": {"memory": "2Gi"}},
        "probes": {"startup": {"periodSeconds": 1}, "readiness": {"periodSeconds": 1}},
    }


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where everything lies; sockets want a short path."""
    return tmp_path_factory.mktemp("node")


@pytest.fixture(scope="module")
def archives() -> list[Path]:
    """The images that the node needs: ours, and one that holds a pod's namespaces."""
    module = node.programs()
    no_go = tools.why_not() if module.missing or tools.kubernetes().missing else None
    if reason := node.why_not() or images.why_not() or no_go or cluster.why_not():
        pytest.skip(reason)
    pause = module.build() / "pause"
    return [images.slim().archive, images.alone(pause, node.PAUSE)]


@pytest.fixture(scope="module")
def installed(archives: list[Path], kubernetes_tools: Path, place: Path) -> Iterator[Installed]:
    """The chart, installed on a real node. This thread stays in the node's network until the last test has ended."""
    libs = jars()
    with (
        Namespaces(f"{node.ADDRESS}/24") as there,
        there.entered(),
        Cluster(libs, place / "kafka", overrides=_BROKER, extra_ports=1, archive=libs.parent / "kafka.jsa") as broker,
        ControlPlane(kubernetes_tools, place / "control") as control,
        node.Node(control, there, node.programs().build(), place / "node", archives),
    ):
        flow = make_flow(Kafka(broker.bootstrap), place, partitions=2)
        yield _install(control, flow, f"{node.ADDRESS}:{broker.extra[1][0]}", place)


def _install(control: ControlPlane, flow: Flow, bootstrap: str, place: Path) -> Installed:
    labels = {"pod-security.kubernetes.io/enforce": "restricted"}
    control.create("/api/v1/namespaces", {"metadata": {"name": _NAMESPACE, "labels": labels}})
    account = f"/api/v1/namespaces/{_NAMESPACE}/serviceaccounts/default"
    control.wait(lambda: control.get(account), f"namespace {_NAMESPACE} is not populated")
    release = Release(Helm(4, control, place / "helm"), _NAMESPACE, place / "values.json")
    made = Installed(release, Pods(control, _NAMESPACE), flow, Feed(flow), place, values=values(flow, bootstrap))
    made.write(revision=1)
    release.install()
    return made


def test_it_runs_without_rights_and_judges(installed: Installed) -> None:
    """As uid 2000 on a root that it can't write to, found ready by real probes; and every record is judged."""
    pod = installed.pods.only()
    (container,) = pod["spec"]["containers"]
    assert {"startupProbe", "livenessProbe", "readinessProbe"} <= container.keys()
    told = json.loads(installed.pods.python(pod["metadata"]["name"], _INSIDE))
    assert "stream-guard" in " ".join(told["command"])
    assert (told["Uid"], int(told["CapEff"], 16), int(told["CapBnd"], 16)) == ("2000", 0, 0)
    assert (told["NoNewPrivs"], told["Seccomp"]) == ("1", "2")
    assert set(told["refused"].values()) == {"Read-only file system"}
    installed.feed.send(message(number) for number in range(100))
    installed.settle()
    assert check(installed.feed.sent, read_published(installed.flow)) == {Fate.JUDGED: len(installed.feed.sent)}
    assert installed.pods.only()["status"]["containerStatuses"][0]["restartCount"] == 0


def test_a_policy_change_reaches_the_process_that_judges(installed: Installed) -> None:
    """`helm upgrade` with another text: the same process, not started again, names the new version in its verdicts."""
    before = installed.pods.only()
    with Load(installed.feed, _PER_SECOND):
        installed.write(installed.revision + 1)
        installed.release.upgrade()
        installed.pods.cluster.wait(lambda: _judged_with(installed), "no verdict with the new revision", 120)
    since = ends(installed.flow.kafka, installed.flow.source)
    installed.feed.send(message(number) for number in range(20))
    installed.settle()
    after = installed.pods.only()
    assert after["metadata"]["uid"] == before["metadata"]["uid"]
    assert after["status"]["containerStatuses"][0]["restartCount"] == 0
    published = read_published(installed.flow)
    assert check(installed.feed.sent, published) == {Fate.JUDGED: len(installed.feed.sent)}
    version = parse_policy(document(installed.revision), "").version
    late = {v.policy.version for at, found in published.verdicts.items() if _is_after(at, since) for v in found}
    assert late == {version}


def _judged_with(installed: Installed) -> bool:
    found = read_published(installed.flow).verdicts.values()
    return any(v.policy.revision == installed.revision for verdicts in found for v in verdicts)


def _is_after(at: Place, ends_: dict[int, int]) -> bool:
    return at.offset >= ends_[at.partition]


def test_a_pod_that_is_deleted_under_load_drains(installed: Installed) -> None:
    """SIGTERM: it ends with 0 after all that was under way; the next pod goes on there, so that nothing is lost or repeated."""
    pod = installed.pods.only()
    with (
        Watched(installed.pods, pod["metadata"]["name"], installed.folder) as watched,
        Load(installed.feed, _PER_SECOND),
    ):
        begun = sum(installed.flow.committed().values())
        installed.pods.cluster.wait(lambda: sum(installed.flow.committed().values()) > begun, "nothing is committed")
        watched.delete()
        after = installed.pods.only()
    installed.settle()
    assert after["metadata"]["uid"] != pod["metadata"]["uid"]
    assert watched.codes == {0}
    events = [json.loads(line)["event"] for line in watched.log.splitlines() if line.startswith("{")]
    assert [each for each in events if each.startswith("service.")][-2:] == ["service.signalled", "service.stopped"]
    assert MARKER not in watched.log
    published = read_published(installed.flow)
    assert check(installed.feed.sent, published) == {Fate.JUDGED: len(installed.feed.sent)}
    assert not published.repeated
    assert installed.flow.committed() == installed.flow.ends()
