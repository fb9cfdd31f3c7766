"""Which edition is in force, and who is told what when another one comes."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from pathlib import Path

import pytest
from msgspec.structs import replace

from stream_guard.editions.edition import Edition, EditionId
from stream_guard.editions.following import InForce, followed
from stream_guard.editions.loading import Loader, Refused
from stream_guard.errors import Place, StartRefused
from stream_guard.prompting.plain import PlainRenderer
from stream_guard.telemetry.null import NullTelemetry
from tests.unit.editions.written import Written

WRONG: Refused = ((Place("spam.md", 3, 1), "id is required"), (Place("guard.yaml"), "is not UTF-8"))


class Told(NullTelemetry):
    """Notes what it is told of editions."""

    def __init__(self) -> None:
        self.told: list[tuple[str, ...]] = []
        self.policies: list[tuple[str, str, int]] = []
        self.refused = asyncio.Event()

    def edition_in_force(self, edition: str, former: str = "") -> None:
        """Notes it."""
        self.told.append(("in force", edition, former))

    def policies_in_force(self, policies: Iterable[tuple[str, str, int]]) -> None:
        """Notes them."""
        self.policies = list(policies)

    def edition_refused(self, findings: Sequence[str]) -> None:
        """Notes it."""
        self.told.append(("refused", *findings))
        self.refused.set()

    def edition_restored(self, edition: str) -> None:
        """Notes it."""
        self.told.append(("restored", edition))


@pytest.fixture
def written(tmp_path: Path) -> Written:
    """Files."""
    return Written(tmp_path)


@pytest.fixture
def one(written: Written) -> Edition:
    """What they come to."""
    return replace(written.edition(), id=EditionId("one"))


def test_another_edition_is_put_in_force_and_told(one: Edition) -> None:
    """Once it is in force, not before; by both names."""
    telemetry, two, order = Told(), replace(one, id=EditionId("two")), []
    in_force = InForce(one, telemetry, lambda edition: order.append((edition.id, in_force.edition.id)))
    in_force.told(one)
    assert (order, telemetry.told) == ([], [("in force", "one", "")])
    in_force.told(two)
    assert (order, telemetry.told[1:]) == ([("two", "one")], [("in force", "two", "one")])
    assert in_force.edition is two


def test_the_policies_of_the_edition_in_force_are_told(written: Written) -> None:
    """Each once, by version and revision: replicas are compared by them. A refused edition changes nothing."""
    telemetry = Told()
    one = written.edition()
    in_force = InForce(one, telemetry, lambda _: None)
    ((policy, version, revision),) = telemetry.policies
    assert (policy, revision) == ("spam", 1)
    written.policy(revision=2)
    two = written.edition()
    in_force.told(WRONG)
    assert telemetry.policies == [("spam", version, 1)]
    in_force.told(two)
    ((policy, changed, revision),) = telemetry.policies
    assert (policy, revision) == ("spam", 2)
    assert changed != version


def test_what_is_refused_is_told_once_and_changes_nothing(one: Edition) -> None:
    """And again when it changes; who asks is told of it as long as it stands there."""
    telemetry, enacted = Told(), list[Edition]()
    in_force = InForce(one, telemetry, enacted.append)
    assert in_force.note() is None
    for _ in range(3):
        in_force.told(WRONG)
    assert telemetry.told[1:] == [("refused", "spam.md:3:1: id is required", "guard.yaml: is not UTF-8")]
    assert (
        in_force.note() == "the files hold another edition, which is refused: spam.md:3:1: id is required (and 1 more)"
    )
    in_force.told(WRONG[:1])
    assert telemetry.told[2:] == [("refused", "spam.md:3:1: id is required")]
    assert (in_force.edition, enacted) == (one, [])


def test_what_was_refused_is_over_by_another_edition_or_the_same_again(one: Edition) -> None:
    """The mark must not stay when an edit was taken back."""
    telemetry, enacted = Told(), list[Edition]()
    in_force = InForce(one, telemetry, enacted.append)
    in_force.told(WRONG)
    in_force.told(one)
    assert (telemetry.told[2:], in_force.note(), enacted) == ([("restored", "one")], None, [])
    in_force.told(WRONG)
    in_force.told(two := replace(one, id=EditionId("two")))
    assert (telemetry.told[4:], in_force.note(), enacted) == ([("in force", "two", "one")], None, [two])


def test_an_edition_that_can_not_be_put_in_force_is_not(one: Edition) -> None:
    """What is said to be in force always is."""

    def fail(edition: Edition) -> None:
        raise ValueError(edition.id)

    in_force = InForce(one, telemetry := Told(), fail)
    with pytest.raises(ValueError, match="two"):
        in_force.told(replace(one, id=EditionId("two")))
    assert (in_force.edition, len(telemetry.told)) == (one, 1)


async def test_an_edit_is_in_force_by_itself(written: Written) -> None:
    """From the files to whoever opens records, while the loop does something else."""
    begun, enacted, came = written.edition(), list[Edition](), asyncio.Event()

    def enact(edition: Edition) -> None:
        enacted.append(edition)
        came.set()

    in_force = InForce(begun, telemetry := Told(), enact)
    async with followed(Loader(written.file, begun, PlainRenderer(), 0), in_force), asyncio.timeout(20):
        written.policy(revision=2)
        await came.wait()
        assert in_force.edition.id == written.edition().id != begun.id
        came.clear()
        written.policy(text="no policy")
        await telemetry.refused.wait()
        assert in_force.note() is not None
        written.policy(revision=3)
        await came.wait()
    assert [edition.routes.templates[0].policy.revision for edition in enacted] == [2, 3]
    assert in_force.note() is None


async def test_a_bug_in_the_watch_ends_what_it_watches_for(written: Written) -> None:
    """Nobody would notice else that edits are not taken over any more."""

    def fail(edition: Edition) -> None:
        raise ValueError("a bug")

    begun = written.edition()
    written.policy(revision=2)
    with pytest.raises(ValueError, match="a bug"):
        async with followed(Loader(written.file, begun, PlainRenderer(), 0), InForce(begun, Told(), fail)):
            await asyncio.sleep(30)


async def test_what_ends_the_service_passes_through(written: Written) -> None:
    """The watch hides no reason of an exit code, and ends with what it watches for."""
    begun = written.edition()
    loader = Loader(written.file, begun, PlainRenderer(), 0)
    with pytest.raises(StartRefused, match="no such topic"):
        async with followed(loader, InForce(begun, Told(), lambda _: None)):
            raise StartRefused("no such topic")
    assert len(asyncio.all_tasks()) == 1
