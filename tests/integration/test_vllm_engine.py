"""The vLLM engine on a real vLLM: what it reads, what it refuses, and how it dies and comes back."""

from __future__ import annotations

import asyncio
import json
import multiprocessing
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from itertools import count
from math import exp
from pathlib import Path
from typing import NamedTuple

import pytest
import pytest_asyncio
from aiohttp import ClientError, ClientSession
from msgspec.structs import replace
from tokenizers import Tokenizer

from stream_guard.engines.openai import OpenAiEngine, OpenAiSettings, openai_engine
from stream_guard.engines.port import (
    Ask,
    AskId,
    Completion,
    Engine,
    Failure,
    FailureKind,
    LabelRead,
    Labels,
    Read,
    Text,
    TextRead,
)
from stream_guard.engines.vllm import Fall, VllmEngine, vllm_engine
from stream_guard.engines.vllm_settings import VllmSettings
from stream_guard.errors import EngineUnavailable, ModelError
from tests.models import CONTEXT, VOCABULARY
from tests.ports import free_port

pytestmark = [pytest.mark.vllm, pytest.mark.asyncio(loop_scope="session")]

EOS = 2
LABELS = LabelRead((450, 790))
LONG = TextRead(max_tokens=4000, stop_ids=(EOS,))
SCHEMA = json.dumps(
    {
        "type": "object",
        "properties": {"violation": {"enum": [0, 1]}, "policy_category": {"enum": ["SP0", "SP2"]}},
        "required": ["violation", "policy_category"],
        "additionalProperties": False,
    }
)
_ids = count(1_000_000)


def make_ask(read: Read = LABELS, *, length: int = 100, seed: int = 0) -> Ask:
    """An ask whose prompt follows from its length and a seed."""
    return Ask(AskId(next(_ids)), [1000 + (n * 37 + seed * 101) % 5000 for n in range(length)], read)


async def ended(engine: Engine, asks: Sequence[Ask]) -> list[Completion]:
    """How asks end, in their order."""
    engine.submit(asks)
    found: dict[AskId, Completion] = {}
    async with asyncio.timeout(200):
        while len(found) < len(asks):
            found |= {done.ask_id: done for done in await engine.completions()}
    return [found[ask.id] for ask in asks]


async def one(engine: Engine, ask: Ask) -> Completion:
    """How one ask ends."""
    return (await ended(engine, [ask]))[0]


async def healthy_again(engine: Engine) -> list[str]:
    """Waits until a health check passes; what the checks before said."""
    reasons: list[str] = []
    async with asyncio.timeout(500):
        while True:
            try:
                await engine.health()
            except EngineUnavailable as down:
                reasons.append(str(down))
                await asyncio.sleep(0.5)
            else:
                return reasons


def _gone(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except FileNotFoundError:
        return True


async def _until(met: Callable[[], bool], within_s: float = 20.0) -> None:
    async with asyncio.timeout(within_s):
        while not met():  # noqa: ASYNC110 - what is waited for happens in another process
            await asyncio.sleep(0.05)


async def test_label_log_probabilities_are_those_of_the_whole_vocabulary(vllm_tiny: VllmEngine) -> None:
    """Two labels of a random model hold almost no mass; read together with others, each keeps its value."""
    pair = (await one(vllm_tiny, make_ask())).reply
    many = (await one(vllm_tiny, make_ask(LabelRead((450, 790, 5, 6, 7, 8))))).reply
    assert isinstance(pair, Labels)
    assert isinstance(many, Labels)
    assert sum(exp(logprob) for logprob in pair.logprobs.values()) < 0.01
    assert many.logprobs[450] == pytest.approx(pair.logprobs[450], abs=0.02)


async def test_a_schema_binds_the_reply(vllm_tiny: VllmEngine, tiny_model: Path) -> None:
    """Even a random model answers in the form, ends it, and says so."""
    done = await one(vllm_tiny, make_ask(TextRead(200, (EOS,), json_schema=SCHEMA)))
    assert isinstance(done.reply, Text)
    written = Tokenizer.from_file(str(tiny_model / "tokenizer.json")).decode(list(done.reply.token_ids))
    if done.reply.finished:
        assert set(json.loads(written)) == {"violation", "policy_category"}
    else:  # white space without end is valid JSON so far: such a reply is cut, and never taken for whole
        assert done.usage.completion_tokens == 200
    assert written.lstrip().startswith("{")


async def test_a_structural_tag_binds_the_reply(vllm_tiny: VllmEngine, tiny_model: Path) -> None:
    """The whole reply is the tag's constant."""
    tag = json.dumps({"type": "structural_tag", "format": {"type": "const_string", "value": "1"}})
    done = await one(vllm_tiny, make_ask(TextRead(8, (EOS,), structural_tag=tag)))
    assert isinstance(done.reply, Text)
    assert done.reply.finished
    assert Tokenizer.from_file(str(tiny_model / "tokenizer.json")).decode(list(done.reply.token_ids)) == "1"


async def test_a_cut_reply_is_not_finished(vllm_tiny: VllmEngine) -> None:
    """It ran into its limit."""
    done = await one(vllm_tiny, make_ask(TextRead(5, (EOS,))))
    assert isinstance(done.reply, Text)
    assert (len(done.reply.token_ids), done.reply.finished) == (5, False)


async def test_a_stop_id_ends_the_reply_and_stands_in_it(vllm_tiny: VllmEngine) -> None:
    """The reply ends with the id that stopped it, for the parser to see which it was."""
    free = (await one(vllm_tiny, make_ask(TextRead(5, (EOS,))))).reply
    assert isinstance(free, Text)
    stop = free.token_ids[0]
    stopped = (await one(vllm_tiny, make_ask(TextRead(5, (EOS, stop))))).reply
    assert stopped == Text((stop,), None, finished=True)


async def test_temperature_changes_the_text_and_no_label(vllm_tiny: VllmEngine) -> None:
    """An ask that is asked again gets another text; log-probabilities are raw all the same."""
    asks = [make_ask(read) for read in (TextRead(12, (EOS,)), LABELS)]
    again = [replace(ask, id=AskId(next(_ids)), temperature=1.0) for ask in asks]
    cold, warm = await ended(vllm_tiny, asks), await ended(vllm_tiny, again)
    assert cold[0].reply != warm[0].reply
    assert isinstance(cold[1].reply, Labels)
    assert isinstance(warm[1].reply, Labels)
    assert warm[1].reply.logprobs == pytest.approx(cold[1].reply.logprobs, abs=0.02)


async def test_a_shared_prefix_is_cached(vllm_tiny: VllmEngine) -> None:
    """Of 500 tokens that a second prompt shares, 480 come from the cache: blocks of 32."""
    shared = make_ask(length=500, seed=3).prompt
    first, second = (Ask(AskId(next(_ids)), [*shared, 4000 + n, 5000 + n], LABELS) for n in range(2))
    await one(vllm_tiny, first)
    usage = (await one(vllm_tiny, second)).usage
    assert (usage.prompt_tokens, usage.cached_tokens, usage.completion_tokens) == (502, 480, 1)
    assert usage.engine_s > 0.0
    assert 0.0 < usage.front_end_s < 5.0


async def test_front_end_time_adds_up_to_the_threads(vllm_tiny: VllmEngine) -> None:
    """Many asks share the thread's CPU time: none bears all of it."""
    done = await ended(vllm_tiny, [make_ask(seed=n) for n in range(64)])
    assert sum(completion.usage.front_end_s for completion in done) / 64 < 0.1


@pytest.mark.parametrize(
    ("ask", "kind"),
    [
        (make_ask(length=CONTEXT), FailureKind.TOO_LONG),
        (make_ask(TextRead(100, (EOS,)), length=CONTEXT - 99), FailureKind.TOO_LONG),
        (make_ask(TextRead(CONTEXT, (EOS,))), FailureKind.TOO_LONG),
        (Ask(AskId(1), [5, VOCABULARY, 6], LABELS), FailureKind.REJECTED),
        (Ask(AskId(2), [5, -1], LABELS), FailureKind.REJECTED),
        (Ask(AskId(3), [5, 6], LabelRead((VOCABULARY,))), FailureKind.REJECTED),
        (Ask(AskId(4), [], LABELS), FailureKind.REJECTED),
        (Ask(AskId(5), [5, 6], TextRead(0, ())), FailureKind.REJECTED),
        (make_ask(TextRead(8, (EOS,), json_schema="{")), FailureKind.REJECTED),
        (make_ask(TextRead(8, (EOS,), structural_tag='{"type": "structural_tag"}')), FailureKind.REJECTED),
    ],
)
async def test_what_the_engine_can_not_take_fails_alone(vllm_tiny: VllmEngine, ask: Ask, kind: FailureKind) -> None:
    """A token id past the embedding would pass vLLM's checks and kill it: nothing of the kind reaches it."""
    refused, other = await ended(vllm_tiny, [ask, make_ask()])
    assert isinstance(refused.reply, Failure)
    assert refused.reply.kind is kind
    assert isinstance(other.reply, Labels)
    await vllm_tiny.health()


async def test_a_prompt_that_just_fits_is_read(vllm_tiny: VllmEngine) -> None:
    """One token of room is all that a label needs."""
    assert isinstance((await one(vllm_tiny, make_ask(length=CONTEXT - 1))).reply, Labels)


async def test_a_cancelled_ask_frees_the_engine(vllm_tiny: VllmEngine) -> None:
    """Its request is aborted: the engine has nothing left to do."""
    ask = make_ask(LONG)
    vllm_tiny.submit([ask])
    await asyncio.sleep(0.3)
    vllm_tiny.cancel([ask.id])
    assert "0 open" in repr(vllm_tiny)
    assert isinstance((await one(vllm_tiny, make_ask())).reply, Labels)


async def test_warming_answers_past_the_mailbox(vllm_tiny: VllmEngine) -> None:
    """Its completions are its own; what can't be asked is told."""
    good, bad = make_ask(), make_ask(length=CONTEXT)
    replies = {done.ask_id: done.reply for done in await vllm_tiny.warm([good, bad])}
    assert isinstance(replies[good.id], Labels)
    assert isinstance(replies[bad.id], Failure)
    await vllm_tiny.warm([])
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.2):
            await vllm_tiny.completions()


async def _kill_core(pids: Sequence[int]) -> None:
    os.kill(pids[0], signal.SIGKILL)


async def _kill_worker(pids: Sequence[int]) -> None:
    os.kill(pids[-1], signal.SIGKILL)


async def _end_core(pids: Sequence[int]) -> None:
    os.kill(pids[0], signal.SIGTERM)


async def _hang(pids: Sequence[int]) -> None:
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)


class Strike(NamedTuple):
    """What befalls the engine, what becomes of what is open, and how soon that is known."""

    at: Callable[[Sequence[int]], Awaitable[None]]
    kinds: set[FailureKind]
    cause: str
    words: str
    within_s: float = 2.0
    patience_s: float = 5.0
    """How long its core may be silent before it counts as hung: an orderly end takes a while on a busy machine."""


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize(
    "strike",
    [
        Strike(_kill_core, {FailureKind.DIED}, "died", "its core was killed by SIGKILL"),
        pytest.param(Strike(_kill_worker, {FailureKind.DIED}, "died", "a worker ended"), marks=pytest.mark.chaos),
        pytest.param(
            Strike(
                _end_core,
                {FailureKind.UNAVAILABLE, FailureKind.DIED},
                "ended",
                "its core exited with 0",
                within_s=10.0,
                patience_s=30.0,
            ),
            marks=pytest.mark.chaos,
        ),
        Strike(_hang, {FailureKind.DIED}, "hung", "its core lives", within_s=20.0),
    ],
    ids=["kill core", "kill worker", "end core", "hang"],
)
async def test_an_engine_that_falls_is_loaded_again(
    vllm_tiny: VllmEngine, strike: Strike, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is open ends as died, at once and never as a reply; the old processes are ended, new ones loaded, and all is answered."""
    falls: list[Fall] = []
    monkeypatch.setattr(vllm_tiny, "on_fall", falls.append)
    monkeypatch.setattr(vllm_tiny, "_settings", replace(vllm_tiny._settings, health_timeout_s=strike.patience_s))
    pids, identity = vllm_tiny.pids, vllm_tiny.identity
    warm = make_ask(length=300, seed=9)
    await vllm_tiny.warm([warm])
    await ended(vllm_tiny, [make_ask(seed=n) for n in range(10)])  # this life was worth it
    asks = [make_ask(LONG, seed=n) for n in range(3)]
    vllm_tiny.submit(asks)
    await asyncio.sleep(0.3)
    await strike.at(pids)
    began = time.monotonic()
    probing = asyncio.ensure_future(healthy_again(vllm_tiny))  # as the breaker does
    found: list[Completion] = []
    while len(found) < len(asks):
        found.extend(await vllm_tiny.completions())
    assert time.monotonic() - began < strike.within_s
    assert {done.reply.kind for done in found if isinstance(done.reply, Failure)} <= strike.kinds
    assert all(isinstance(done.reply, Failure) for done in found)
    assert sorted(done.ask_id for done in found) == [ask.id for ask in asks]
    assert await probing
    (fall,) = falls
    assert fall.cause == strike.cause
    assert strike.words in fall.detail
    assert fall.open <= len(asks)
    await _until(lambda: all(_gone(pid) for pid in pids))
    assert (vllm_tiny.identity, vllm_tiny.hopeless) == (identity, None)
    again = [replace(ask, id=AskId(next(_ids)), read=LABELS) for ask in (warm, *asks)]
    done = await ended(vllm_tiny, again)
    assert all(isinstance(each.reply, Labels) for each in done)
    assert done[0].usage.cached_tokens > 0  # it was warmed again
    await vllm_tiny.warm([])


@pytest.mark.slow
async def test_loading_that_is_cancelled_leaves_no_process(vllm_tiny: VllmEngine, tiny_model: Path) -> None:
    """Also where the engine core is being started just then; another engine of this process goes on."""
    others = _cores()
    loading = asyncio.ensure_future(_open_and_close(VllmSettings(model=str(tiny_model))))
    await _until(lambda: bool(_cores() - others), within_s=300)
    loading.cancel()
    with pytest.raises(asyncio.CancelledError):
        await loading
    await _until(lambda: not _cores() - others)
    await vllm_tiny.health()


async def _open_and_close(settings: VllmSettings) -> None:
    async with vllm_engine(settings):
        pass


def _cores() -> set[int]:
    children = multiprocessing.active_children()
    return {child.pid for child in children if child.name.startswith("EngineCore") and child.pid is not None}


@pytest.mark.slow
async def test_a_model_that_can_not_be_loaded_is_an_error_of_ours(vllm_tiny: VllmEngine, tmp_path: Path) -> None:
    """The folder is named; vLLM's exception is its cause in words."""
    (tmp_path / "config.json").write_text('{"architectures": ["NoSuchModel"], "model_type": "llama"}')
    with pytest.raises(ModelError, match=str(tmp_path)):
        await _open_and_close(VllmSettings(model=str(tmp_path)))
    await vllm_tiny.health()


_PROGRAM = """
import asyncio, sys
from stream_guard.engines.port import Ask, AskId, LabelRead
from stream_guard.engines.vllm import vllm_engine
from stream_guard.engines.vllm_settings import VllmSettings

async def main():
    async with vllm_engine(VllmSettings(model=sys.argv[1])) as engine:
        await engine.warm([Ask(AskId(1), [5, 6, 7], LabelRead((8, 9)))])

if __name__ == "__main__":
    asyncio.run(main())
"""


@pytest.mark.slow
async def test_nothing_is_ever_written_to_stdout(tiny_model: Path, tmp_path: Path) -> None:
    """Neither by vLLM nor by its child processes: stdout belongs to whoever runs us."""
    program = tmp_path / "program.py"
    program.write_text(_PROGRAM)
    running = await asyncio.create_subprocess_exec(
        sys.executable, str(program), str(tiny_model), stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        env=os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])},
    )  # fmt: skip
    stdout, stderr = await running.communicate()
    assert running.returncode == 0, stderr.decode()[-2000:]
    assert stdout == b""


_SERVICE = """
import asyncio, sys
from stream_guard.engines.vllm import vllm_engine
from stream_guard.engines.vllm_settings import VllmSettings

async def main():
    async with vllm_engine(VllmSettings(model=sys.argv[1])) as engine:
        print(*engine.pids, flush=True)
        await asyncio.sleep(600)

if __name__ == "__main__":
    asyncio.run(main())
"""


@pytest.mark.slow
async def test_the_engine_ends_with_a_service_that_is_killed(tiny_model: Path, tmp_path: Path) -> None:
    """Its core and its workers: none holds memory or a device that the next service needs."""
    program = tmp_path / "program.py"
    program.write_text(_SERVICE)
    service = await asyncio.create_subprocess_exec(
        sys.executable, str(program), str(tiny_model), stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        env=os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])},
    )  # fmt: skip
    assert service.stdout is not None
    pids = [int(pid) for pid in (await service.stdout.readline()).split()]
    assert pids
    assert not any(_gone(pid) for pid in pids)
    service.kill()
    await service.communicate()
    await _until(lambda: all(_gone(pid) for pid in pids), within_s=5.0)


@pytest_asyncio.fixture(loop_scope="session")
async def served(tiny_model: Path, tmp_path: Path) -> AsyncIterator[OpenAiEngine]:
    """The engine behind HTTP, against vLLM's own server on the tiny model."""
    port = free_port()
    log = (tmp_path / "server.log").open("wb")
    server = subprocess.Popen(  # noqa: ASYNC220 - returns at once
        [
            sys.executable, "-m", "vllm.entrypoints.openai.api_server", "--model", str(tiny_model), "--port", str(port),
            "--host", "127.0.0.1", "--served-model-name", "tiny", "--enforce-eager", "--block-size", "32",
            "--enable-prompt-tokens-details",
        ],
        stdout=log, stderr=log, start_new_session=True, env=os.environ | {"VLLM_CPU_KVCACHE_SPACE": "1", "VLLM_NO_USAGE_STATS": "1"},
    )  # fmt: skip
    try:
        await _listening(server, port)
        settings = OpenAiSettings(base_url=f"http://127.0.0.1:{port}/v1", model="tiny", manifest="tiny")
        async with openai_engine(settings) as engine:
            yield engine
    finally:
        os.killpg(server.pid, signal.SIGKILL)
        await asyncio.to_thread(server.wait)
        log.close()


async def _listening(server: subprocess.Popen[bytes], port: int) -> None:
    give_up = time.monotonic() + 400
    async with ClientSession() as session:
        while server.poll() is None and time.monotonic() < give_up:
            try:
                async with session.get(f"http://127.0.0.1:{port}/health") as response:
                    if response.status == 200:
                        return
            except ClientError:
                await asyncio.sleep(0.5)
    pytest.fail("vLLM's server did not start")


@pytest.mark.slow
async def test_vllms_own_server_answers_as_the_embedded_engine(served: OpenAiEngine, vllm_tiny: VllmEngine) -> None:
    """By HTTP the same token ids give the same labels and the same text, stop ids and tags bind; what is too long is told before or by the server."""
    label, text = make_ask(length=200), make_ask(TextRead(8, (EOS,)), length=200)
    here, there = await ended(vllm_tiny, [label, text]), await ended(served, [label, text])
    assert isinstance(here[0].reply, Labels)
    assert isinstance(there[0].reply, Labels)
    assert there[0].reply.logprobs == pytest.approx(here[0].reply.logprobs, abs=0.05)
    assert isinstance(there[1].reply, Text)
    assert len(there[1].reply.token_ids) == 8
    assert served.identity.max_model_len == CONTEXT
    stop = there[1].reply.token_ids[0]
    stopped = await one(served, make_ask(TextRead(8, (EOS, stop)), length=200))
    assert stopped.reply == Text((stop,), None, finished=True)
    tag = json.dumps({"type": "structural_tag", "format": {"type": "token", "token": 450}})
    tagged = await one(served, make_ask(TextRead(8, (EOS,), structural_tag=tag)))
    assert isinstance(tagged.reply, Text)
    assert tagged.reply.token_ids[0] == 450
    bound = await one(served, make_ask(TextRead(200, (EOS,), json_schema=SCHEMA)))
    assert isinstance(bound.reply, Text)
    again = await one(served, Ask(AskId(next(_ids)), label.prompt, LABELS))
    assert again.usage.cached_tokens > 0
    long = await one(served, make_ask(length=CONTEXT))
    assert isinstance(long.reply, Failure)
    assert long.reply.kind is FailureKind.TOO_LONG
