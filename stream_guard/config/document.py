"""The configuration file: YAML, with references to environment variables resolved."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from stream_guard.config.references import resolve
from stream_guard.errors import ConfigError, Place
from stream_guard.marked_yaml import Document, parse


def read_document(path: Path, env: Mapping[str, str]) -> Document:
    """Reads a YAML file and resolves its references to environment variables. Raises ConfigError with all findings."""
    file = str(path)
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise ConfigError((Place(file), f"can't be read: {error.strerror}")) from error
    except UnicodeDecodeError as error:
        raise ConfigError((Place(file), "is not UTF-8")) from error
    return parse_document(text, file, env)


def parse_document(text: str, file: str, env: Mapping[str, str]) -> Document:
    """The same for a text that stands in `file`."""
    return parse(text, file, texts=lambda value: resolve(value, env))
