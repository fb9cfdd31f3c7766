from __future__ import annotations

import base64
import socket
import ssl
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeAlias

import pytest

from stream_guard.errors import RegistryUnavailable, StartRefused
from stream_guard.kafka.formats.registry import RegistryOptions, Schemas
from tests.certificates import Authority
from tests.ports import free_port
from tests.stub_registry import Answer, StubRegistry

SECRET = "correct-horse"  # noqa: S105 - made up
Open: TypeAlias = Callable[..., Schemas]


class Clock:
    """Time that passes by sleeping."""

    def __init__(self) -> None:
        self.now = 100.0
        self.slept: list[float] = []

    def __call__(self) -> float:
        """What it shows, in seconds."""
        return self.now

    def sleep(self, seconds: float) -> None:
        """Passes."""
        self.slept.append(seconds)
        self.now += seconds


@pytest.fixture
def clock() -> Clock:
    """The schemas' clock."""
    return Clock()


@pytest.fixture
def open_schemas(clock: Clock) -> Iterator[Open]:
    """Opens schemas, and closes them whatever becomes of the test."""
    opened: list[Schemas] = []

    def open_them(options: RegistryOptions) -> Schemas:
        opened.append(Schemas(options, clock=clock, sleep=clock.sleep))
        return opened[-1]

    yield open_them
    for each in opened:
        each.close()


def test_a_schema_is_fetched_once(stub: StubRegistry, open_schemas: Open) -> None:
    """It never changes: the second time nobody is asked, so that an outage does not matter."""
    number = stub.add("string")
    schemas = open_schemas(stub.options())
    first = schemas.find([number])
    stub.answer = Answer(503)
    assert schemas.find([number]) == first
    assert len(stub.asked) == 1


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (Answer(500), "answers HTTP 500"),
        (Answer(503, b"<html>"), "answers HTTP 503"),
        (Answer(429), "answers HTTP 429"),
        (Answer(408), "answers HTTP 408"),
        (Answer(302), "answers HTTP 302"),
        (Answer(422), "answers HTTP 422"),
        (Answer(401), "refuses the credentials (HTTP 401): check schema_registry in the configuration"),
        (Answer(403, b"no"), "refuses the credentials (HTTP 403): check schema_registry in the configuration"),
        (Answer(404, b"<html>"), "answers HTTP 404 in no registry's words: check schema_registry.url, path included"),
        (Answer(404, b'{"error_code": 404, "message": "x"}'), "answers HTTP 404 in no registry's words: check schema_registry.url, path included"),
        (Answer(200, b"<html>"), "no answer (JSONDecodeError: Expecting value: line 1 column 1 (char 0))"),
        (Answer(200, b"[]"), "no answer (AttributeError: 'list' object has no attribute 'pop')"),
    ],
)  # fmt: skip
def test_what_is_no_answer_is_an_outage(stub: StubRegistry, open_schemas: Open, answer: Answer, reason: str) -> None:
    """Nothing that a proxy, an overloaded or a wrong server says makes a record's schema unknown."""
    stub.add("string")
    stub.answer = answer
    with pytest.raises(RegistryUnavailable) as raised:
        open_schemas(stub.options()).find([1])
    assert str(raised.value).startswith(reason.split("(AttributeError", maxsplit=1)[0])
    assert raised.value.__cause__ is None


def test_a_token_that_is_no_header_is_not_quoted(stub: StubRegistry, open_schemas: Open) -> None:
    """A line break at its end, as files have one: the HTTP library would say what the header holds."""
    with pytest.raises(RegistryUnavailable, match="the request can't be sent") as raised:
        open_schemas(RegistryOptions(urls=(stub.url,), token=f"{SECRET}\n")).find([1])
    assert SECRET not in str(raised.value)


def test_nobody_there_and_nobody_answering_are_outages(open_schemas: Open) -> None:
    """A refused connection, and one that is accepted and left alone, which ends after the timeout."""
    with pytest.raises(RegistryUnavailable, match=r"no answer .*refused"):
        open_schemas(RegistryOptions(urls=(f"http://127.0.0.1:{free_port()}",))).find([1])
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        with pytest.raises(RegistryUnavailable, match=r"no answer \(ReadTimeout"):
            open_schemas(RegistryOptions(urls=(url,), timeout_s=0.05)).find([1])


def test_the_second_address_is_asked_where_the_first_is_down(stub: StubRegistry, open_schemas: Open) -> None:
    """Several addresses are tried in turn."""
    number = stub.add("string")
    down = f"http://127.0.0.1:{free_port()}"
    assert open_schemas(RegistryOptions(urls=(down, stub.url))).find([number])[number] is not None


def test_an_unknown_id_is_looked_for_again_before_it_is_believed(
    stub: StubRegistry, open_schemas: Open, clock: Clock
) -> None:
    """Once for the whole list, a second later; then it is not asked for again for a while."""
    known = stub.add("string")
    schemas = open_schemas(stub.options())
    assert [schema is None for schema in schemas.find([known, 8, 9]).values()] == [False, True, True]
    assert clock.slept == [1.0]
    asked = len(stub.asked)
    assert schemas.find([8, 9]) == {8: None, 9: None}
    assert (len(stub.asked), clock.slept) == (asked, [1.0])
    stub.schemas[8] = stub.schemas[known]
    clock.now += 31
    assert schemas.find([8])[8] is not None


def test_a_flood_of_unknown_ids_gets_on_while_the_registry_limits_the_rate(
    stub: StubRegistry, open_schemas: Open, clock: Clock
) -> None:
    """Each round may fail, but what it was told stays told: after some rounds all is known."""
    stub.add("string")
    schemas, ids = open_schemas(stub.options()), range(2, 22)
    schemas.find([1])
    stub.answer, stub.every = Answer(429), 7
    for _ in range(20):
        try:
            assert set(schemas.find(ids).values()) == {None}
            break
        except RegistryUnavailable:
            clock.now += 1
    else:
        pytest.fail("no progress")


def test_a_schema_that_comes_late_is_found(stub: StubRegistry, open_schemas: Open) -> None:
    """A replica that lags behind does not cost the record."""
    stub.add("string")
    schemas = open_schemas(stub.options())
    schemas._sleep = lambda _: stub.schemas.update({2: stub.schemas[1]})
    assert schemas.find([2])[2] is not None


@pytest.mark.parametrize("schema_id", [0, 2**31, 2**32 - 1])
def test_an_id_that_no_registry_gives_is_not_asked_for(stub: StubRegistry, open_schemas: Open, schema_id: int) -> None:
    """Some registries answer such an id as if their address were wrong: anybody could make the topic wait."""
    stub.answer = Answer(404, b"<html>")
    assert open_schemas(stub.options()).find([schema_id]) == {schema_id: None}
    assert stub.asked == []


def test_a_registry_that_holds_nothing_knows_nothing(stub: StubRegistry, open_schemas: Open) -> None:
    """One that lost its schemas, or another's: its 404 is no word against a record."""
    schemas = open_schemas(stub.options())
    with pytest.raises(RegistryUnavailable, match="holds no schema at all"):
        schemas.find([1])
    stub.add("string")
    assert schemas.find([1, 7])[7] is None


def test_a_registry_that_lists_nothing_to_us_is_believed(stub: StubRegistry, open_schemas: Open) -> None:
    """Whoever may read schemas by id need not be allowed to list them."""
    stub.answer, stub.only = Answer(403), "/subjects"
    assert open_schemas(stub.options()).find([1]) == {1: None}


def test_credentials_are_sent(stub: StubRegistry, open_schemas: Open) -> None:
    """A user with HTTP Basic, or a bearer token."""
    stub.add("string")
    open_schemas(stub.options(username="guard", password=SECRET)).find([1])
    open_schemas(stub.options(token=SECRET)).find([1])
    basic = base64.b64encode(f"guard:{SECRET}".encode()).decode()
    assert stub.authorization == [f"Basic {basic}", f"Bearer {SECRET}"]


def test_no_secret_shows() -> None:
    """Not in a repr, and no options hold it in their text."""
    options = RegistryOptions(
        urls=("https://registry",), username="u", password=SECRET, token=SECRET, key_password=SECRET
    )
    assert SECRET not in repr(options) + str(options)


def test_both_sides_prove_who_they_are(tmp_path: Path, open_schemas: Open) -> None:
    """The registry's certificate is checked, host name included, and ours is shown where it asks for one."""
    ours, theirs = Authority(tmp_path / "ours", "ours"), Authority(tmp_path / "theirs", "theirs")
    client, server = ours.issue("guard"), theirs.issue("registry")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(server.pem, server.key)
    context.load_verify_locations(ours.pem)
    context.verify_mode = ssl.CERT_REQUIRED
    with StubRegistry(context) as stub:
        stub.add("string")
        good = {"ca": str(theirs.pem), "certificate": str(client.pem), "key": str(client.key)}
        assert open_schemas(stub.options(**good)).find([1])[1] is not None
        for bad in ({**good, "ca": str(ours.pem)}, {**good, "ca": None}, {"ca": str(theirs.pem)}):
            with pytest.raises(RegistryUnavailable, match="no answer"):
                open_schemas(stub.options(**bad)).find([1])


def test_files_that_are_no_certificates_refuse_the_start(tmp_path: Path) -> None:
    """It is not an outage that would pass."""
    (tmp_path / "not.pem").write_text("nothing")
    for options in ({"ca": str(tmp_path / "not.pem")}, {"ca": str(tmp_path / "missing.pem")}):
        with pytest.raises(StartRefused, match="certificates or URL can't be used"):
            Schemas(RegistryOptions(urls=("https://registry",), **options))  # type: ignore[arg-type]  # a file's name


def test_a_closed_one_asks_nobody(stub: StubRegistry, open_schemas: Open) -> None:
    """So that a thread which goes through a list ends at its next question."""
    stub.add("string")
    schemas = open_schemas(stub.options())
    schemas.close()
    with pytest.raises(RegistryUnavailable, match="the service stops"):
        schemas.find([1])
    assert stub.asked == []
