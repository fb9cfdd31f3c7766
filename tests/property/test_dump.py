"""A dumped configuration is read back as it was, and no secret ever leaves through it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import orjson
import pytest
from hypothesis import HealthCheck, assume, example, given, settings
from hypothesis import strategies as st

from stream_guard.checkup.explanation import explain
from stream_guard.checkup.offline import check_files
from stream_guard.config import load_config
from stream_guard.config.document import parse_document
from stream_guard.config.dump import yaml_lines
from stream_guard.config.load import examine_config
from stream_guard.config.resolved import Origins
from tests.inspections import make_route
from tests.secret_places import PLACES, SECRET_OPTIONS

MARKER = "zanzibar"
_text = st.text(st.characters(codec="utf-8", exclude_characters="\x00"), max_size=12).filter(
    lambda text: all(c in "\n\t\x85" or c.isprintable() or c == "\u2028" for c in text)
)
_words = st.sampled_from(
    [
        "no",
        "1e5",
        "0o17",
        "2026-01-31",
        "~",
        "",
        "<<",
        "${X}",
        "$${",
        "- a",
        "# b",
        "a: b",
        "'",
        '"',
        "0x1F",
        ".5",
        "1_000",
    ]
)
_scalar = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | _text | _words
_value = st.recursive(
    _scalar,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_text | _words.filter("<<".__ne__), inner, max_size=3),
    max_leaves=8,
)


@given(st.dictionaries(_text.filter(bool), _value, max_size=4))
@example({"0": ["\x85"], "1": {"a\nb": ["\n", "${X}"]}})
def test_what_is_dumped_is_read_back(values: dict[str, Any]) -> None:
    """Whatever texts, numbers and nesting."""
    text = "\n".join(map(str, yaml_lines(values, lambda _: "a comment")))
    assert parse_document(text or "{}", "file", {}).values == values


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
@given(st.sets(st.sampled_from(PLACES), min_size=1), st.sampled_from(["file", "reference", "variable"]), st.data())
def test_no_secret_is_in_any_output(
    tmp_path: Path, places: set[tuple[str, ...]], way: str, data: st.DataObject
) -> None:
    """Wherever secrets stand and however they came there."""
    assume(not {("schema_registry", "password"), ("schema_registry", "token")} <= places)
    goes_into_a_header = ("schema_registry", "token") in places
    letters = "abc\"':#${" if goes_into_a_header else "abc\"'\n: #${"
    secret = MARKER + data.draw(st.text(letters, max_size=8)) + MARKER
    values: dict[str, Any] = {
        "kafka": {"bootstrap_servers": "a:1", "start": "earliest"},
        "engine": {"kind": "openai", "base_url": "http://127.0.0.1:1/v1", "model": "m", "api": "chat"},
        "policies": ["policies"],
        "routes": [make_route()],
    }
    env = {"SECRET": secret}
    for place in places:
        if way == "variable":
            env["STREAM_GUARD_" + "__".join(part.replace(".", "_") for part in place).upper()] = secret
        else:
            _put(values, place, "${SECRET}" if way == "reference" else secret.replace("${", "$${"))
    if any("schema_registry" in place for place in places):
        values["schema_registry"] = {
            "url": "https://registry",
            "certificate": "c.pem",
            **values.get("schema_registry", {}),
        }
        values["schema_registry"] |= {"username": "u"} if ("schema_registry", "password") in places else {}
    (tmp_path / "policies").mkdir(exist_ok=True)
    path = tmp_path / "guard.yaml"
    path.write_bytes(orjson.dumps(values))
    loaded, _ = examine_config(path, env)  # some of these options contradict each other
    explanation = explain(loaded, {"spam": _policy()}, Origins(loaded, path))
    assert MARKER not in "\n".join(map(str, explanation.lines()))
    assert MARKER not in repr(explanation)
    assert MARKER not in repr(check_files(path, env).report)


def test_secrets_of_an_engine_that_are_passed_through_are_masked(tmp_path: Path) -> None:
    """What vLLM is told may hold a token, too."""
    extra = {
        "hf_token": MARKER,
        "nested": {"api_key": MARKER, "list": [{"password": MARKER}], "secrets": [MARKER, 7]},
        "block_size": 16,
    }
    values = {
        "kafka": {"bootstrap_servers": "a:1", "start": "earliest"},
        "engine": {"kind": "vllm", "model": "m", "extra": extra},
        "policies": ["policies"],
        "routes": [make_route()],
    }
    (tmp_path / "policies").mkdir()
    path = tmp_path / "guard.yaml"
    path.write_bytes(orjson.dumps(values))
    loaded = load_config(path, {})
    explanation = explain(loaded, {"spam": _policy()}, Origins(loaded, path))
    assert MARKER not in "\n".join(map(str, explanation.lines())) + repr(explanation)
    assert explanation.values["engine"]["extra"]["block_size"] == 16


@pytest.mark.parametrize("option", SECRET_OPTIONS)
def test_every_option_of_the_list_is_a_secret(option: str) -> None:
    """The property above would prove nothing about an option that is refused or renamed."""
    from stream_guard.config.kafka import is_secret  # noqa: PLC0415 - beside its only use

    assert is_secret(option)


def _policy() -> Any:
    from tests.cases import make_policy  # noqa: PLC0415 - beside its only use

    return make_policy("spam")


def _put(values: dict[str, Any], place: tuple[str, ...], value: str) -> None:
    for part in place[:-1]:
        values = values.setdefault(part, {})
    values[place[-1]] = value
