"""Where profiles come from: those that ship, by name, or an operator's own file."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Final

from stream_guard.config.document import text_of
from stream_guard.config.engine import TAKES_IDS, OpenAISettings, VllmSettings
from stream_guard.config.profile import parse_profile
from stream_guard.errors import ConfigError, Place
from stream_guard.prompting.profile import Profile, RendererKind

DEFAULT: Final = "chat"
"""The profile of a model that no other is taken for."""
FOR_SERVERS: Final = "messages"
"""The profile for servers that render prompts themselves."""
FOR_THE_SMALL_MODEL: Final = "smollm2"
_SUFFIXES = (".yaml", ".yml")


def is_file(named: str) -> bool:
    """Whether what `engine.profile` names is a file, rather than a shipped profile."""
    return named.endswith(_SUFFIXES)


@cache
def shipped_profiles() -> Mapping[str, Profile]:
    """The profiles that ship, by name."""
    folder = Path(str(files("stream_guard.prompting") / "profiles"))
    return {path.stem: parse_profile(text_of(path), str(path)) for path in sorted(folder.glob("*.yaml"))}


def load_profile(named: str) -> Profile:
    """The shipped profile of that name, or the one in a file. Raises ConfigError where there is none, or it is wrong."""
    if is_file(named):
        if not Path(named).is_file():
            raise ConfigError((Place(named), f"there is no file {named}"))
        return parse_profile(text_of(Path(named)), named)
    shipped = shipped_profiles()
    if named not in shipped:
        known = ", ".join(shipped)
        raise ConfigError(
            (Place(named), f"there is no profile {named}; there are {known}; a file of your own ends in .yaml")
        )
    return shipped[named]


def profile_for(architectures: tuple[str, ...]) -> Profile:
    """The shipped profile that is taken for a model where none is named."""
    shipped = shipped_profiles()
    fitting = (one for one in shipped.values() if one.automatic and one.fits(architectures))
    return next(fitting, shipped[DEFAULT])


def misfit(engine: VllmSettings | OpenAISettings, profile: Profile) -> str | None:
    """Why this engine can't be asked so, None where it can: what it made of such a prompt might look like an answer."""
    served = profile.renderer is RendererKind.MESSAGES
    if isinstance(engine, VllmSettings):
        return f"vllm takes token ids: {profile.name} is for a server with api chat" if served else None
    if engine.api == "chat":
        return None if served else f"api chat takes messages, which the server renders: {profile.name} makes token ids"
    if served:
        return f"{TAKES_IDS}: {profile.name} needs api chat"
    if profile.renderer is not RendererKind.HARMONY and engine.tokenizer is None:
        return f"{TAKES_IDS}: set tokenizer"
    return None
