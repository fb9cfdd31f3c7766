"""The configuration file: YAML, with references to environment variables resolved."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path

from stream_guard.config.references import resolve
from stream_guard.errors import ConfigError, Place
from stream_guard.marked_yaml import Document, parse


def read_document(path: Path, env: Mapping[str, str], unread: Collection[str] = ()) -> Document:
    """Reads a YAML file and resolves its references to environment variables. Raises ConfigError with all findings.

    What stands under a name of `unread` has to be YAML, and is left out.
    """
    return parse_document(text_of(path), str(path), env, unread)


def read_as_written(path: Path) -> Document:
    """The same with its references as they stand there: secrets included, where somebody wrote them into the file."""
    return parse(text_of(path), str(path))


def text_of(path: Path) -> str:
    """The text of a file that an operator wrote. Raises ConfigError where it can't be read."""
    try:
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise ConfigError((Place(str(path)), f"can't be read: {error.strerror}")) from error
    except UnicodeDecodeError as error:
        raise ConfigError((Place(str(path)), "is not UTF-8")) from error


def parse_document(text: str, file: str, env: Mapping[str, str], unread: Collection[str] = ()) -> Document:
    """The same for a text that stands in `file`."""
    return parse(text, file, texts=lambda value: resolve(value, env), unread=unread)
