"""A share of the million hostile contents, and that the run would tell if one got through."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from loadtest.gauntlet import Fates, Gauntlet, all_prompts, content_of, prompts_of
from loadtest.hostile import main, table
from loadtest.hostilities import GENERATORS
from loadtest.replies import harmony_may_allow, may_allow
from stream_guard.events.content import Judged
from stream_guard.policy.document import OutputForm
from stream_guard.prompting.frame import frame
from stream_guard.prompting.harmony_tokens import CHANNEL, END, MESSAGE, ORDINARY_TOKENS, RETURN, START
from stream_guard.prompting.harmony_vocabulary import harmony_vocabulary
from stream_guard.prompting.plain import PlainRenderer
from stream_guard.prompting.port import Rendered, Template

CONTENTS = 2_000
BUILT_FROM_CONTROL_TOKENS = {"control", "roles", "split", "nested", "disguised", "encoded"}


@pytest.fixture(scope="module")
def fates() -> dict[str, Fates]:
    """What became of the contents, by generator."""
    return Gauntlet(all_prompts()).run(1, range(CONTENTS))


def test_no_content_becomes_a_control_token_or_forges_a_frame_and_nothing_fails(fates: dict[str, Fates]) -> None:
    """Nor does a reply allow that may not."""
    assert sum(each.contents for each in fates.values()) == CONTENTS
    assert [(name, each.first_failure) for name, each in fates.items() if each.failures] == []


def test_every_generator_does_its_part(fates: dict[str, Fates]) -> None:
    """Or the run would prove less than it says: half is built from control tokens, much is undone, some replies allow."""
    assert set(fates) == set(GENERATORS)
    assert sum(fates[name].contents for name in BUILT_FROM_CONTROL_TOKENS) == CONTENTS // 2
    assert all(fates[name].decoded == fates[name].contents for name in BUILT_FROM_CONTROL_TOKENS)
    assert all(fates[name].normalised for name in ("split", "disguised", "encoded", "bidi", "runs", "awkward"))
    assert all(fates[name].rejected for name in ("surrogates", "malformed", "deep", "numbers", "shapes", "mutated"))
    assert all(fates[name].decoded for name in ("surrogates", "deep", "numbers", "shapes", "mutated"))
    assert all(each.allowed for each in fates.values())
    assert fates["benign"].normalised == 0


class Careless(PlainRenderer):
    """A renderer that lets a spelling become what it spells."""

    def render(self, template: Template, contents: Sequence[Judged]) -> list[Rendered]:
        """Wherever `<|end|>` stands is the end."""
        prefix, suffix = template.prefix, template.suffix
        texts = [frame(content).encode().replace(b"<|end|>", b"\xff") for content in contents]
        return [Rendered([*prefix, *(256 if byte == 255 else byte for byte in text), *suffix]) for text in texts]


def test_a_leak_is_counted_and_told() -> None:
    """With the number to replay."""
    careless = prompts_of("careless", Careless(), lambda ids: max(ids, default=0) < 256)
    fates = Gauntlet([careless]).run(1, range(500))
    leaking = {name: each for name, each in fates.items() if each.control_tokens}
    assert "control" in leaking
    number = leaking["control"].first_failure
    assert number is not None
    assert b"<|end|>" in content_of(1, number)[0].value
    assert f"control: first failed check at --replay {number}" in table(fates)


def test_a_crash_is_counted_by_its_class() -> None:
    """And stops nothing."""

    class Breaking(PlainRenderer):
        def render(self, template: Template, contents: Sequence[Judged]) -> list[Rendered]:
            raise RecursionError

    fates = Gauntlet([prompts_of("breaking", Breaking(), lambda ids: True)]).run(1, range(100))
    whole = Fates()
    for each in fates.values():
        whole.add(each)
    assert whole.crashes == whole.causes["RecursionError"] == whole.decoded > 0


def test_the_same_seed_makes_the_same_contents() -> None:
    """And another seed others."""
    assert content_of(1, 7)[0] == content_of(1, 7)[0]
    assert content_of(1, 7)[0] != content_of(2, 7)[0]


ALLOW = '{"violation": 0, "policy_category": "SP0"}'


@pytest.mark.parametrize(
    ("text", "form", "allows"),
    [
        (ALLOW, OutputForm.CATEGORY, True),
        (f" {ALLOW}\n", OutputForm.CATEGORY, True),
        (ALLOW + ALLOW, OutputForm.CATEGORY, False),
        (ALLOW.replace("0,", "0.0,"), OutputForm.CATEGORY, False),
        (ALLOW.replace("0,", "false,"), OutputForm.CATEGORY, False),
        (ALLOW.replace("}", ', "violation": 0}'), OutputForm.CATEGORY, False),
        (ALLOW.replace("SP0", "SP2"), OutputForm.CATEGORY, False),
        (f"[{ALLOW}]", OutputForm.CATEGORY, False),
        (ALLOW, OutputForm.RATIONALE, False),
        ("0", OutputForm.BINARY, True),
        ("0.", OutputForm.BINARY, False),
        ("1", OutputForm.BINARY, False),
    ],
)
def test_only_a_whole_answer_may_allow(text: str, form: OutputForm, allows: bool) -> None:
    """As the check has it, which is not the parser."""
    assert may_allow(text, form) is allows


def test_only_reasoning_and_one_final_message_may_allow() -> None:
    """In harmony."""
    encode, text_of = harmony_vocabulary().encode, harmony_vocabulary().decode
    reasoning = [CHANNEL, *encode("analysis"), MESSAGE, *encode("Hello."), END, START, *encode("assistant")]
    final = [CHANNEL, *encode("final"), MESSAGE, *encode("0")]
    for ids in (final, [*reasoning, *final], [*reasoning, *reasoning, *final, END, RETURN]):
        assert harmony_may_allow(ids, text_of, OutputForm.BINARY)
    for ids in (
        reasoning,
        [*final, *final],
        [*final, END, START, *encode("assistant"), *final],
        [*encode("0")],
        [*final, ORDINARY_TOKENS],
    ):
        assert not harmony_may_allow(ids, text_of, OutputForm.BINARY)


def test_the_command_prints_a_table(capsys: pytest.CaptureFixture[str]) -> None:
    """And ends with 0 where nothing failed."""
    assert main(["--contents", "100", "--workers", "1"]) == 0
    printed = capsys.readouterr().out
    assert printed.startswith("100 contents, seed 1")
    assert "| **all** | 100 |" in printed


def test_a_content_is_printed_by_its_number(capsys: pytest.CaptureFixture[str]) -> None:
    """To look at what failed."""
    assert main(["--seed", "3", "--replay", "5"]) == 0
    assert capsys.readouterr().out == f"{content_of(3, 5)[0]}\n"
