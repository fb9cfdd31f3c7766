"""What packing costs and saves: the same contents asked both ways."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from stream_guard.config import load_judge
from stream_guard.engines.port import Ask, TextRead, Usage
from stream_guard.engines.scripted import ScriptedEngine, scripted_engine
from stream_guard.engines.scripts import Reply, answer
from stream_guard.errors import ConfigError, EngineUnavailable, PolicyError
from stream_guard.events.model import View
from stream_guard.judges import choose
from stream_guard.judging.case import Case, Outcome, outcomes
from stream_guard.judging.combine import Result
from stream_guard.judging.judgement import Abstention, AbstentionReason, Judgement
from stream_guard.policy.document import Example, OutputForm, QuickLook
from stream_guard.policy.labelled import Labelled, LabelledSet
from stream_guard.policy.load import load_policies
from stream_guard.prompting.plain import PlainRenderer
from stream_guard.qualification import session
from stream_guard.qualification.packing import Comparison, Cost, PackResult, compared, cost_of
from stream_guard.qualification.posing import LabelledContent, Posed, Posing, contents_of, unlabelled_in, unpacked
from stream_guard.qualification.session import Answered, Asking, News, compare_packed
from tests.cases import make_policy

SPAM, RUDE = make_policy("spam"), make_policy("rude")
POLICIES = (SPAM, RUDE)
GARBAGE = Abstention(AbstentionReason.UNPARSEABLE)
FINE, BAD = Judgement("OK"), Judgement("BAD")


def make_set(*rows: tuple[str, str]) -> LabelledSet:
    """Contents and their labels."""
    return LabelledSet("set.csv", tuple(Labelled(line, text, label) for line, (text, label) in enumerate(rows, 2)), 0)


def test_a_content_that_several_label_is_one() -> None:
    """It is asked about once, and counts for each that labelled it."""
    sets = {"spam": make_set(("a", "OK"), ("b", "BAD")), "rude": make_set(("b", "OK"), ("c", "BAD"))}
    found = [(each.number, each.content, dict(each.expect)) for each in contents_of(sets, POLICIES)]
    assert found == [(1, "a", {"spam": "OK"}), (2, "b", {"spam": "BAD", "rude": "OK"}), (3, "c", {"rude": "BAD"})]
    assert repr(contents_of(sets, POLICIES)[0]) == "LabelledContent(1)"


def test_a_content_with_two_labels_has_none() -> None:
    """Nobody can say which is right; that it is so is counted, as is what has no label at all."""
    sets = {"spam": make_set(("a", "OK"), ("a", "BAD"), ("b", "OK"), ("b", "OK")), "rude": make_set(("a", "OK"))}
    sets["rude"] = LabelledSet("rude.csv", sets["rude"].rows, 3)
    found = contents_of(sets, POLICIES)
    assert [(each.content, dict(each.expect)) for each in found] == [("a", {"rude": "OK"}), ("b", {"spam": "OK"})]
    assert unlabelled_in(sets, found) == 4


def test_a_label_that_a_policy_lacks_is_refused() -> None:
    """Before anything is asked."""
    with pytest.raises(PolicyError, match="no category of rude"):
        contents_of({"rude": make_set(("a", "SP9"))}, POLICIES)


def test_what_a_prompt_shows_is_asked_under_one_that_leaves_it_out() -> None:
    """Both ways, whichever policy shows it; everything else shares its prompt."""
    shows = replace(RUDE, examples=(Example("told", "BAD", shown=True), Example("other", "OK", shown=True)))
    contents = [LabelledContent(n, text, {}) for n, text in enumerate(("told", "a", "b"))]
    posing = Posing([SPAM, shows], PlainRenderer(), [View.LAST_TURN])
    apart, together = posing.apart(contents), posing.together(contents)
    assert [(p.about.number, p.template.asked.id) for p in apart] == [
        (n, policy) for policy in ("spam", "rude") for n in (0, 1, 2)
    ]
    assert [p.template.asked.id for p in together] == ["spam+rude"] * 3
    assert len(posing.templates) == 3
    assert {p.template.view for p in (*apart, *together)} == {View.LAST_TURN}
    for told, others in ((apart[3], apart[4:]), (together[0], together[1:])):
        shown = [[e.content for p in each.template.policies for e in p.examples if e.shown] for each in (told, *others)]
        assert shown == [["other"], ["told", "other"], ["told", "other"]]
        assert others[0].template is others[1].template


def make_pair(number: int, expect: Mapping[str, str], apart: Mapping[str, Result], packed: Mapping[str, Result]) -> Any:
    """The outcomes about one content, both ways."""
    content = LabelledContent(number, f"text {number}", expect)
    posing = Posing(POLICIES, PlainRenderer(), ())
    ended = []
    for posed in (*posing.apart([content]), *posing.together([content])):
        case: Case[Posed] = Case(posed, posed.template, posed.judged, 0.0, None)
        case.spend(Usage(prompt_tokens=10, cached_tokens=4, completion_tokens=2))
        said = apart if len(posed.template.policies) == 1 else packed
        ended += outcomes(case, tuple(said[policy.id] for policy in posed.template.policies))
    return ended[:2], ended[2:]


def compare(*pairs: Any) -> dict[str, Comparison]:
    """The comparisons, by policy."""
    apart: list[Outcome[Posed]] = [each for pair in pairs for each in pair[0]]
    together: list[Outcome[Posed]] = [each for pair in reversed(pairs) for each in pair[1]]
    return {each.policy.id: each for each in compared(POLICIES, apart, together)}


def test_decisions_are_compared_with_each_other_and_with_the_labels() -> None:
    """Whatever the order in which the answers came; what nobody labelled counts for the one alone."""
    found = compare(
        make_pair(1, {"spam": "BAD"}, {"spam": BAD, "rude": FINE}, {"spam": FINE, "rude": FINE}),
        make_pair(2, {"spam": "BAD"}, {"spam": FINE, "rude": FINE}, {"spam": BAD, "rude": BAD}),
        make_pair(3, {"spam": "OK", "rude": "OK"}, {"spam": FINE, "rude": GARBAGE}, {"spam": FINE, "rude": GARBAGE}),
        make_pair(4, {"rude": "BAD"}, {"spam": FINE, "rude": BAD}, {"spam": GARBAGE, "rude": GARBAGE}),
    )
    by_labels = {"labelled": 3, "right": 2, "right_packed": 2, "lost": 1, "gained": 1}
    assert found["spam"] == Comparison(
        SPAM, 4, 4, differing=3, found=1, changed=1, abstained=0, abstained_packed=1, **by_labels
    )
    by_labels = {"labelled": 2, "right": 1, "right_packed": 0, "lost": 1, "gained": 0}
    assert found["rude"] == Comparison(
        RUDE, 4, 3, differing=2, found=1, changed=1, abstained=1, abstained_packed=2, **by_labels
    )


def test_what_it_cost_is_added_up_once_for_each_ask() -> None:
    """An ask about two policies is one."""
    apart, together = make_pair(1, {}, {"spam": FINE, "rude": FINE}, {"spam": FINE, "rude": FINE})
    assert cost_of(apart, 3.0) == Cost(2, 20, 8, 4, 3.0)
    assert cost_of(together, 2.0) == Cost(1, 10, 4, 2, 2.0)
    assert (cost_of(apart, 3.0).computed_tokens, cost_of(together, 2.0).computed_tokens) == (16, 8)


def make_result(
    differing: int, asked: int = 400, packed_tokens: int = 50, found: int = 100, changed: int = 0
) -> PackResult:
    """A result of one policy."""
    comparison = Comparison(SPAM, 400, asked, differing, found, changed, 400 - asked, 0, 0, 0, 0, 0, 0)
    return PackResult("m", (comparison,), Cost(2, 100, 0, 10, 1.0), Cost(1, packed_tokens, 0, 10, 1.0))


@pytest.mark.parametrize(
    ("result", "recommended"),
    [
        (make_result(0), True),
        (make_result(10), True),
        (make_result(15), False),
        (make_result(0, asked=20), False),
        (make_result(0, asked=0), False),
        (make_result(0, packed_tokens=100), False),
        (make_result(5, changed=5), False),
        (make_result(3, changed=3), True),
        (make_result(0, found=0), False),
        (make_result(0, found=20), False),
    ],
)
def test_it_is_recommended_where_little_changes_and_something_is_saved(result: PackResult, recommended: bool) -> None:
    """At the end of the interval: few contents prove nothing."""
    assert result.recommended is recommended


def test_looks_are_left_out_of_the_comparison() -> None:
    """A pack has none, and a policy that is packed must have none."""
    assert [p.quick_look for p in unpacked([replace(SPAM, quick_look=QuickLook(0.1)), RUDE])] == [None, None]


# -- a run ------------------------------------------------------------------------------------------------------------

CONFIG = "engine: {kind: scripted}\npolicies: [policies]\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A configuration with two of the policies that ship."""
    (tmp_path / "policies").mkdir()
    shipped = Path(__file__).parents[3] / "policies"
    for name in ("spam.md", "harassment.md"):
        (tmp_path / "policies" / name).write_text((shipped / name).read_text(encoding="utf-8"), encoding="utf-8")
    (tmp_path / "guard.yaml").write_text(CONFIG, encoding="utf-8")
    return tmp_path


def says_less_when_packed(ask: Ask) -> Reply:
    """Violates where the content says so; asked about several at once it finds nothing."""
    schema = ask.read.json_schema if isinstance(ask.read, TextRead) else None
    several = schema is not None and "spam" in json.loads(schema)["properties"]
    return answer(ask.read, violates=not several and b"win now" in bytes(t for t in ask.prompt[-40:] if t < 256))


async def run(folder: Path, monkeypatch: pytest.MonkeyPatch, labelled: Mapping[str, LabelledSet]) -> list[News]:
    """What is told of a run over that engine."""
    settings, told = load_judge(folder / "guard.yaml", {}), list[News]()
    policies = list(load_policies(settings.policies).values())

    def chosen(given: Any) -> Any:
        return choose(given)._replace(open=lambda: scripted_engine(says_less_when_packed))

    monkeypatch.setattr(session, "choose", chosen)
    await compare_packed(settings, policies, told.append, labelled)
    return told


async def test_a_run_tells_how_far_it_is_and_then_what_differs(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Twice as many asks apart as packed, and one more news for each."""
    texts = make_set(*((f"{'win now' if number < 3 else 'hello'} {number}", "SP0") for number in range(10)))
    told = await run(folder, monkeypatch, {"spam": texts})
    assert [news for news in told if isinstance(news, Asking)] == [Asking("scripted", 30)]
    assert sum(isinstance(news, Answered) for news in told) == 30
    result = told[-1]
    assert isinstance(result, PackResult)
    assert {each.policy.id: (each.differing, each.labelled) for each in result.comparisons} == {
        "harassment": (3, 0),
        "spam": (3, 10),
    }
    (spam,) = (each for each in result.comparisons if each.policy.id == "spam")
    assert (spam.right, spam.right_packed, spam.gained, spam.lost) == (7, 10, 3, 0)
    assert (result.apart.asks, result.together.asks) == (20, 10)


async def test_an_engine_that_is_lost_gives_no_result(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The run ends with the engine's error."""
    monkeypatch.setattr(ScriptedEngine, "submit", lambda engine, asks: engine.outage("it is gone") or None)
    monkeypatch.setattr(ScriptedEngine, "completions", _gone)
    with pytest.raises(EngineUnavailable, match="gone"):
        await run(folder, monkeypatch, {"spam": make_set(("a", "SP0"))})


async def _gone(engine: ScriptedEngine) -> Any:
    raise EngineUnavailable("it is gone")


async def test_a_model_that_answers_in_one_word_can_t_be_compared(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is said before anything is asked."""

    class OneWord(PlainRenderer):
        def template(self, asked: Any, view: View) -> Any:
            if asked.id == "harassment+spam":
                raise ConfigError
            return super().template(asked, view)

    monkeypatch.setattr(session, "choose", lambda given: choose(given)._replace(renderer=OneWord()))
    settings, told = load_judge(folder / "guard.yaml", {}), list[News]()
    policies = list(load_policies(settings.policies).values())
    with pytest.raises(ConfigError):
        await compare_packed(settings, policies, told.append, {"spam": make_set(("a", "SP0"))})
    assert not any(isinstance(news, Asking) for news in told)


def test_binary_policies_are_right_by_their_word() -> None:
    """A bare 1 stands for any violating category, packed too."""
    assert SPAM.output is OutputForm.BINARY
    found = compare(make_pair(1, {"spam": "BAD"}, {"spam": BAD, "rude": FINE}, {"spam": BAD, "rude": FINE}))
    assert (found["spam"].right, found["spam"].right_packed) == (1, 1)
