"""What is wrong with access to Kafka is said at the start, in one sentence, within bounded time, with exit code 3."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from typing import Any, NamedTuple, TypeAlias

import pytest

from tests.certificates import Authority, Certificate
from tests.guarded import Guarded, make_guarded
from tests.secured import Mechanism, Secured
from tests.service import Services
from tests.token_endpoint import TokenEndpoint

pytestmark = pytest.mark.kafka

BOUND_S = 60.0
"""One question to the cluster takes 10 s, the start of a process on a busy machine a few."""


class Refusal(NamedTuple):
    """How a start ended."""

    code: int
    error: str


Changes: TypeAlias = Callable[[Guarded, ExitStack], Mapping[str, Any]]
"""Settings laid over a right section `kafka`; the stack ends what they need."""


class Case(NamedTuple):
    """What is wrong: settings laid over a right configuration, or something that is done before the start."""

    mechanism: Mechanism
    says: str
    kafka: Changes = lambda *_: {}
    before: Callable[[Guarded], object] = lambda _: None


def over(client: Mapping[str, str | None]) -> Changes:
    """Options of the client."""
    return lambda *_: {"client": client}


def without(right: str) -> Callable[[Guarded], object]:
    """One right of the list taken away."""

    def withdraw(guarded: Guarded) -> None:
        operation, resource = guarded.rights[right]
        guarded.secured.withdraw(guarded.user.name, operation, resource)

    return withdraw


def certificate(made: Certificate) -> Mapping[str, Any]:
    """The client's certificate."""
    return {"client": {"ssl.certificate.location": str(made.pem), "ssl.key.location": str(made.key)}}


def foreign(guarded: Guarded, _: ExitStack) -> Mapping[str, Any]:
    """A certificate of an authority that the broker does not know."""
    return certificate(Authority(guarded.flow.folder / "foreign", "foreign-ca").issue(guarded.user.name))


def trusts_foreign(option: str) -> Changes:
    """Another authority to trust than the right one."""
    return lambda guarded, _: {"client": {option: str(Authority(guarded.flow.folder / "other", "other-ca").pem)}}


def expired(guarded: Guarded, _: ExitStack) -> Mapping[str, Any]:
    """A certificate that was the right one until an hour ago."""
    return certificate(guarded.secured.authority.issue(guarded.user.name, hours=-1))


def other_audience(guarded: Guarded) -> None:
    """Tokens meant for somebody else."""
    guarded.secured.tokens.clients[guarded.user.name].audience = "payments"


def impostor(hosts: tuple[str, ...], hours: int) -> Changes:
    """A server with a certificate that the right authority signed, but for other hosts, or that has expired."""

    def servers(guarded: Guarded, stack: ExitStack) -> Mapping[str, Any]:
        made = guarded.secured.authority.issue("impostor", hosts=hosts, hours=hours)
        server = stack.enter_context(TokenEndpoint(guarded.flow.folder, made))
        return {"bootstrap_servers": server.url.removeprefix("https://").removesuffix("/token")}

    return servers


CASES: Mapping[str, Case] = {
    "wrong password for PLAIN": Case(Mechanism.PLAIN, "Invalid username or password", over({"sasl.password": "x"})),
    "wrong password": Case(Mechanism.SCRAM_512, "Authentication failed", over({"sasl.password": "x"})),
    "unknown user": Case(Mechanism.SCRAM_256, "Authentication failed", over({"sasl.username": "nobody"})),
    "wrong client secret": Case(
        Mechanism.OAUTH, "wrong client id or secret", over({"sasl.oauthbearer.client.secret": "x"})
    ),
    "token endpoint down": Case(
        Mechanism.OAUTH, "Could not connect to server", over({"sasl.oauthbearer.token.endpoint.url": "https://127.0.0.1:1/"})
    ),
    "token endpoint not trusted": Case(Mechanism.OAUTH, "SSL certificate", trusts_foreign("https.ca.location")),
    "wrong audience": Case(Mechanism.OAUTH, "invalid_token", before=other_audience),
    "foreign authority": Case(Mechanism.SCRAM_512, "certificate verify failed", trusts_foreign("ssl.ca.location")),
    "broker of another name": Case(Mechanism.SCRAM_512, "certificate verify failed", impostor(("other.test",), 1)),
    "expired broker": Case(Mechanism.SCRAM_512, "certificate verify failed", impostor(("127.0.0.1",), -1)),
    "foreign certificate": Case(Mechanism.MTLS, "SSL", foreign),
    "expired certificate": Case(Mechanism.MTLS, "SSL", expired),
    "no certificate": Case(Mechanism.MTLS, "SSL", over({"ssl.certificate.location": None, "ssl.key.location": None})),
    **{
        f"no right on {right}": Case(Mechanism.SCRAM_512, f"{operation} on {what}", before=without(right))
        for right, operation, what in (
            ("input", "READ", "topic '{0.source}'"), ("group", "READ", "consumer group '{0.group}'"),
            ("verdicts", "WRITE", "topic '{0.verdicts}'"), ("rulings", "WRITE", "topic '{0.rulings}'"),
            ("dead_letters", "WRITE", "topic '{0.dead_letters}'"),
        )
    },
}  # fmt: skip


@pytest.fixture(scope="module")
def guards(secured_kafka: Secured, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Guarded]:
    """For each case a service of its own."""
    root = tmp_path_factory.mktemp("refusals")
    return {name: make_guarded(secured_kafka, root / name, case.mechanism) for name, case in CASES.items()}


@pytest.fixture(scope="module")
def refusals(guards: Mapping[str, Guarded]) -> Iterator[Mapping[str, Refusal]]:
    """How each start ended; they ran side by side."""
    with ExitStack() as stack:
        services = stack.enter_context(Services())
        started = {}
        for name, case in CASES.items():
            case.before(guards[name])
            started[name] = guards[name].start(services, **case.kafka(guards[name], stack))
        yield {name: Refusal(service.wait(BOUND_S), service.stderr) for name, service in started.items()}


@pytest.mark.parametrize("name", CASES)
def test_a_start_without_access_is_refused_and_says_why(
    name: str, guards: Mapping[str, Guarded], refusals: Mapping[str, Refusal]
) -> None:
    """The sentence holds what the broker, the token endpoint or TLS said, or the right and what it is missing on."""
    code, error = refusals[name]
    block = error[error.index("error:") :]
    assert code == 3, error
    assert CASES[name].says.format(guards[name].flow) in block, block
    assert guards[name].user.password not in error
