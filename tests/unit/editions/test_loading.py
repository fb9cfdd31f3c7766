"""From files that change to the next edition, or to all that is wrong with it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from stream_guard.editions.edition import Edition
from stream_guard.editions.loading import ConfigFile, Loader, Refused
from stream_guard.errors import ModelError
from stream_guard.events.model import View
from stream_guard.policy.packed import Asked
from stream_guard.prompting.plain import PlainRenderer
from stream_guard.prompting.port import Renderer, Template
from tests.inspections import make_route
from tests.unit.editions.written import Written, make_document


@pytest.fixture
def written(tmp_path: Path) -> Written:
    """One route under one policy."""
    return Written(tmp_path)


def make_loader(written: Written, renderer: Renderer | None = None, context_tokens: int = 0) -> Loader:
    """A loader of these files, which has told what stands there."""
    renderer = renderer or PlainRenderer()
    begun = written.edition(renderer)
    loader = Loader(written.file, begun, renderer, context_tokens)
    first = told(loader)
    assert isinstance(first, Edition)
    assert first.id == begun.id
    return loader


def told(loader: Loader) -> Edition | Refused | None:
    """What the last of so many calls told that told anything."""
    found = [told for _ in range(5) if (told := loader.next()) is not None]
    return found[-1] if found else None


def refusals(loader: Loader) -> list[str]:
    """Why what stands in the files now is refused."""
    found = told(loader)
    assert isinstance(found, tuple)
    assert found
    return [f"{place}: {what}" for place, what in found]


def revision(loader: Loader) -> int:
    """The revision of the policy in what is told."""
    found = told(loader)
    assert isinstance(found, Edition)
    return found.routes.templates[0].policy.revision


def test_an_edited_policy_is_another_edition(written: Written) -> None:
    """It is told once, and what was there before is another one again."""
    loader = make_loader(written)
    written.policy(revision=2)
    assert revision(loader) == 2
    assert told(loader) is None
    written.policy(revision=1)
    assert revision(loader) == 1


def test_what_changed_before_the_first_look_is_told(written: Written) -> None:
    """A model takes minutes to load: an edit meanwhile must not be lost."""
    begun = written.edition()
    written.policy(revision=2)
    assert revision(Loader(written.file, begun, PlainRenderer(), 0)) == 2


def test_routes_change_with_the_configuration(written: Written) -> None:
    """Also when they name policies that came at the same time, from elsewhere."""
    loader = make_loader(written)
    other = written.folder / "more" / "harassment.md"
    other.parent.mkdir()
    other.write_text(make_document("harassment"), encoding="utf-8")
    written.config(make_route(policies=["harassment"], publish="non_allow"), policies=["more", "policies"])
    found = told(loader)
    assert isinstance(found, Edition)
    (route,) = found.routes.all
    assert (route.publish, [t.policy.id for t in route.templates[View.MESSAGE]]) == ("non_allow", ["harassment"])
    other.write_text(make_document("harassment", revision=5), encoding="utf-8")
    assert revision(loader) == 5


def test_a_broken_policy_is_refused_with_every_finding_at_its_place(written: Written) -> None:
    """Of all files, whether they were there before or not; mended, it is taken over."""
    loader = make_loader(written)
    broken = written.policy(text=make_document().replace("severity: 0", "severity: 9"))
    other = written.policy("other", text="no policy")
    assert [why.split(": ")[0] for why in refusals(loader)] == [f"{other}:1:1", f"{broken}:9:48"]
    assert told(loader) is None
    other.unlink()
    written.policy(revision=2)
    assert revision(loader) == 2


@pytest.mark.parametrize(
    ("spoil", "why"),
    [
        (lambda w: (w.folder / "policies" / "spam.md").unlink(), "policies: no policies (*.md, */policy.md) in this directory"),
        (lambda w: (w.folder / "policies" / "spam.md").write_bytes(b"---\nid: \xff"), "spam.md:2: is not UTF-8"),
        (lambda w: (w.folder / "policies" / "spam.md").write_bytes(b""), "spam.md:1:1: must begin with front matter"),
        (lambda w: w.policy(text="-" * 70_000), "spam.md: a policy may have at most 65536 bytes"),
        (lambda w: w.policy("more", text=make_document("spam")), "spam.md: the id spam is taken by"),
        (lambda w: w.path.unlink(), "guard.yaml: can't be read: No such file or directory"),
        (lambda w: w.path.write_bytes(b"\xff"), "guard.yaml: is not UTF-8"),
        (lambda w: w.path.write_text("routes: ["), "guard.yaml:1:10: "),
        (lambda w: w.config(make_route(publish="some")), "publish: "),
        (lambda w: w.config(make_route(policies=["spam", "adverts"])), "there is no policy adverts (loaded: spam)"),
        (lambda w: w.config(policies=["nowhere"]), "there is no file or directory "),
        (lambda w: w.config(make_route(abstain="allow")), "must not be allow"),
        (lambda w: w.config(namespace="${TENANT}"), "environment variable TENANT is not set"),
        (lambda w: w.config(namespace="other"), "namespace is not what it was at the start: to change it needs a restart"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_refused_and_says_where(
    written: Written, spoil: Callable[[Written], object], why: str
) -> None:
    """Whatever became of the files: one refusal, and the edition before again once they are as they were."""
    loader = make_loader(written)
    spoil(written)
    assert any(why in found for found in refusals(loader))
    assert told(loader) is None
    (written.folder / "policies" / "more.md").unlink(missing_ok=True)
    written.policy()
    written.config()
    assert revision(loader) == 1


def test_what_needs_a_restart_and_what_is_wrong_are_said_together(written: Written) -> None:
    """So that one look at the log shows all there is to do; nothing of it is taken over."""
    loader = make_loader(written)
    written.config(make_route(publish="non_allow"), drain="3s")
    written.policy(text="no policy")
    found = refusals(loader)
    assert [("drain" in why, "front matter" in why) for why in found] == [(True, False), (False, True)]


def test_a_file_that_comes_late_mends_what_is_refused(written: Written) -> None:
    """What a refused configuration names is looked at too: nobody has to touch the configuration again."""
    loader = make_loader(written)
    written.config(policies=["policies", "late"])
    assert "late" in refusals(loader)[0]
    (written.folder / "late").mkdir()
    assert "no policies" in refusals(loader)[0]
    (written.folder / "late" / "harassment.md").write_text(make_document("harassment"), encoding="utf-8")
    assert revision(loader) == 1


class Writing(PlainRenderer):
    """A renderer during whose work somebody writes."""

    def __init__(self) -> None:
        super().__init__()
        self.during: Callable[[], object] | None = None

    def template(self, asked: Asked, view: View) -> Template:
        """Has it written, once."""
        during, self.during = self.during, None
        if during is not None:
            during()
        return super().template(asked, view)


def test_what_changes_while_it_is_read_is_not_taken_as_it_was_read(written: Written) -> None:
    """Half of it may be of one version and half of the other: it is read again, and only what holds still is told."""
    renderer = Writing()
    loader = make_loader(written, renderer)
    written.policy(revision=2)
    renderer.during = lambda: written.policy(revision=3)
    assert [loader.next() for _ in range(2)] == [None, None]
    assert revision(loader) == 3


class Failing(PlainRenderer):
    """A renderer that fails where it is told to."""

    def __init__(self) -> None:
        super().__init__()
        self.fails: Exception | None = None

    def template(self, asked: Asked, view: View) -> Template:
        """Fails, or not."""
        if self.fails is not None:
            raise self.fails
        return super().template(asked, view)


@pytest.mark.parametrize(
    ("failure", "why"),
    [
        (ModelError("token id 9 reaches the model's vocab_size 8"), "token id 9 reaches the model's vocab_size 8"),
        (RecursionError("marmalade"), "can't be loaded: RecursionError"),
        (OSError(5, "Input/output error", "/etc/x"), "/etc/x: can't be read: Input/output error"),
    ],
)
def test_whatever_a_document_does_to_its_reader_is_a_refusal(written: Written, failure: Exception, why: str) -> None:
    """The watch goes on, and the last good edition stays; what an unknown error says may quote anything, and is not told."""
    renderer = Failing()
    loader = make_loader(written, renderer)
    renderer.fails = failure
    written.policy(revision=2)
    (found,) = refusals(loader)
    assert found.endswith(why)
    renderer.fails = None
    written.policy(revision=3)
    assert revision(loader) == 3


def test_a_policy_that_leaves_no_room_for_a_content_is_refused(written: Written) -> None:
    """Every case under it would abstain; the policies that are in force are not asked again."""
    loader = make_loader(written, context_tokens=1000)
    written.policy(text=make_document(revision=2) + "Praise is fine, too. " * 300)
    (found,) = refusals(loader)
    assert ": policy spam and the reply take " in found
    assert found.endswith(" tokens of 1000: that leaves no room for a content")
    written.policy(revision=3)
    assert revision(loader) == 3


def test_no_repr_shows_the_environment() -> None:
    """It may hold secrets."""
    assert repr(ConfigFile(Path("guard.yaml"), {"PASSWORD": "marmalade"})) == "ConfigFile(guard.yaml)"
