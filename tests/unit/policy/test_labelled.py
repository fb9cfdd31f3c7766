"""Labelled contents from CSV files."""

from __future__ import annotations

from pathlib import Path

import pytest

from stream_guard.errors import PolicyError
from stream_guard.policy.document import Example, ExampleTurn, Policy
from stream_guard.policy.labelled import Labelled, labelled_sets, load_labelled, parse_labelled
from stream_guard.policy.load import parse_policy
from tests.unit.policy.test_rules import DOCUMENT

NOTICE = "These texts were made up for a test.,  ,  ,  \n"
PACK = f"""{NOTICE}example,classification,Responses,Response Label
GOOD EVENING,S2,"Good evening.
How are you?",S0
"hello, friends",S0,HELLO,S2
"""


@pytest.fixture
def policy() -> Policy:
    """A policy with the categories S0 and S2."""
    return parse_policy(DOCUMENT, "p.md")


def findings(text: str) -> list[str]:
    """What is said of a file, `line: what`."""
    with pytest.raises(PolicyError) as caught:
        parse_labelled(text, "l.csv")
    return [str(each).removeprefix("l.csv:") for each in str(caught.value).split("\n")]


def test_a_packs_table_is_read() -> None:
    """Past the notice: texts with their labels, and replies to them as chats; lines are those of the file."""
    table = parse_labelled(PACK, "l.csv")
    assert table.rows == (
        Labelled(3, "GOOD EVENING", "S2"),
        Labelled(3, (ExampleTurn("user", "GOOD EVENING"), ExampleTurn("assistant", "Good evening.\nHow are you?")), "S0"),
        Labelled(5, "hello, friends", "S0"),
        Labelled(5, (ExampleTurn("user", "hello, friends"), ExampleTurn("assistant", "HELLO")), "S2"),
    )  # fmt: skip
    assert table.unlabelled == 0


@pytest.mark.parametrize(
    "header",
    ["text,label", "Example Prompt,Prompt label", "id,content,expect", "content,CATEGORY,notes", "a,expected_label"],
)
def test_the_headers_own_words_vary(header: str) -> None:
    """A column of labels is one whose last word says so; the texts stand left of it."""
    row = {"id": "1", "notes": "a note"}
    cells = [row.get(name, "S2" if at else "hi") for at, name in enumerate(header.split(","))]
    if header.startswith("id"):
        cells = ["1", "hi", "S2"]
    (only,) = parse_labelled(f"{header}\n{','.join(cells)}\n", "l.csv").rows
    assert (only.content, only.label) == ("hi", "S2")


def test_a_second_label_that_is_no_replys_is_passed_over() -> None:
    """Only a column named for replies is one."""
    table = parse_labelled("text,label,reviewer,reviewer category\nhi,S0,anna,S2\n", "l.csv")
    assert [row.label for row in table.rows] == ["S0"]


def test_contents_without_a_label_are_counted() -> None:
    """They are left out, and said to be; empty rows are nothing."""
    table = parse_labelled("text,label\nhi,S0\nho,\n,\n\n", "l.csv")
    assert (len(table.rows), table.unlabelled) == (1, 1)


def test_a_byte_order_mark_and_foreign_line_ends_are_nothing(tmp_path: Path) -> None:
    """As spreadsheets write them; other separators of lines are part of a content."""
    path = tmp_path / "l.csv"
    path.write_bytes("\ufefftext,label\r\nhi\u2028there,S0\r\n".encode())
    (row,) = load_labelled(path).rows
    assert (row.line, row.content) == (2, "hi\u2028there")


@pytest.mark.parametrize(
    ("text", "finding"),
    [
        ("", "1: has no header"),
        ("one\ntwo\n", "1: has no header"),
        ("label,text\nS0,hi\n", "1: has no header"),
        ("text,label\n", "holds no labelled contents"),
        ("text,label\nhi,S0\n,S2\n", "3: a label without a text"),
        ('text,label\n"hi,S0\n', "2: is not CSV: unexpected end of data"),
    ],
)
def test_what_is_wrong_is_named_with_its_line(text: str, finding: str) -> None:
    """In the file."""
    assert finding in findings(text)[0]


def test_a_file_that_can_not_be_read_is_named(tmp_path: Path) -> None:
    """Missing, or of another encoding."""
    with pytest.raises(PolicyError, match="can't be read"):
        load_labelled(tmp_path / "absent.csv")
    (tmp_path / "l.csv").write_bytes(b"text,label\n\xff,S0\n")
    with pytest.raises(PolicyError, match=r"l\.csv:2: is not UTF-8"):
        load_labelled(tmp_path / "l.csv")


def test_labels_are_categories(policy: Policy) -> None:
    """Each content is an example of the policy, with its line."""
    assert parse_labelled("text,label\nhi,S0\n", "l.csv").under(policy) == [(2, Example("hi", "S0"))]


def test_every_unknown_label_is_named(policy: Policy) -> None:
    """But for what looks like no label: the columns may be mistaken, and it a content."""
    table = parse_labelled("text,label\nhi,S9\nho,my secret thoughts\n", "l.csv")
    with pytest.raises(PolicyError) as caught:
        table.under(policy)
    assert str(caught.value).split("\n") == [
        "l.csv:2: the label S9 is no category of shouting: S0, S2",
        "l.csv:3: the label is no category of shouting: S0, S2",
    ]


def test_no_repr_shows_a_content() -> None:
    """Neither of a row nor of the table."""
    assert "EVENING" not in repr(parse_labelled(PACK, "l.csv"))


@pytest.mark.parametrize("where", ["shouting.csv", "datasets/shouting.csv"])
def test_a_folders_tables_are_found_by_the_policies_ids(tmp_path: Path, policy: Policy, where: str) -> None:
    """In it, or in a pack's `datasets/`; others stay unread."""
    (tmp_path / "datasets").mkdir()
    (tmp_path / where).write_text("text,label\nhi,S0\n", encoding="utf-8")
    (tmp_path / "other.csv").write_text("no table", encoding="utf-8")
    assert list(labelled_sets([tmp_path], [policy])) == ["shouting"]


def test_a_file_is_the_only_policys(tmp_path: Path, policy: Policy) -> None:
    """Whatever its name; among several policies the name must say whose it is."""
    path = tmp_path / "mine.csv"
    path.write_text("text,label\nhi,S0\n", encoding="utf-8")
    assert list(labelled_sets([path], [policy])) == ["shouting"]
    other = parse_policy(DOCUMENT.replace("id: shouting", "id: other"), "o.md")
    with pytest.raises(PolicyError, match=r"mine\.csv: is for none of the policies: shouting, other"):
        labelled_sets([path, tmp_path / "absent"], [policy, other])
