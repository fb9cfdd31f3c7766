"""What people wrote is nowhere but in Kafka, whatever happens to it: the real broker, the real engine, and a search of all else.

Looked for are a content, and what names people (keys, ids, authors, headers): as text, escaped, in Base64, and as token ids. Looked
through are stdout and stderr, metrics, probes, spans, every file of the processes while it is there, and whatever else they write.
"""

from __future__ import annotations

import json
import os
import signal
import uuid
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from tokenizers import Tokenizer

from stream_guard.engines.processes import descendants
from tests.escalations import make_document
from tests.fixtures_kafka import Kafka
from tests.lives import PHRASE, deadly, kept_alive
from tests.otlp_receiver import Received, otlp_receiver
from tests.searching import Needle, Search, Watch, shared_by
from tests.service import POLICY, Flow, Service, Services, ends, make_flow, session

pytestmark = [pytest.mark.kafka, pytest.mark.vllm, pytest.mark.slow, pytest.mark.timeout(1200)]

CONTENT = 'Frau "Zwölf" sah sieben Marmeladen\\Zebras auf Sansibar'
"""With all that JSON escapes. No output but dead letters, rationales and escalations may hold it, either."""
PERSON = "quagga.hollerbusch+vierundvierzig@example.org"
"""Who wrote it: keys and ids may stand in verdicts, but in nothing that is not Kafka."""
FLAW = "xylophone-quintessence"
"""A content that holds it makes the engine's next step fail, once, with an exception that quotes what was asked."""
START_S = 400.0
"""Loading the engine takes 20 s on two idle cores, and minutes on busy ones."""
_ROOT = Path(__file__).parents[2]
_FAILING = """
# Imported by every Python process that has this folder in its path. In the engine's, one step fails as a bug of vLLM would fail.
import os, sys
from pathlib import Path

def failing():
    tie()
    from vllm.v1.worker.worker_base import WorkerWrapperBase

    execute, done = WorkerWrapperBase.execute_model, Path(__file__).with_name("failed-once")
    wanted = set(map(int, os.environ["FLAW"].split(",")))

    def execute_model(self, scheduled, *more, **named):
        for new in scheduled.scheduled_new_reqs:
            if wanted <= set(new.prompt_token_ids or ()) and not done.exists():
                done.touch()
                print("asked:", new.prompt_token_ids)
                print("asked:", new.prompt_token_ids, file=sys.stderr)
                raise ValueError(f"this step fails: {new.prompt_token_ids}")
        return execute(self, scheduled, *more, **named)

    WorkerWrapperBase.execute_model = execute_model

if "--multiprocessing-fork" in sys.orig_argv and "STREAM_GUARD_ENGINE_OWNER" in os.environ:
    from stream_guard.engines import lifeline

    tie, lifeline.tie = lifeline.tie, failing
"""


class Place(NamedTuple):
    """Where the processes may write: all of it is looked through."""

    folder: Path
    env: Mapping[str, str]

    @property
    def cwd(self) -> Path:
        """Their working directory."""
        return self.folder / "cwd"


@pytest.fixture(scope="module")
def tokenizer(tiny_model: Path) -> Tokenizer:
    """The engine's."""
    return Tokenizer.from_file(str(tiny_model / "tokenizer.json"))


@pytest.fixture
def receiver() -> Iterator[Received]:
    """An OTLP receiver."""
    with otlp_receiver() as received:
        yield received


@pytest.fixture
def place(tmp_path_factory: pytest.TempPathFactory, receiver: Received, tokenizer: Tokenizer) -> Place:
    """A short path: sockets of the engine lie in the folder for temporary files."""
    folder = tmp_path_factory.mktemp("n")
    for name in ("cwd", "t", "home", "broken"):
        (folder / name).mkdir()
    (folder / "broken" / "sitecustomize.py").write_text(_FAILING, encoding="utf-8")
    flaw = tokenizer.encode(f"a {FLAW} b", add_special_tokens=False).ids[2:-2]
    env = {
        "TMPDIR": str(folder / "t"), "HOME": str(folder / "home"), "XDG_CACHE_HOME": str(folder / "home" / "cache"),
        "XDG_CONFIG_HOME": str(folder / "home" / "config"), "TORCHINDUCTOR_CACHE_DIR": str(folder / "t" / "inductor"), "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONPATH": f"{folder / 'broken'}{os.pathsep}{_ROOT}", "FLAW": ",".join(map(str, flaw)),
        "OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{receiver.grpc_port}", "OTEL_TRACES_SAMPLER": "always_on", "OTEL_METRIC_EXPORT_INTERVAL": "500",
    }  # fmt: skip
    return Place(folder, env)


def test_what_people_wrote_is_found_in_kafka_alone(
    kafka: Kafka, services: Services, tiny_model: Path, tokenizer: Tokenizer, place: Place, receiver: Received
) -> None:
    """Through a failing step and a crash of the engine, replies that can't be read, poison, garbage, dead letters and a reload."""
    flow = make_flow(kafka, place.folder, partitions=2)
    up = kafka.topic(1, name=f"{flow.group}.up")
    letters = kafka.topic(name=f"{flow.group}.up.letters", max_message_bytes="1200000")
    rationale = kafka.topic(name=f"{flow.group}.rationale")
    needles = [Needle(text, {"tiny": tokenizer}) for text in (CONTENT, PERSON)]
    search = Search(needles)
    running: list[Service] = []
    with Watch(search, [place.folder], lambda: [pid for each in running for pid in session(each.pid)]) as watch:
        configurations = _first(flow, tiny_model, rationale), _escalating(flow, up, rationale)
        running += [services.start(each, env=place.env, cwd=place.cwd) for each in configurations]
        first, escalating = running
        _judged_through_crashes(flow, first, search)
        assert _left_by_the_dead(watch, first) == []
        escalating.until(lambda: _settled(kafka, f"{flow.group}.other", flow.source), START_S)
        poison = Needle(PHRASE, {})
        while not any(poison.found(value) for value in _values(kafka, up)):  # of this one no reply could be read
            _send(flow, [_message(f"{CONTENT} {PHRASE}")])
            escalating.until(lambda: _settled(kafka, f"{flow.group}.other", flow.source), START_S)
        _ask(search, "escalating", escalating)
        assert [each.terminate(60) for each in running] == [0, 0]

        second = _second(flow, up, letters)
        env = {**place.env, "PYTHONPATH": f"{deadly(place.folder)['PYTHONPATH']}"}

        def start() -> Service:
            running.append(services.start(second, env=env, cwd=place.cwd))
            return running[-1]

        lives = kept_alive(start, lambda _: _settled(kafka, f"{flow.group}.up", up), most=6, seconds=START_S)
        _ask(search, "the second", lives.last)
        assert lives.deaths >= 2, "the poison should have killed it"
        assert lives.last.terminate(30) == 0

    # While the engine lives, its processes pass token ids through it: it is memory. Nothing may be left of that.
    left = [path for path in watch.shared if path.exists()]
    for path in left:
        search.look("shared memory that was left", path.read_bytes())
    for request in [each.SerializeToString() for each in receiver.traces] + [
        each.SerializeToString() for each in receiver.metrics
    ]:
        search.look("OTLP", request)
    _check_that_it_happened(first, lives.logged("isolation.poison"), receiver)
    _check_kafka(kafka, needles, flow, (up, letters, rationale))
    assert search.finds == set()
    assert watch.elsewhere == set()
    assert watch.shared
    assert left == []
    assert not [name for name in search.searched if "core" in Path(name).name.split(".")]
    _check_that_it_was_searched(search, watch, running)


def _left_by_the_dead(watch: Watch, service: Service) -> list[Path]:
    """Shared memory of engines that were killed, while their service goes on: that ends much later, and its own helper would tidy up."""
    living = {path for process in session(service.pid) for path in shared_by(process)}
    assert watch.shared - living, "no engine had any"
    return [path for path in watch.shared - living if path.exists()]


def _first(flow: Flow, model: Path, rationale: str) -> Path:
    """The one with the real engine. Its model is random: no label has any mass, and a rationale never ends, so that no reply can be read."""
    outputs = {
        "verdicts": flow.verdicts,
        "rulings": flow.rulings,
        "dead_letters": flow.dead_letters,
        "rationale": rationale,
    }
    path = flow.configuration(
        "first",
        engine={"kind": "vllm", "model": str(model), "kv_cache_gib": 1, "max_model_len": 4096},
        telemetry={"log_level": "debug"}, state_dir="state-first", judging={"attempts": 2},
        dead_letters={"max_consecutive": None, "max_ratio": None},
        route={
            "policies": ["adverts", "swindles"], "outputs": outputs, "limits": {"content_chars": 2000, "depth": 8},
        },
    )  # fmt: skip
    (flow.folder / "policies" / "swindles.md").write_text(make_document("swindles"), encoding="utf-8")
    return path


_ERRATIC = {
    "kind": "scripted", "malformed_share": 0.3, "failure_share": 0.03, "garble_share": 0.2, "stumble_share": 0.2, "delay": "20ms",
}  # fmt: skip
"""Half of what it is asked goes wrong somehow."""


def _escalating(flow: Flow, up: str, rationale: str) -> Path:
    """Another deployment on the same topic, whose judgements all go on."""
    outputs = {
        "verdicts": flow.verdicts,
        "rulings": flow.rulings,
        "dead_letters": flow.dead_letters,
        "rationale": rationale,
    }
    return flow.configuration(
        "escalating", kafka={"group": f"{flow.group}.other"}, engine=_ERRATIC, telemetry={"log_level": "debug"},
        state_dir="state-escalating", dead_letters={"max_consecutive": None, "max_ratio": None},
        route={
            "policies": ["adverts", "swindles"], "outputs": outputs, "limits": {"content_chars": 2000, "depth": 8},
            "escalate": {"when": {"always": True}, "topic": up, "final_by": "10m"},
        },
    )  # fmt: skip


def _second(flow: Flow, up: str, letters: str) -> Path:
    """The one that is escalated to."""
    outputs = {"verdicts": flow.verdicts, "rulings": flow.rulings, "dead_letters": letters}
    return flow.configuration(
        "second", kafka={"group": f"{flow.group}.up"}, engine=_ERRATIC, escalation={"topic": up}, state_dir="state-second",
        telemetry={"log_level": "debug"}, dead_letters={"max_consecutive": None, "max_ratio": None},
        route={"subscribe": False, "policies": ["adverts", "swindles"], "outputs": outputs},
    )  # fmt: skip


def _judged_through_crashes(flow: Flow, service: Service, search: Search) -> None:
    service.until(lambda: service.unready() is None, START_S)
    _send(flow, [*_good(), *_garbage()])
    service.until(flow.done, START_S)
    _ask(search, "judging", service)

    _send(flow, [_message(f"{FLAW} {CONTENT}")])
    service.until(lambda: service.logged("engine.restarting"), START_S)
    _ask(search, "failed", service)
    service.until(flow.done, START_S)

    edited = flow.folder / "policies" / "adverts.md"
    edited.write_text(POLICY.replace("revision: 1", "revision: x"), encoding="utf-8")
    service.until(lambda: service.logged("edition.refused"))
    edited.write_text(POLICY.replace("revision: 1", "revision: 2"), encoding="utf-8")
    service.until(lambda: service.logged("edition.loaded"))

    core = _core(service)
    os.kill(core, signal.SIGSTOP)  # so that there is something in flight
    _send(flow, _good())
    service.until(lambda: service.count("stream_guard_in_flight_records") > 0)
    for number in (signal.SIGABRT, signal.SIGCONT):  # the former dumps a core, where that is not forbidden
        os.kill(core, number)
    service.until(lambda: len(service.logged("engine.restarting")) > 1, START_S)
    _send(flow, [_message(f"{CONTENT} {PHRASE}")])
    service.until(flow.done, START_S)
    _ask(search, "judging", service)


def _core(service: Service) -> int:
    """The engine's core process."""
    titles = {pid: Path(f"/proc/{pid}/cmdline").read_bytes() for pid in descendants(service.pid)}
    (core,) = [pid for pid, title in titles.items() if title.startswith(b"VLLM::EngineCore")]
    return core


def _ask(search: Search, when: str, service: Service) -> None:
    """What the HTTP port says."""

    def asked() -> bool:
        for path in ("/metrics", "/live", "/ready"):
            search.look(f"{path}, {when}", service.get(path)[1])
        return True

    service.until(asked)


def _send(flow: Flow, values: Sequence[bytes]) -> None:
    for number, value in enumerate(values):
        headers = [(PERSON, CONTENT.encode()), ("tenant", PERSON.encode()), ("traceparent", PERSON.encode())]
        flow.kafka.send(flow.source, [value], partition=number % 2, key=PERSON.encode(), headers=headers)


def _event(**fields: Any) -> bytes:
    return json.dumps(fields, ensure_ascii=len(fields) % 2 == 0).encode()


def _message(text: str) -> bytes:
    """Its id is another one every time: else it would be the same event again."""
    return _event(
        kind="message",
        id=f"{PERSON}/{uuid.uuid4()}",
        content=text,
        author=PERSON,
        attributes={PERSON: CONTENT},
        language="de",
    )


def _good() -> list[bytes]:
    """What can be judged: messages plain and hiding something, chats, completions, one that is split."""
    turns = [{"role": "user", "content": CONTENT}, {"role": "assistant", "content": f"{CONTENT}!"}]
    hiding = CONTENT.replace("Marmeladen", "Mar\u200bme\u200bla\u200bden") + f" {CONTENT}"
    return [
        *(_message(f"{CONTENT}, zum {number}. Mal?") for number in range(6)),
        _message(hiding),
        _message(f"{CONTENT}. " * 30),
        _event(kind="chat", id=PERSON, turns=turns),
        _event(kind="completion", id=f"{PERSON}/{uuid.uuid4()}", prompt=turns[:1], completion=CONTENT, model="m"),
    ]


def _garbage() -> list[bytes]:
    """What can't: of each the error could quote something."""
    return [
        f'{{"kind": "message", "content": "{CONTENT}'.encode(),
        _event(kind=CONTENT, content=CONTENT),
        _event(kind="message", content=CONTENT, **{CONTENT: CONTENT}),
        _event(kind="message", content=CONTENT, author=[CONTENT]),
        _event(kind="message", content=CONTENT, created_at=CONTENT),
        _event(kind="chat", turns=[{"role": CONTENT, "content": CONTENT}]),
        _event(kind="message", content=[{"type": CONTENT, "url": CONTENT}]),
        CONTENT.encode() + b"\xff",
        b'{"kind": "message", "content": "\\ud83d %b"}' % CONTENT.encode(),
        b'{"kind": "message", "content": ' + b"[" * 20 + json.dumps(CONTENT).encode() + b"]" * 20 + b"}",
        _message(CONTENT * 100),
        _event(kind="completion", completion=CONTENT, prompt=CONTENT),
    ]


def _settled(kafka: Kafka, group: str, topic: str) -> bool:
    stands = ends(kafka, topic)
    return any(stands.values()) and kafka.committed(group, topic, len(stands)) == stands


def _check_that_it_happened(first: Service, poison: Sequence[object], receiver: Received) -> None:
    """Else the silence would prove nothing."""
    causes = [line["cause"] for line in first.logged("engine.restarting")]
    assert causes[:2] == ["died", "died"]
    said = {line["event"] for line in _lines(first)}
    assert {"WorkerProc hit an exception.", "Dumping scheduler output for model execution: %s"} <= said
    assert (first.files[0].parent / "broken" / "failed-once").exists()
    assert poison
    assert {span.name.split()[0] for span in receiver.spans} >= {"poll", "process", "chat", "send", "llm_request"}
    assert receiver.metrics


def _lines(service: Service) -> list[dict[str, Any]]:
    """Its log lines. torch writes some of its own, in another form."""
    return [json.loads(line) for line in service.stderr.splitlines() if line.startswith("{")]


def _check_kafka(kafka: Kafka, needles: Sequence[Needle], flow: Flow, others: Sequence[str]) -> None:
    """There it is, where it belongs, in every way in which it ends; and a content is in no verdict and no ruling."""
    content, person = needles
    up, letters, _ = others
    for topic in (flow.source, flow.dead_letters, up, letters):
        assert any(content.found(value) for value in _values(kafka, topic)), topic
    verdicts = [value for topic in (flow.verdicts, flow.rulings) for value in _values(kafka, topic)]
    assert not any(content.found(value) for value in verdicts)
    assert any(person.found(value) for value in verdicts)
    told = [json.loads(value) for value in _values(kafka, flow.verdicts)]
    reasons = {verdict["abstention"]["reason"] for verdict in told if verdict.get("abstention")}
    assert {"unparseable", "too_long"} <= reasons
    assert any(not verdict.get("abstention") for verdict in told)


def _values(kafka: Kafka, topic: str) -> list[bytes]:
    stands = ends(kafka, topic)
    read = kafka.read(topic, sum(stands.values()), len(stands))
    assert len(read) == sum(stands.values())
    return [message.value() or b"" for message in read]


def _check_that_it_was_searched(search: Search, watch: Watch, running: Sequence[Service]) -> None:
    """Every log of every process to its end, the state, the metrics."""
    assert watch.too_large == set()
    for service in running:
        assert [watch.end(path) for path in service.files] == [path.stat().st_size for path in service.files]
    assert any(f"{name}/in-flight" in place for place in search.searched for name in ("state-first", "state-second"))
    for place in ("/metrics, judging", "/ready, failed", "/live, the second", "OTLP"):
        assert search.searched[place] > 0
