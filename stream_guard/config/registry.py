"""The schema registry that keeps the schemas of Avro, Protobuf and JSON Schema values."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Self
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, SecretStr, model_validator

from stream_guard.config.model import Model
from stream_guard.config.quantities import Seconds

_FILES = ("ca", "certificate", "key")
_TOKEN = re.compile(r"[!-~]+")
"""Anything else would fail at every request, and wait for ever as if the registry were down."""


def _addresses(url: str) -> str:
    for each in url.split(","):
        if (problem := _wrong_address(each.strip())) is not None:
            raise ValueError(problem)
    return url


def _wrong_address(url: str) -> str | None:
    try:
        parts = urlsplit(url)
        whole = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        whole = False
        parts = urlsplit("")
    if not whole:
        return "must be an address like https://registry:8081"
    if "@" in parts.netloc:
        return "must hold no credentials: use username and password"
    return "must have no query and no fragment" if parts.query or parts.fragment else None


class RegistrySettings(Model):
    """How to reach the schema registry (the API of Confluent's, which others offer too). Needed by routes of its formats."""

    url: Annotated[str, Field(min_length=1), AfterValidator(_addresses)]
    """Its base URL, path included (Apicurio: `/apis/ccompat/v7`); several, separated by commas, are tried in turn."""
    username: str | None = Field(default=None, min_length=1, pattern="^[^:]+$")
    """With `password`: HTTP Basic."""
    password: SecretStr | None = None
    """The password, or the API secret."""
    token: SecretStr | None = Field(default=None, min_length=1)
    """A bearer token, instead of a user."""
    ca: Path | None = None
    """The certificates (PEM) that sign the registry's own, relative to this file. Unset: those that certifi ships."""
    certificate: Path | None = None
    """Our certificate (PEM), where the registry asks for one (mTLS)."""
    key: Path | None = None
    """Its private key (PEM), unless that stands in `certificate`."""
    key_password: SecretStr | None = None
    """What the private key is encrypted with."""
    timeout: Seconds = 5.0
    """Seconds for one request. A stop may have to wait for the end of one."""
    allow_insecure: bool = False
    """Send credentials over `http://`, where anybody on the way can read them."""

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if (self.username is None) != (self.password is None):
            msg = "username and password go together"
            raise ValueError(msg)
        if self.token is not None and not _TOKEN.fullmatch(self.token.get_secret_value()):
            msg = "the token holds a blank, a line break or another character that no HTTP header takes"
            raise ValueError(msg)
        if self.token is not None and self.username is not None:
            msg = "use a token or a user, not both"
            raise ValueError(msg)
        if self.certificate is None and (self.key is not None or self.key_password is not None):
            msg = "key and key_password need a certificate"
            raise ValueError(msg)
        if self._has_secret and not self.allow_insecure and any(not url.startswith("https://") for url in self.urls):
            msg = "would send credentials over http, where anybody can read them: use https, or set allow_insecure to insist"
            raise ValueError(msg)
        return self

    @property
    def urls(self) -> tuple[str, ...]:
        """Its addresses, in the order in which they are tried."""
        return tuple(each.strip().rstrip("/") for each in self.url.split(","))

    @property
    def _has_secret(self) -> bool:
        return self.token is not None or self.username is not None

    def beside(self, folder: Path) -> Self:
        """The same with its files relative to a folder."""
        return self.model_copy(update={name: folder / path for name, path in self.files()})

    def files(self) -> Iterator[tuple[str, Path]]:
        """The files that are named, by setting."""
        for name in _FILES:
            if (path := getattr(self, name)) is not None:
                yield name, path
