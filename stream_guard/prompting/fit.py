"""Whether a model is of the family that a profile describes, as far as its folder tells without a tokenizer. Pure.

What a profile names of the vocabulary (labels, stop tokens, tags) is looked up where prompts are made.
"""

from __future__ import annotations

from collections.abc import Iterator

from stream_guard.prompting.harmony_tokens import SPELLINGS
from stream_guard.prompting.model_folder import ModelFolder
from stream_guard.prompting.profile import Profile, RendererKind


def misfits(profile: Profile, folder: ModelFolder) -> Iterator[str]:
    """Why a model must not be asked so, each reason in a sentence."""
    if not profile.fits(folder.architectures):
        yield (
            f"{folder.path} is a {', '.join(folder.architectures)}, but the profile {profile.name} is for "
            f"{', '.join(profile.architectures)}: name another in engine.profile, or leave that out"
        )
    if profile.renderer is RendererKind.HARMONY:
        wrong = [spelling for spelling, token in SPELLINGS.items() if folder.added_tokens.get(spelling) != token]
        if wrong:
            yield (
                f"{folder.path / 'tokenizer.json'} lacks {', '.join(wrong)} at the ids that harmony gives them: "
                f"the profile {profile.name} is for models of the harmony vocabulary"
            )
