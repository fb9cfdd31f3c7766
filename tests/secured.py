"""A secured Kafka for the tests: SASL over TLS, mutual TLS, and nobody may do what no ACL allows.

with SecuredKafka(tmp_path) as secured:
    secured.user("guard")
    secured.service_rights("guard", flow.source, [flow.verdicts], flow.group)
    client = secured.client("guard", Mechanism.SCRAM_512)

A user has every kind of credential at once. At the `brief` listener a connection must prove itself anew every 2 seconds,
so that a credential that no longer holds is noticed soon.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import StrEnum
from pathlib import Path
from typing import Any, NamedTuple

from confluent_kafka.admin import (
    AclBinding,
    AclBindingFilter,
    AclOperation,
    AclPermissionType,
    ResourcePatternType,
    ResourceType,
    ScramCredentialInfo,
    ScramMechanism,
    UserScramCredentialUpsertion,
)  # fmt: skip

from tests.certificates import Authority, Certificate
from tests.cluster import Cluster, jars
from tests.fixtures_kafka import Kafka
from tests.token_endpoint import AUDIENCE, ISSUER, OAuthClient, TokenEndpoint

REAUTHENTICATE_MS = 2000
_USERS = 100
"""Names for PLAIN stand in the broker's configuration, and that is read at its start alone: they are made beforehand."""
_TIMEOUT_S = 30.0
_SECURITY = "org.apache.kafka.common.security"
_OAUTH_CHECKS = f"{_SECURITY}.oauthbearer.OAuthBearerValidatorCallbackHandler"


class Mechanism(StrEnum):
    """How a client proves who it is."""

    PLAIN = "PLAIN"
    SCRAM_256 = "SCRAM-SHA-256"
    SCRAM_512 = "SCRAM-SHA-512"
    OAUTH = "OAUTHBEARER"
    MTLS = "mTLS"

    @property
    def named(self) -> bool:
        """Whether it is a user name and a password."""
        return self not in (Mechanism.OAUTH, Mechanism.MTLS)


class Resource(NamedTuple):
    """What an ACL is about."""

    kind: str
    name: str


def topic(name: str) -> Resource:
    """A topic."""
    return Resource("TOPIC", name)


def group(name: str) -> Resource:
    """A consumer group."""
    return Resource("GROUP", name)


class User(NamedTuple):
    """A principal and all its credentials."""

    name: str
    password: str
    certificate: Certificate

    @property
    def principal(self) -> str:
        """As ACLs name it."""
        return f"User:{self.name}"


class Secured(Kafka):
    """The secured broker, and the test's own hands on it: those of a super user."""

    def __init__(
        self, cluster: Cluster, authority: Authority, tokens: TokenEndpoint, admin: Certificate, plain: dict[str, str]
    ) -> None:
        """Connects as the super user. `plain` are the names and passwords that the broker knows for PLAIN."""
        super().__init__(_at(cluster.ports[1]), _mutual(authority, admin))
        self.cluster = cluster
        self.authority = authority
        self.tokens = tokens
        self._plain = plain
        self._unused = list(plain)

    # -- who ----------------------------------------------------------------------------------------------------------

    def user(self) -> User:
        """A new user, of a name that no other test uses, who may do nothing."""
        name = self._unused.pop()
        user = User(name, self._plain[name], self.authority.issue(name))
        self.tokens.clients[name] = OAuthClient(user.password, subject=name)
        self.set_scram(name, user.password)
        return user

    def set_scram(self, name: str, password: str) -> None:
        """Under both SCRAM mechanisms."""
        wanted = [
            UserScramCredentialUpsertion(name, ScramCredentialInfo(kind, 4096), password.encode())
            for kind in (ScramMechanism.SCRAM_SHA_256, ScramMechanism.SCRAM_SHA_512)
        ]
        for one in wanted:  # the client takes one change a user at a time
            for done in self.admin.alter_user_scram_credentials([one], request_timeout=_TIMEOUT_S).values():
                done.result(_TIMEOUT_S)

    def set_plain(self, name: str, password: str) -> None:
        """Restarts the broker: it reads the passwords of PLAIN at its start alone. Every connection ends."""
        self._plain[name] = password
        self.cluster.restart(overrides={**self.cluster.overrides, **_plain_settings(self._plain)})

    # -- what they may ------------------------------------------------------------------------------------------------

    def allow(self, user: str, operation: str, *resources: Resource) -> None:
        """Grants a right, on exactly these."""
        bindings = [AclBinding(*_acl(user, operation, resource)) for resource in resources]
        for done in self.admin.create_acls(bindings, request_timeout=_TIMEOUT_S).values():
            done.result(_TIMEOUT_S)

    def withdraw(self, user: str, operation: str, *resources: Resource) -> None:
        """Takes a right away that `allow` granted."""
        filters = [AclBindingFilter(*_acl(user, operation, resource)) for resource in resources]
        for done in self.admin.delete_acls(filters, request_timeout=_TIMEOUT_S).values():
            assert done.result(_TIMEOUT_S), "there was no such right"

    def service_rights(self, user: str, inputs: Sequence[str], outputs: Sequence[str], group_id: str) -> None:
        """All that a service needs, and no more: the list of docs/kafka-security.md."""
        self.allow(user, "READ", *map(topic, inputs), group(group_id))
        self.allow(user, "WRITE", *map(topic, outputs))

    # -- how they connect ---------------------------------------------------------------------------------------------

    def bootstrap_of(self, mechanism: Mechanism, *, brief: bool = False) -> str:
        """The servers that take this mechanism."""
        sasl, short = self.cluster.extra[1]
        if mechanism is Mechanism.MTLS:
            return self.bootstrap
        return _at(short if brief else sasl)

    def client(self, user: User, mechanism: Mechanism) -> dict[str, str]:
        """The options with which a client is this user, and knows the broker."""
        if mechanism is Mechanism.MTLS:
            return _mutual(self.authority, user.certificate)
        own = {"security.protocol": "SASL_SSL", "sasl.mechanism": mechanism, "ssl.ca.location": str(self.authority.pem)}
        if mechanism.named:
            return own | {"sasl.username": user.name, "sasl.password": user.password}
        return own | {
            "sasl.oauthbearer.method": "oidc",
            "sasl.oauthbearer.client.id": user.name,
            "sasl.oauthbearer.client.secret": user.password,
            "sasl.oauthbearer.token.endpoint.url": self.tokens.url,
            "https.ca.location": str(self.authority.pem),
        }

    def section(self, user: User, mechanism: Mechanism, *, brief: bool = False, **more: str) -> dict[str, Any]:
        """The same as the section `kafka` of a configuration. `more` options are written with `_` for `.`."""
        options = self.client(user, mechanism) | {key.replace("_", "."): value for key, value in more.items()}
        return {"bootstrap_servers": self.bootstrap_of(mechanism, brief=brief), "client": options}


class SecuredKafka:
    """Starts the broker and the token endpoint, and ends them."""

    def __init__(self, root: Path) -> None:
        """Makes all certificates. `root` is where everything lies."""
        authority = Authority(root / "certificates")
        self._tokens = TokenEndpoint(root, authority.issue("tokens"))
        admin, libs = authority.issue("admin"), jars()
        plain = {Kafka.name("guard"): Kafka.name("secret") for _ in range(_USERS)}
        self._cluster = Cluster(
            libs=libs,
            root=root,
            archive=libs.parent / "kafka.jsa",
            extra_ports=2,
            overrides=_settings(authority, authority.issue("broker"), self._tokens.jwks) | _plain_settings(plain),
            client=_mutual(authority, admin),
            jvm=(f"-Dorg.apache.kafka.sasl.oauthbearer.allowed.urls={self._tokens.jwks.as_uri()}",),
        )
        self._made = (self._cluster, authority, self._tokens, admin, plain)

    def __enter__(self) -> Secured:
        """Starts both."""
        self._tokens.__enter__()
        self._cluster.__enter__()
        return Secured(*self._made)

    def __exit__(self, *_: object) -> None:
        """Ends both."""
        self._cluster.stop()
        self._tokens.__exit__()


def _settings(authority: Authority, broker: Certificate, jwks: Path) -> dict[str, str]:
    """The node's properties. MTLS is the node's own port, SASL and BRIEF are the extra ones."""
    listeners = "MTLS://127.0.0.1:${port},SASL://127.0.0.1:${extra1},BRIEF://127.0.0.1:${extra2}"
    settings = {
        "listeners": f"{listeners},CONTROLLER://127.0.0.1:${{controller}}",
        "advertised.listeners": listeners,
        "listener.security.protocol.map": "MTLS:SSL,SASL:SASL_SSL,BRIEF:SASL_SSL,CONTROLLER:SSL",
        "inter.broker.listener.name": "MTLS",
        "ssl.keystore.type": "PEM",
        "ssl.keystore.location": str(broker.keystore),
        "ssl.truststore.type": "PEM",
        "ssl.truststore.location": str(authority.pem),
        "ssl.client.auth": "none",
        "listener.name.mtls.ssl.client.auth": "required",
        "listener.name.controller.ssl.client.auth": "required",
        "ssl.principal.mapping.rules": "RULE:^.*CN=([^,]+).*$/$1/,DEFAULT",
        "sasl.enabled.mechanisms": ",".join(m for m in Mechanism if m is not Mechanism.MTLS),
        "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
        "super.users": "User:broker;User:admin",
        "allow.everyone.if.no.acl.found": "false",
    }
    for listener in ("sasl", "brief"):
        settings |= _sasl(f"listener.name.{listener}", jwks)
    brief = {f"listener.name.brief.{m.lower()}.connections.max.reauth.ms": str(REAUTHENTICATE_MS) for m in Mechanism}
    return settings | brief


def _sasl(listener: str, jwks: Path) -> dict[str, str]:
    scram = f"{_SECURITY}.scram.ScramLoginModule required;"
    oauth = f"{listener}.oauthbearer.sasl"
    return {
        f"{listener}.scram-sha-256.sasl.jaas.config": scram,
        f"{listener}.scram-sha-512.sasl.jaas.config": scram,
        f"{oauth}.jaas.config": f"{_SECURITY}.oauthbearer.OAuthBearerLoginModule required;",
        f"{oauth}.server.callback.handler.class": _OAUTH_CHECKS,
        f"{oauth}.oauthbearer.jwks.endpoint.url": jwks.as_uri(),
        f"{oauth}.oauthbearer.expected.audience": AUDIENCE,
        f"{oauth}.oauthbearer.expected.issuer": ISSUER,
    }


def _plain_settings(users: Mapping[str, str]) -> dict[str, str]:
    known = "".join(f' user_{name}="{password}"' for name, password in users.items())
    jaas = f"{_SECURITY}.plain.PlainLoginModule required{known};"
    return {f"listener.name.{listener}.plain.sasl.jaas.config": jaas for listener in ("sasl", "brief")}


def _mutual(authority: Authority, own: Certificate) -> dict[str, str]:
    return {
        "security.protocol": "SSL",
        "ssl.ca.location": str(authority.pem),
        "ssl.certificate.location": str(own.pem),
        "ssl.key.location": str(own.key),
    }


def _acl(user: str, operation: str, resource: Resource) -> tuple[Any, ...]:
    literal, allow = ResourcePatternType.LITERAL, AclPermissionType.ALLOW
    principal = f"User:{user}"
    return (ResourceType[resource.kind], resource.name, literal, principal, "*", AclOperation[operation], allow)


def _at(port: int) -> str:
    return f"127.0.0.1:{port}"
