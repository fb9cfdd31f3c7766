"""Secrets in files: when a change counts, who has to do what about it, and what is logged."""

from __future__ import annotations

import asyncio
from pathlib import Path
from types import SimpleNamespace

import pytest

from stream_guard.errors import StartRefused
from stream_guard.kafka import credentials as module
from stream_guard.kafka.cluster.admin import Admin
from stream_guard.kafka.credentials import Change, Credentials, Follower, login, watching
from stream_guard.kafka.settings import KafkaSettings
from tests.members import LogBook


class Heard(LogBook):
    """A log whose next line can be waited for."""

    def __init__(self) -> None:
        """Starts empty."""
        super().__init__()
        self._line = asyncio.Event()

    def __call__(self, event: str, **fields: object) -> None:
        """Takes a line."""
        super().__call__(event, **fields)
        self._line.set()

    async def next_line(self) -> None:
        """Waits for a line."""
        await self._line.wait()
        self._line.clear()


def make_credentials(folder: Path) -> Credentials:
    """User name and password, the secret of a token endpoint, and a certificate."""
    names = {"sasl.username": "name", "sasl.password": "password", "sasl.oauthbearer.client.secret": "oauth"}
    for file in (*names.values(), "tls.crt"):
        (folder / file).write_text(f"first {file}\n", encoding="utf-8")
    return Credentials({option: folder / file for option, file in names.items()}, [folder / "tls.crt"])


def looked(credentials: Credentials, times: int = 2) -> tuple[str, ...]:
    """What the last of so many looks told."""
    return [credentials.look() for _ in range(times)][-1]


def test_values_are_stripped_and_shown_nowhere(tmp_path: Path) -> None:
    """Editors end a file with a line break; a repr is written to logs."""
    credentials = make_credentials(tmp_path)
    assert credentials.current.options["sasl.password"] == "first password"
    assert "first" not in repr(credentials) + repr(credentials.current)


def test_a_change_counts_once_two_looks_agree(tmp_path: Path) -> None:
    """A file that is just being written, or a certificate without its key yet, is not taken over."""
    credentials = make_credentials(tmp_path)
    for half in ("sec", "secon", "second"):
        (tmp_path / "password").write_text(half, encoding="utf-8")
        assert credentials.look() == ()
        assert credentials.current.options["sasl.password"] == "first password"
    assert credentials.look() == ("sasl.password",)
    assert credentials.current.options["sasl.password"] == "second"
    assert credentials.look() == ()


def test_a_link_that_is_swapped_is_a_change(tmp_path: Path) -> None:
    """Kubernetes never writes to a mounted secret: it swaps the link to its directory."""
    for version in ("one", "two"):
        (tmp_path / version).mkdir()
        (tmp_path / version / "tls.crt").write_text(version, encoding="utf-8")
    (tmp_path / "data").symlink_to("one")
    (tmp_path / "tls.crt").symlink_to("data/tls.crt")
    credentials = Credentials({}, [tmp_path / "tls.crt"])
    (tmp_path / "new").symlink_to("two")
    (tmp_path / "new").replace(tmp_path / "data")
    assert looked(credentials) == (str(tmp_path / "tls.crt"),)


def test_a_directory_changes_with_any_of_its_files(tmp_path: Path) -> None:
    """`ssl.ca.location` may name one; directories in it are none of its certificates."""
    authorities = tmp_path / "authorities"
    (authorities / "deeper").mkdir(parents=True)
    credentials = Credentials({}, [authorities])
    assert looked(credentials) == ()
    (authorities / "new.pem").touch()
    assert looked(credentials) == (str(authorities),)


@pytest.mark.parametrize(
    ("content", "why"), [(None, "can't be read"), (b"\n", "is empty"), (b"\xff\xfe", "is not UTF-8")]
)
def test_what_was_read_stays_in_force_while_a_file_is_wrong(tmp_path: Path, content: bytes | None, why: str) -> None:
    """Whatever becomes of the files, a running service keeps the credentials that work; a start is refused."""
    credentials = make_credentials(tmp_path)
    (tmp_path / "password").unlink()
    if content is not None:
        (tmp_path / "password").write_bytes(content)
    with pytest.raises(OSError, match=why):
        credentials.look()
    assert credentials.current.options["sasl.password"] == "first password"
    with pytest.raises(StartRefused, match=rf"sasl\.password: .*password {why}"):
        Credentials({"sasl.password": tmp_path / "password"})


@pytest.mark.parametrize(("file", "expected"), [
    ("name", Change.LOGIN), ("password", Change.LOGIN), ("oauth", Change.RENEWAL), ("tls.crt", Change.RENEWAL),
])  # fmt: skip
def test_only_name_and_password_are_taken_by_a_living_client(tmp_path: Path, file: str, expected: Change) -> None:
    """Everything else is read when a client is made; each change is told once."""
    credentials = make_credentials(tmp_path)
    follower = Follower(credentials)
    assert follower.change() is None
    (tmp_path / file).write_text("second", encoding="utf-8")
    looked(credentials)
    assert [follower.change(), follower.change()] == [expected, None]


def test_a_new_client_takes_what_stands_in_the_files_now(tmp_path: Path) -> None:
    """The settings are the same object; what they give for a client is not."""
    credentials = make_credentials(tmp_path)
    settings = KafkaSettings(bootstrap="none", group="g", client={"sasl.mechanism": "PLAIN"}, credentials=credentials)
    (tmp_path / "password").write_text("second", encoding="utf-8")
    looked(credentials)
    for config in (settings.consumer_config(), settings.producer_config(), settings.lookup_config()):
        assert login(config) == ("first name", "second")
    assert "second" not in repr(settings)


def test_without_files_nothing_ever_changes() -> None:
    """The usual case costs nothing."""
    assert Follower(None).change() is None
    assert not Credentials({}).watches


async def test_the_files_are_watched_and_each_change_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is wrong is told once, not at every look; no line holds a secret."""
    monkeypatch.setattr(module, "_LOOK_S", 0.01)
    credentials, log = make_credentials(tmp_path), Heard()
    async with watching(credentials, log), asyncio.timeout(5):
        (tmp_path / "password").write_text("", encoding="utf-8")
        await log.next_line()
        await asyncio.sleep(0.1)
        (tmp_path / "password").write_text("second", encoding="utf-8")
        await log.next_line()
    assert log.lines == [
        ("kafka.credentials_unreadable", {"reason": f"sasl.password: {tmp_path / 'password'} is empty"}),
        ("kafka.credentials_changed", {"changed": ("sasl.password",)}),
    ]


async def test_nothing_is_watched_where_there_is_nothing() -> None:
    """No task, no reading."""
    before = len(asyncio.all_tasks())
    async with watching(None, LogBook()), watching(Credentials({}), LogBook()):
        assert len(asyncio.all_tasks()) == before


def test_questions_are_asked_with_the_credentials_of_now(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The admin client lives as long as the service; it is made anew where its credentials changed, and only there."""
    made: list[str] = []

    class Client:
        def __init__(self, config: dict[str, str]) -> None:
            made.append(config["sasl.password"])

        def list_topics(self, timeout: float) -> SimpleNamespace:
            return SimpleNamespace(topics={}, cluster_id="c")

    monkeypatch.setattr("stream_guard.kafka.cluster.admin.AdminClient", Client)
    credentials = make_credentials(tmp_path)
    admin = Admin(KafkaSettings(bootstrap="none", group="g", credentials=credentials))
    admin.topics()
    (tmp_path / "password").write_text("second", encoding="utf-8")
    looked(credentials)
    admin.topics()
    admin.topics()
    assert made == ["first password", "second"]
