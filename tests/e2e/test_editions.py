"""Policies and routes that change under load: on a running service, with a real broker.

`python -m pytest -s tests/e2e/test_editions.py` prints how long an edit took to its first verdict.
"""

from __future__ import annotations

import json
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import pytest
from typer.testing import CliRunner

from stream_guard.cli import cli
from stream_guard.policy.load import parse_policy
from stream_guard.verdicts.model import Verdict
from tests.mounted import Mounted
from tests.published import Fate, Feed, Load, Place, _ends, check, read_published
from tests.service import POLICY, START_S, Flow, Service, Services

pytestmark = [pytest.mark.kafka, pytest.mark.slow, pytest.mark.timeout(180)]

PER_SECOND = 100
SLOW = {"kind": "scripted", "violation_share": 0.3, "delay": "20ms", "delay_spread": "60ms"}
"""An engine at which several records are at any time."""


def document(revision: int, policy: str = "adverts") -> bytes:
    """The policy's file."""
    text = POLICY.replace("revision: 1", f"revision: {revision}").replace("id: adverts", f"id: {policy}")
    return text.encode()


def ready(service: Service) -> dict[str, str]:
    """What it says of itself."""
    told: dict[str, str] = json.loads(service.get("/ready")[1])
    return told


def edition(service: Service) -> str:
    """Which edition is in force."""
    return ready(service)["edition"]


def expected(configuration: Path) -> str:
    """Which edition an operator expects of these files."""
    told = CliRunner().invoke(cli, ["explain", "-c", str(configuration), "--json"])
    return str(json.loads(told.stdout)["edition"])


class Edits:
    """Edits of a running service's policy, and when each was made and seen."""

    def __init__(self, flow: Flow, service: Service, mounted: Mounted, configuration: Path) -> None:
        """Nothing was edited yet."""
        self.flow, self.service, self.mounted, self.configuration = flow, service, mounted, configuration
        self.made: dict[int, float] = {}
        self.seen: dict[int, Mapping[int, int]] = {}
        """Where the topic ended once an edition was said to be in force: what comes later is judged under it."""

    def make(self, revision: int) -> None:
        """Swaps the mounted folder, and waits until `/ready` names what the operator expects."""
        self.made[revision] = time.time()
        self.mounted.swap(**{"adverts.md": document(revision)})
        wanted = expected(self.configuration)
        self.service.until(lambda: edition(self.service) == wanted)
        self.seen[revision] = _ends(self.flow, self.flow.source)

    def seconds(self, verdicts: Sequence[Verdict]) -> Iterator[tuple[int, float, float]]:
        """For each edit, how long until the first verdict with it, and until the last record was read under what was before."""
        for revision, at in self.made.items():
            first = min(v.timings.judged_at_ms for v in verdicts if v.policy.revision == revision)
            last = max(v.timings.received_at_ms for v in verdicts if v.policy.revision < revision)
            yield revision, first / 1000 - at, last / 1000 - at


def test_a_policy_that_is_edited_under_load(services: Services, flow: Flow, capsys: pytest.CaptureFixture[str]) -> None:
    """No record is lost, no verdict mixes versions; a broken edit changes nothing and says why; mended, it counts."""
    mounted = Mounted(flow.folder / "mounted", **{"adverts.md": document(1)})
    configuration = flow.configuration(engine=SLOW, policies=["mounted"])
    service = services.start(configuration)
    service.until_ready()
    assert edition(service) == (begun := expected(configuration))
    edits = Edits(flow, service, mounted, configuration)
    with Load(Feed(flow), PER_SECOND) as feed:
        _progress(service, 100)
        edits.make(2)
        _progress(service, 200)
        _break(service, mounted)
        edits.make(3)
        edits.make(4)
        _progress(service, 200)
    service.until(flow.done, START_S)
    assert [value for labels, value in service.samples("stream_guard_edition_info")] == [1]
    assert service.count("stream_guard_edition_info", edition=edition(service)) == 1
    assert service.count("stream_guard_reloads_total", result="loaded") == 3
    assert service.terminate() == 0
    loaded = [(line["former"], line["edition"]) for line in service.logged("edition.loaded")]
    assert loaded[0][0] == begun
    assert [former for former, _ in loaded[1:]] == [now for _, now in loaded[:-1]]

    published = read_published(flow)
    assert check(feed.sent, published) == {Fate.JUDGED: len(feed.sent)}
    assert not published.repeated
    verdicts = {at: found[0] for at, found in published.verdicts.items()}
    _check_versions(verdicts)
    for revision, ends in edits.seen.items():
        assert all(v.policy.revision >= revision for at, v in verdicts.items() if at.offset >= ends[at.partition])
    with capsys.disabled():
        for revision, first, last in edits.seconds(list(verdicts.values())):
            line = f"\nrevision {revision}: first verdict after {first:.2f} s, last record read under another after {last:.2f} s"
            print(line)  # noqa: T201 - a figure for whoever runs it, nothing to assert: the machine may be busy


def _progress(service: Service, more: float) -> None:
    before = service.count("stream_guard_records_total")
    service.until(lambda: service.count("stream_guard_records_total") >= before + more)


def _break(service: Service, mounted: Mounted) -> None:
    """A swap to a policy that is wrong: it is said once, with its place, and all goes on as before."""
    before = edition(service)
    mounted.swap(**{"adverts.md": document(9).replace(b"yes_means: ADVERT", b"yes_means: NOTHING")})
    service.until(lambda: service.count("stream_guard_edition_refused") == 1)
    assert "adverts.md:11:12: " in ready(service)["note"]
    _progress(service, 100)
    (line,) = service.logged("edition.refused")
    assert line["level"] == "error"
    (finding,) = line["findings"]
    assert finding.startswith(f"{mounted / 'adverts.md'}:11:12: ")
    assert (edition(service), service.unready()) == (before, None)
    assert service.count("stream_guard_reloads_total", result="refused") == 1


def _check_versions(verdicts: Mapping[Place, Verdict]) -> None:
    """Each verdict is of one edition, whole; and in each partition an edition that was left does not come back."""
    versions = {n: parse_policy(document(n).decode(), "").version for n in range(1, 5)}
    prompts: defaultdict[str, set[str]] = defaultdict(set)
    for verdict in verdicts.values():
        assert verdict.policy.version == versions[verdict.policy.revision]
        prompts[verdict.policy.version].add(verdict.prompt_version)
    assert set(prompts) == set(versions.values())
    assert all(len(found) == 1 for found in prompts.values())
    assert len(set.union(*prompts.values())) == len(versions)
    by_partition: defaultdict[int, list[int]] = defaultdict(list)
    for at in sorted(verdicts):
        by_partition[at.partition].append(verdicts[at].policy.revision)
    assert all(revisions == sorted(revisions) for revisions in by_partition.values())


def test_routes_change_with_their_policies_and_what_needs_a_restart_is_refused(services: Services, flow: Flow) -> None:
    """Configuration and policies lie in one ConfigMap: a route gets a policy that comes with it, whole or not at all."""
    (flow.folder / "written").mkdir()
    written = flow._replace(folder=flow.folder / "written")
    mounted = Mounted(flow.folder / "guard")

    def configure(*policies: str, **more: str) -> None:
        files = {f"{policy}.md": document(1, policy) for policy in policies}
        path = written.configuration(
            "guard", engine=SLOW, policies=list(files), route={"policies": list(policies)}, **more
        )
        mounted.swap(**{"guard.yaml": path.read_bytes(), **files})

    configure("adverts")
    service = services.start(mounted / "guard.yaml")
    service.until_ready()
    begun = edition(service)
    with Load(Feed(flow), PER_SECOND) as feed:
        _progress(service, 100)
        configure("adverts", "insults", drain="3s")
        service.until(lambda: service.logged("edition.refused"))
        (finding,) = service.logged("edition.refused")[0]["findings"]
        assert finding.endswith(": drain is not what it was at the start: to change it needs a restart")
        assert edition(service) == begun
        configure("adverts", "insults")
        service.until(lambda: edition(service) != begun)
        ends = _ends(flow, flow.source)
        _progress(service, 100)
        configure("adverts")
        service.until(lambda: edition(service) == begun)
        again = _ends(flow, flow.source)
        _progress(service, 100)
    service.until(flow.done, START_S)
    assert service.terminate() == 0
    published = read_published(flow)
    assert published.rulings.keys() == published.verdicts.keys() == feed.sent.keys()
    for at, found in published.verdicts.items():
        (ruling,) = published.rulings[at]
        policies = sorted(verdict.policy.id for verdict in found)
        assert ruling.complete
        assert policies == sorted(entry.policy_id for entry in ruling.entries)
        assert policies in (["adverts"], ["adverts", "insults"])
        if at.offset >= again[at.partition]:
            assert policies == ["adverts"]
    assert any(len(found) == 2 for at, found in published.verdicts.items() if at.offset >= ends[at.partition])
