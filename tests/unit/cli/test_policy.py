"""`stream-guard policy test`."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from stream_guard.cli import cli
from tests.unit.cli.test_commands import CONFIG

SHIPPED = Path(__file__).parents[3] / "policies"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder, with a configuration and a policy that asks for little."""
    (tmp_path / "policies").mkdir()
    monkeypatch.chdir(tmp_path)
    (tmp_path / "guard.yaml").write_text(CONFIG, encoding="utf-8")
    write_policy(tmp_path, 0.01)
    return tmp_path


def write_policy(folder: Path, accuracy: float) -> None:
    """The policy on spam that ships, with another threshold."""
    text = (SHIPPED / "spam.md").read_text(encoding="utf-8")
    changed = text.replace("effort: low", f"effort: low\nmin_accuracy: {accuracy}", 1)
    (folder / "policies" / "spam.md").write_text(changed, encoding="utf-8")


def run(*arguments: str) -> Result:
    """`stream-guard policy test ...` in this process."""
    return CliRunner().invoke(cli, ["policy", "test", *arguments])


def test_a_qualified_model_is_exit_code_0(folder: Path) -> None:
    """The table says so, with the interval."""
    result = run()
    assert result.exit_code == 0
    assert "qualified" in result.stdout
    assert "95 % interval" in result.stdout
    assert folder.name not in result.stdout


def test_an_unqualified_model_is_exit_code_3(folder: Path) -> None:
    """And every wrong answer is shown with what was expected."""
    write_policy(folder, 1.0)
    result = run()
    assert result.exit_code == 3
    assert "not qualified" in result.stdout
    assert "wrong answers" in result.stdout
    assert "SP3 review" in result.stdout


@pytest.mark.parametrize("accuracy", [0.01, 1.0])
def test_machines_get_one_object(folder: Path, accuracy: float) -> None:
    """With the figures of the table, and the wrong answers by number."""
    write_policy(folder, accuracy)
    result = run("--json", "policies/spam.md")
    value = json.loads(result.stdout)
    (score,) = value["policies"]
    assert value["qualified"] is score["qualified"] is (accuracy == 0.01)
    assert result.exit_code == (0 if value["qualified"] else 3)
    assert (score["policy"], score["examples"], score["min_accuracy"]) == ("spam", 14, accuracy)
    assert score["right"] == 14 - len(score["wrong"])
    assert score["interval"][0] <= score["accuracy"] <= score["interval"][1]


def test_labelled_contents_are_asked_in_place_of_the_examples(folder: Path) -> None:
    """Of the policy of their file's name; a wrong answer is numbered by its line, and what has no label is told of."""
    (folder / "spam.csv").write_text("a notice,\ntext,label\nhello,SP0\nhi,\nwin now,SP4\n", encoding="utf-8")
    value = json.loads(run("--labelled", "spam.csv", "--json").stdout)
    (score,) = value["policies"]
    assert (score["examples"], value["unlabelled"]) == (2, 1)
    assert {answer["number"] for answer in score["wrong"]} <= {3, 5}
    assert "Without a label, and not asked: 1." in run("--labelled", ".").stdout


def test_a_wrong_label_is_exit_code_2(folder: Path) -> None:
    """Before anything is asked."""
    (folder / "spam.csv").write_text("text,label\nhello,SP7\n", encoding="utf-8")
    result = run("--labelled", "spam.csv")
    assert result.exit_code == 2
    assert "spam.csv:2: the label SP7 is no category of spam" in result.stderr


def test_an_engine_is_enough_of_a_configuration(folder: Path) -> None:
    """An author need not know a cluster; where the file names no policies, the command does."""
    (folder / "guard.yaml").write_text("engine: {kind: scripted}\n", encoding="utf-8")
    assert run("policies").exit_code == 0
    assert looked("policies", "--labelled", labelled_spam(folder)).exit_code == 0
    result = run()
    assert result.exit_code == 2
    assert "guard.yaml: names no policies" in result.stderr


@pytest.mark.parametrize(
    ("break_it", "said"),
    [
        (lambda folder: (folder / "policies" / "spam.md").write_text("no policy"), "front matter"),
        (lambda folder: (folder / "guard.yaml").write_text("kafka: ["), "guard.yaml:1"),
        (lambda folder: (folder / "guard.yaml").unlink(), "guard.yaml: there is no such file here"),
        (lambda folder: write_policy(folder, 1.5), "min_accuracy"),
    ],
)
def test_what_is_wrong_is_exit_code_2(folder: Path, break_it: object, said: str) -> None:
    """With the file and what is wrong with it."""
    break_it(folder)  # type: ignore[operator]  # a function of the folder
    result = run()
    assert result.exit_code == 2
    assert said in result.stderr
    assert result.stdout == ""


def test_a_model_that_cannot_be_used_is_exit_code_3(folder: Path) -> None:
    """It says why."""
    config = CONFIG.replace("kind: scripted", "kind: vllm, model: nowhere")
    (folder / "guard.yaml").write_text(config, encoding="utf-8")
    result = run()
    assert result.exit_code == 3
    assert "the model can't be used" in result.stderr


def looked(*arguments: str) -> Result:
    """`stream-guard policy look-test ...` in this process."""
    return CliRunner().invoke(cli, ["policy", "look-test", *arguments])


def labelled_spam(folder: Path) -> str:
    """The name of a file with 40 labelled contents."""
    rows = "".join(f"note {number},SP{4 * (number % 5 == 0)}\n" for number in range(40))
    (folder / "spam.csv").write_text(f"text,label\n{rows}", encoding="utf-8")
    return "spam.csv"


def test_what_a_quick_look_would_do_is_measured_on_labelled_contents(folder: Path) -> None:
    """A row for each bound: what it settles, how much of that differs, and the tokens that it saves."""
    result = looked("--labelled", labelled_spam(folder))
    assert result.exit_code == 0, result.output
    for told in ("below", "settled", "95 % interval", "tokens saved", "No bound is recommended"):
        assert told in result.stdout
    value = json.loads(looked("-l", "spam.csv", "--json").stdout)
    (policy,) = value["policies"]
    assert (policy["asked"], policy["recommended"]) == (40, None)
    assert all(bound["settled"] <= 40 for bound in policy["bounds"])
    assert policy["bounds"][-1]["settled"] > policy["bounds"][0]["settled"]


def packed(*arguments: str) -> Result:
    """`stream-guard policy pack-test ...` in this process."""
    return CliRunner().invoke(cli, ["policy", "pack-test", *arguments])


def write_second(folder: Path) -> None:
    """A second policy beside the first, with a label for every third content of `labelled_spam`."""
    text = (folder / "policies" / "spam.md").read_text(encoding="utf-8")
    (folder / "policies" / "scams.md").write_text(text.replace("id: spam", "id: scams", 1), encoding="utf-8")
    rows = "".join(f"note {number},SP0\n" for number in range(0, 40, 3))
    (folder / "scams.csv").write_text(f"text,label\n{rows}", encoding="utf-8")


def test_what_packing_would_do_is_measured_on_labelled_contents(folder: Path) -> None:
    """A row for each policy, one for each way of asking, and what is recommended, within a terminal's width."""
    labelled_spam(folder)
    write_second(folder)
    result = packed("policies", "--labelled", ".")
    assert result.exit_code == 0, result.output
    said = (
        "differ",
        "of found",
        "by the labels",
        "lost",
        "of them cached",
        "apart",
        "Not recommended",
        "model scripted",
    )
    for told in said:
        assert told in " ".join(result.stdout.split())
    assert max(map(len, result.stdout.splitlines())) <= 110
    value = json.loads(packed("-l", "spam.csv", "-l", "scams.csv", "--json").stdout)
    assert [(each["policy"], each["asked"], each["labelled"]) for each in value["policies"]] == [
        ("scams", 40, 14),
        ("spam", 40, 40),
    ]
    assert (value["apart"]["asks"], value["packed"]["asks"]) == (80, 40)
    assert value["recommended"] is False


def test_it_takes_two_policies_to_pack(folder: Path) -> None:
    """One is asked about by itself."""
    result = packed("--labelled", labelled_spam(folder))
    assert result.exit_code == 2
    assert "it takes two policies to pack" in result.stderr
