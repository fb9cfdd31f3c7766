"""The part of a configuration that says who judges: read alone, whatever the rest holds."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TypeAlias

import pytest

from stream_guard.config import JudgeSettings, load_judge
from stream_guard.config.engine import ScriptedSettings, VllmSettings
from stream_guard.errors import ConfigError
from stream_guard.events.model import View
from tests.unit.config.test_load import FULL, MINIMAL

ENGINE = "engine: {kind: scripted}\n"

Load: TypeAlias = Callable[..., JudgeSettings]


@pytest.fixture
def load(tmp_path: Path) -> Load:
    """Loads a text as the configuration `guard.yaml`."""

    def from_text(text: str, env: Mapping[str, str] | None = None) -> JudgeSettings:
        (tmp_path / "guard.yaml").write_text(text, encoding="utf-8")
        return load_judge(tmp_path / "guard.yaml", env or {})

    return from_text


def findings(load: Load, text: str, env: Mapping[str, str] | None = None) -> list[str]:
    """What is wrong with it, each finding as `line:column: message`."""
    with pytest.raises(ConfigError) as caught:
        load(text, env)
    return [f"{place.line}:{place.column}: {what}" for place, what in caught.value.findings]


def test_the_engine_is_enough(load: Load) -> None:
    """All else has defaults, as in the whole."""
    settings = load(ENGINE)
    assert isinstance(settings.engine, ScriptedSettings)
    assert (settings.policies, settings.routes) == ((), ())
    assert (settings.window.asks, settings.judging.attempts) == (256, 3)


def test_a_whole_configuration_will_do(load: Load, tmp_path: Path) -> None:
    """What it says of the engine counts, its paths beside the file; no secret of the rest has to be at hand."""
    settings = load(FULL)
    assert isinstance(settings.engine, VllmSettings)
    assert settings.engine.model == str(tmp_path / "models/safeguard")
    assert settings.policies == (tmp_path / "policies", tmp_path / "other.md")
    assert settings.routes[0].views == (View.MESSAGE, View.LAST_TURN, View.COMPLETION)
    assert (settings.window.asks, settings.judging.timeout) == (64, 90.0)


def test_what_the_other_sections_hold_is_no_matter(load: Load) -> None:
    """Nor what the environment says of them."""
    other = "kafka: {group: [no group]}\nredrive: nowhere\nstate_dir: ${NOT_SET}\n"
    env = {
        "STREAM_GUARD_KAFKA__NO_SUCH__SETTING": "1",
        "STREAM_GUARD_ESCALATION": "{",
        "STREAM_GUARD_WINDOW__ASKS": "7",
    }
    assert load(ENGINE + other, env).window.asks == 7


def test_a_section_that_nobody_knows_is_a_slip(load: Load) -> None:
    """It is refused with its place: it may be meant for one that counts."""
    assert findings(load, ENGINE + "kafak: {}\nwindows:\n  asks: 1\n") == [
        "2:1: kafak is unknown; did you mean kafka?",
        "3:1: windows is unknown; did you mean window?",
    ]
    assert findings(load, MINIMAL.replace("engine", "engines")) == [
        "1:1: engine is required",
        "4:1: engines is unknown; did you mean engine?",
    ]


def test_what_counts_is_checked_as_in_the_whole(load: Load) -> None:
    """The shape, the references, what settings mean together, and the profile."""
    hanging = "engine: {kind: vllm, model: small, health_timeout: 30s, profile: no-such}\njudging: {timeout: 40s}\n"
    assert findings(load, 'engine: {kind: scripted, model: "${MODEL}"}') == [
        "1:33: environment variable MODEL is not set"
    ]
    assert findings(load, ENGINE + "judging: {attempts: 0}\n")[0].startswith("2:21: judging.attempts")
    together, profile = findings(load, hanging)
    assert together.startswith("2:20: must be more than engine.health_timeout")
    assert profile.startswith("1:66: there is no profile no-such")
