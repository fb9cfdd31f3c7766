"""How the configured engine is opened."""

from __future__ import annotations

import asyncio
import re
import time
from contextlib import nullcontext, suppress
from pathlib import Path

import pytest
from msgspec.structs import replace

from stream_guard import judges
from stream_guard.config import Settings, load_config
from stream_guard.engines import openai
from stream_guard.engines.openai import OpenAiSettings
from stream_guard.engines.port import Ask, AskId, Failure, LabelRead, Labels, TextRead
from stream_guard.engines.scripted import SCRIPTED, ScriptedEngine
from stream_guard.engines.scripts import ShareScript
from stream_guard.engines.vllm import Fall, VllmEngine
from stream_guard.engines.vllm_settings import VllmSettings
from stream_guard.errors import ModelError
from stream_guard.events.model import View
from stream_guard.prompting.harmony_tokens import CHANNEL, END, MESSAGE, START, STOP_IDS
from stream_guard.prompting.plain import PlainRenderer
from stream_guard.prompting.port import LabelReading
from stream_guard.telemetry.null import NullTelemetry
from stream_guard.warming import Warming, require_room, trial_ask
from tests.cases import make_policy
from tests.folders import make_model_folder, make_safetensors
from tests.members import LogBook
from tests.prompts import copy_tokenizer, smol_folder

CONFIG = """
kafka: {bootstrap_servers: "127.0.0.1:9092", group: guard, start: earliest}
engine: {kind: openai, base_url: "http://127.0.0.1:8000/v1", model: some, api: chat}
policies: [spam.md]
window: {asks: 300}
judging: {timeout: 90s}
routes:
  - name: all
    topic: messages
    judge: [message]
    policies: [spam]
    outputs: {verdicts: v, rulings: r, dead_letters: d}
"""


def test_no_open_ask_waits_for_a_connection(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its time runs from when it is open: behind a narrow door it would abstain without having been asked."""
    opened: list[OpenAiSettings] = []

    def openai_engine(settings: OpenAiSettings) -> nullcontext[None]:
        opened.append(settings)
        return nullcontext()

    monkeypatch.setattr(openai, "openai_engine", openai_engine)
    (tmp_path / "spam.md").touch()
    (tmp_path / "guard.yaml").write_text(CONFIG, encoding="utf-8")
    judges.choose(load_config(tmp_path / "guard.yaml", {})).open()
    assert [(settings.max_connections, settings.request_timeout_s) for settings in opened] == [(301, 90.0)]


async def test_the_scripted_engine_goes_wrong_as_configured(tmp_path: Path) -> None:
    """Of its asks, whatever they ask about, these shares fail, are garbled, or are never answered; others are answered."""
    (tmp_path / "spam.md").touch()
    engine = "engine: {kind: scripted, stumble_share: 0.2, garble_share: 0.2, hang_share: 0.2, delay: 1ms, delay_spread: 2ms}"
    (tmp_path / "guard.yaml").write_text(re.sub("engine: .*", engine, CONFIG), encoding="utf-8")
    asks = [Ask(AskId(n), [n, n], LabelRead((1, 2))) for n in range(1, 201)]
    done: dict[AskId, object] = {}
    async with judges.choose(load_config(tmp_path / "guard.yaml", {})).open() as opened:
        opened.submit(asks)
        with suppress(TimeoutError):
            async with asyncio.timeout(0.3):
                while True:
                    done |= {completion.ask_id: completion.reply for completion in await opened.completions()}
    assert list(done) != sorted(done)
    shares = [
        200 - len(done),
        sum(isinstance(r, Failure) for r in done.values()),
        list(done.values()).count(Labels({})),
    ]
    assert all(20 < share < 60 for share in shares), shares


async def test_only_an_engine_of_this_pod_can_be_beyond_repair() -> None:
    """A server elsewhere may be out for a day: a restart here would mend nothing. The embedded one tells of each fall."""
    told: list[tuple[str, str, int]] = []

    class Told(NullTelemetry):
        def engine_restart(self, cause: str, detail: str, open_asks: int) -> None:
            told.append((cause, detail, open_asks))

    elsewhere, here = ScriptedEngine(ShareScript()), VllmEngine(VllmSettings(model="/nowhere"))
    elsewhere.outage()
    assert judges.tell_falls(elsewhere, Told())() is None
    hopeless = judges.tell_falls(here, Told())
    assert hopeless() is None
    here.on_fall(Fall("died", "the engine died", 3))
    assert told == [("died", "the engine died", 3)]
    for _ in range(5):
        here._lives.ended(time.monotonic())
    assert "5 times" in (hopeless() or "")


def test_a_trial_is_about_something_harmless_under_the_shortest_policy() -> None:
    """It is small, and asked as every ask is."""
    renderer = PlainRenderer()
    templates = [renderer.template(replace(make_policy(), instruction="long " * n), View.MESSAGE) for n in (50, 1, 20)]
    ask = trial_ask(renderer, templates)
    assert ask is not None
    assert ask.prompt[: len(templates[1].prefix)] == list(templates[1].prefix)
    assert b"Warm-up." in bytes(token for token in ask.prompt if token < 256)
    assert trial_ask(renderer, []) is None


async def test_an_engine_that_is_away_is_warmed_for_what_is_in_force_once_it_is_back() -> None:
    """The list of before is of no use any more; what can't be asked is left out of it, and nobody waits."""
    renderer, engine, log = PlainRenderer(), VllmEngine(VllmSettings(model="/nowhere")), LogBook()
    engine._identity, engine._vocabulary = replace(SCRIPTED, max_model_len=4000), 2**40
    short, long = (
        renderer.template(replace(make_policy(), instruction="long " * n), View.MESSAGE) for n in (1, 20_000)
    )
    warming = Warming(engine, renderer, log)
    warming.begin([long])
    warming.begin([short, long])
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert log.events() == ["engine.warming", "engine.not_warmed"]
    assert log.lines[0][1] == {"prompts": "2 prefixes, 2 grammars, 0 reads of labels"}
    assert [ask.prompt[: len(short.prefix)] for ask in engine._warm] == [list(short.prefix)]
    warming.end()
    with pytest.raises(
        ModelError, match=r"policy spam: prompt and reply take \d+ tokens, and the engine's context has 4000"
    ):
        require_room([short, long], 4000)
    require_room([short], 4000)


async def test_an_engine_elsewhere_needs_no_warming() -> None:
    """Nothing is asked, and nothing is under way afterwards."""
    warming = Warming(ScriptedEngine(ShareScript()), PlainRenderer(), log := LogBook())
    warming.end()
    warming.begin([PlainRenderer().template(make_policy(), View.MESSAGE)])
    await asyncio.sleep(0)
    assert (log.events(), len(asyncio.all_tasks())) == ([], 1)


def make_config(folder: Path, engine: str) -> Settings:
    """A configuration with this engine."""
    (folder / "spam.md").touch()
    (folder / "guard.yaml").write_text(re.sub("engine: .*", f"engine: {engine}", CONFIG), encoding="utf-8")
    return load_config(folder / "guard.yaml", {})


def test_a_wrong_model_folder_is_refused_before_an_engine_is_opened(tmp_path: Path) -> None:
    """With everything that is wrong with it."""
    make_model_folder(tmp_path / "model", vocab_size=7)
    (tmp_path / "model" / "model.safetensors").rename(tmp_path / "model" / "model.bin")
    with pytest.raises(ModelError) as refused:
        judges.choose(make_config(tmp_path, "{kind: vllm, model: model}"))
    assert len(refused.value.problems) == 3


def test_the_folder_says_which_profile_is_taken(tmp_path: Path) -> None:
    """A gpt-oss is asked in harmony, with the stop tokens of its profile."""
    make_model_folder(tmp_path / "model")
    choice = judges.choose(make_config(tmp_path, "{kind: vllm, model: model}"))
    assert choice.profile is not None
    assert choice.folder is not None
    assert (choice.profile.name, choice.folder.name) == ("gpt-oss", "model")
    read = choice.renderer.template(make_policy(), View.MESSAGE).read
    assert read == TextRead(2048, (END, *STOP_IDS, START, CHANNEL, MESSAGE))


def test_a_profile_for_another_family_is_refused(tmp_path: Path) -> None:
    """An answer to a prompt that means nothing to the model might look like one."""
    make_model_folder(tmp_path / "model")
    with pytest.raises(ModelError, match="but the profile cope-a is for Gemma2ForCausalLM"):
        judges.choose(make_config(tmp_path, "{kind: vllm, model: model, profile: cope-a}"))


def test_the_small_model_is_asked_by_its_own_profile(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It leans to No, so that its threshold is another."""
    monkeypatch.setattr(judges, "small_model_folder", smol_folder)
    choice = judges.choose(make_config(tmp_path, "{kind: vllm, model: small}"))
    reading = choice.renderer.template(make_policy(), View.MESSAGE).reading
    assert isinstance(reading, LabelReading)
    assert (reading.threshold, reading.min_mass) == (0.35, 0.3)


def test_a_new_family_is_a_new_file(tmp_path: Path) -> None:
    """A profile of one's own, beside the configuration, and the model is asked as it says: no code is written."""
    copy_tokenizer(tmp_path)
    make_safetensors(tmp_path / "model.safetensors", "embed")
    (tmp_path / "own.yaml").write_text(OWN, encoding="utf-8")
    choice = judges.choose(make_config(tmp_path, "{kind: vllm, model: ., profile: own.yaml}"))
    template = choice.renderer.template(make_policy(), View.MESSAGE)
    assert isinstance(template.reading, LabelReading)
    assert (choice.renderer.text([template.reading.yes_id]), template.reading.threshold) == ("1", 0.6)
    assert "Rules: # spam" in choice.renderer.text(template.prefix)


OWN = """\
name: own
match: {architectures: [LlamaForCausalLM]}
renderer: completion
prompt:
  text: "<|im_start|>Rules: {policy}\\nText: {content}\\nAnswer (0 or 1): "
answer: {form: label, violates: "1", permits: "0", threshold: 0.6}
"""


def test_a_server_needs_only_the_tokenizer_here(tmp_path: Path) -> None:
    """The weights are where the server is."""
    copy_tokenizer(tmp_path)
    (tmp_path / "model.safetensors").unlink()
    engine = '{kind: openai, base_url: "http://127.0.0.1:8000/v1", model: some, tokenizer: .}'
    choice = judges.choose(make_config(tmp_path, engine))
    assert choice.profile is not None
    assert choice.profile.name == "chat"
