"""The files that `stream-guard init` writes, and what must hold of them: they load as the service loads them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

from stream_guard.config import Settings, load_config
from stream_guard.config.kafka import is_secret
from stream_guard.config.settings import ENV_PREFIX
from stream_guard.policy.load import load_policies
from stream_guard.proposal.configuration import POLICY_FILE, Attachment, configuration_text
from stream_guard.proposal.first_policy import policy_text
from stream_guard.proposal.propose import Proposal

CONFIG_FILE = "guard.yaml"
_SEPARATORS = re.compile(r"[^A-Za-z0-9]+")


class Options(NamedTuple):
    """Options for librdkafka as a file may hold them, and the values of the variables that stand for secrets."""

    written: Mapping[str, str]
    secrets: Mapping[str, str]


def options_of(given: Mapping[str, str]) -> Options:
    """Puts a reference to a variable in the place of each secret; one that is a reference already stays."""
    written, secrets = dict(given), {}
    for name, value in given.items():
        if is_secret(name) and "${" not in value:
            variable = "KAFKA_" + _SEPARATORS.sub("_", name).upper()
            written[name], secrets[variable] = f"${{{variable}}}", value
    return Options(written, secrets)


def files_of(attachment: Attachment, proposal: Proposal) -> dict[str, str]:
    """The texts by the paths that they go to, relative to one folder."""
    chats = "message" not in proposal.judge
    return {CONFIG_FILE: configuration_text(attachment, proposal), POLICY_FILE: policy_text(chats=chats)}


def loaded(files: Mapping[str, str], env: Mapping[str, str]) -> Settings:
    """The settings that these files mean. Overrides by the environment don't count: the files must be right by themselves.

    Raises ConfigError with all that is wrong.
    """
    own = {name: value for name, value in env.items() if not name.upper().startswith(ENV_PREFIX)}
    with TemporaryDirectory(prefix="stream-guard-") as folder:
        written(files, Path(folder))
        settings = load_config(Path(folder, CONFIG_FILE), own)
        load_policies(settings.policies)
    return settings


def written(files: Mapping[str, str], folder: Path) -> list[Path]:
    """Writes the files, making folders as needed. Returns their paths."""
    paths = [folder / name for name in files]
    for path, text in zip(paths, files.values(), strict=True):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return paths
