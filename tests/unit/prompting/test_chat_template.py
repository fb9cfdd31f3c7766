from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from stream_guard.engines.port import Turn
from stream_guard.errors import ModelError
from stream_guard.prompting.chat_template import ChatTemplate, slot

TURNS = [Turn("system", slot(0)), Turn("user", slot(1))]
PLAIN = "{% for m in messages %}[{{ m.role }}]{{ m.content }}{% endfor %}"


def make_template(
    folder: Path, source: str | None, variables: dict[str, Any] | None = None, **config: Any
) -> ChatTemplate:
    """A chat template in a folder of its own."""
    if source is not None:
        (folder / "chat_template.jinja").write_text(source)
    (folder / "tokenizer_config.json").write_text(json.dumps(config))
    return ChatTemplate(folder, variables)


def test_pieces_alternate_with_slots(tmp_path: Path) -> None:
    """The template's own text and the slots come in order, beginning and ending with text."""
    template = make_template(tmp_path, PLAIN + "{% if add_generation_prompt %}[assistant]{% endif %}")
    assert template.pieces(TURNS) == ["[system]", 0, "[user]", 1, "[assistant]"]


def test_named_tokens_and_variables_reach_the_template(tmp_path: Path) -> None:
    """`bos_token` (plain or with flags) and the operator's variables are known to the template."""
    source = "{{ bos_token }}{{ eos_token }}{{ mood }}" + PLAIN
    config = {"bos_token": "<s>", "eos_token": {"content": "</s>", "lstrip": False}}
    template = make_template(tmp_path, source, {"mood": "calm"}, **config)
    assert template.pieces(TURNS)[0] == "<s></s>calm[system]"


def test_a_family_without_a_system_role(tmp_path: Path) -> None:
    """Where the template refuses a system turn, it opens the first user turn."""
    refusing = "{% if messages[0].role == 'system' %}{{ raise_exception('no system role') }}{% endif %}" + PLAIN
    template = make_template(tmp_path, refusing)
    assert template.pieces(TURNS) == ["[user]", 0, "\n\n", 1, ""]


def test_a_family_that_drops_the_system_turn(tmp_path: Path) -> None:
    """A template that drops the system turn silently would lose the policy: it opens the first user turn too."""
    dropping = "{% for m in messages if m.role != 'system' %}[{{ m.role }}]{{ m.content }}{% endfor %}"
    assert make_template(tmp_path, dropping).pieces(TURNS) == ["[user]", 0, "\n\n", 1, ""]


def test_the_date_is_pinned(tmp_path: Path) -> None:
    """A template that asks for today is told a constant, or the prefix would change at midnight."""
    template = make_template(tmp_path, "{{ strftime_now('%d %b %Y') }}" + PLAIN)
    assert template.pieces(TURNS)[0] == "29 Oct 2025[system]"


def test_the_tags_of_transformers_are_known(tmp_path: Path) -> None:
    """`generation`, loop controls, `tojson` and block trimming work as they do in transformers."""
    source = (
        "{% for m in messages %}\n  {%- generation -%} {{ m.role | tojson }}: {{ m.content }};\n{%- endgeneration %}\n"
        "{% if loop.last %}{% break %}{% endif %}{% endfor %}"
    )
    assert make_template(tmp_path, source).pieces(TURNS) == ['"system": ', 0, ';"user": ', 1, ";"]


@pytest.mark.parametrize(
    "config",
    [
        {"chat_template": PLAIN},
        {"chat_template": [{"name": "tool_use", "template": "no"}, {"name": "default", "template": PLAIN}]},
    ],
)
def test_a_template_in_the_configuration(tmp_path: Path, config: dict[str, Any]) -> None:
    """Older folders keep the template in tokenizer_config.json, alone or by name."""
    assert make_template(tmp_path, None, **config).pieces(TURNS) == ["[system]", 0, "[user]", 1, ""]


def test_a_template_in_a_file_of_its_own(tmp_path: Path) -> None:
    """Some folders keep it in chat_template.json."""
    (tmp_path / "chat_template.json").write_text(json.dumps({"chat_template": PLAIN}))
    assert ChatTemplate(tmp_path).pieces(TURNS)[0] == "[system]"


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("{% if %}", "can't be compiled"),
        ("{{ raise_exception('never') }}", "refuses the conversation: never"),
        ("{{ 1 + 'a' }}", "refuses the conversation"),
        ("{{ messages.__class__.__mro__ }}", "refuses the conversation"),
        (PLAIN + PLAIN, "does not show every turn once"),
        ("{% for m in messages | reverse %}{{ m.content }}{% endfor %}x{{ messages[0].content }}", "every turn once"),
        ("nothing", "does not show every turn once"),
        ("{{ messages.append(1) }}", "refuses the conversation"),
    ],
)
def test_a_template_that_cannot_show_a_conversation(tmp_path: Path, source: str, message: str) -> None:
    """A template that fails, reaches for more than it is given, or loses, repeats or reorders a turn is refused."""
    with pytest.raises(ModelError, match=message):
        make_template(tmp_path, source).pieces(TURNS)


def test_without_a_system_turn_a_refusal_stands(tmp_path: Path) -> None:
    """There is nothing to fold where the conversation begins with a user turn."""
    with pytest.raises(ModelError, match="every turn once"):
        make_template(tmp_path, "nothing").pieces(TURNS[1:])


def test_a_model_without_a_template(tmp_path: Path) -> None:
    """A base model has none."""
    with pytest.raises(ModelError, match="no chat template"):
        make_template(tmp_path, None)
