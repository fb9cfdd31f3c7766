"""Which engine judges. The adapters are elsewhere: these settings only describe."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal, TypeAlias
from urllib.parse import urlsplit

from pydantic import Field, JsonValue, SecretStr, field_validator

from stream_guard.config.model import Model
from stream_guard.config.quantities import Seconds

SMALL_MODEL = "small"
"""Stands for the small model that comes as a package (the extra `cpu`)."""

TAKES_IDS = "api completions takes token ids"
"""Why such a server needs a tokenizer here."""
Share: TypeAlias = Annotated[float, Field(ge=0, le=1)]
Count: TypeAlias = Annotated[int, Field(gt=0)]


class _EngineSettings(Model):
    max_model_len: Count | None = None
    """Tokens of prompt and reply together. Unset: what the model or the server says."""


class _ModelSettings(_EngineSettings):
    profile: str | None = Field(default=None, min_length=1)
    """What the model's family needs to be asked: the name of a profile that ships (gpt-oss, chat and others), or a file of your own
    that ends in .yaml, relative to this file. Unset: what the model's folder says that it is."""


class VllmSettings(_ModelSettings):
    """vLLM in this process."""

    kind: Literal["vllm"]
    model: str = Field(min_length=1)
    """A folder with the model, relative to this file; or `small`, the packaged small model."""
    name: str | None = Field(default=None, min_length=1)
    """What verdicts call the model. Unset: the folder's name, or in the hub's cache the repository's."""
    manifest: Annotated[str, Field(pattern=r"^[0-9a-f]{32}$")] | None = None
    """Pins the model: `check --live` prints the hash of the folder, and no other model is loaded. Unset: any in that folder."""
    dtype: Literal["auto", "bfloat16", "float16", "float32"] | None = None
    """The type of weights and activations. Unset: what the processor is fast in."""
    max_num_seqs: Count | None = None
    """Sequences that are decoded at once. Unset: a size for this platform; vLLM's own is small for a large GPU."""
    max_num_batched_tokens: Count | None = None
    """Tokens in one step of the engine. Unset: a size for this platform."""
    gpu_memory_utilization: Annotated[float, Field(gt=0, le=1)] = 0.9
    """The share of the GPU's memory that vLLM may take."""
    tensor_parallel_size: Count = 1
    """GPUs that hold the model together."""
    kv_cache_gib: Count = 2
    """GiB for the key-value cache on a CPU."""
    health_timeout: Seconds = 30.0
    """How long a round trip may take until the engine counts as hung: more than its longest step."""
    extra: dict[str, JsonValue] = Field(default={})
    """More of vLLM's engine arguments, by their Python names (`block_size`, `enforce_eager` and the like)."""


class OpenAISettings(_ModelSettings):
    """Any server that speaks OpenAI's API."""

    kind: Literal["openai"]
    base_url: str
    """The address up to and with `/v1`."""
    model: str = Field(min_length=1)
    """The model's name at the server."""
    api: Literal["completions", "chat"] = "completions"
    """`completions` takes token ids; `chat` takes messages, and the server renders them."""
    api_key: SecretStr | None = None
    """Sent as bearer token."""
    tokenizer: Path | None = None
    """The folder with the model's tokenizer, relative to this file. Needed where prompts are token ids, but for the profile gpt-oss."""

    @field_validator("base_url")
    @classmethod
    def _plain_url(cls, url: str) -> str:
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            msg = "must be an http or https URL"
            raise ValueError(msg)
        if parts.username or parts.password:
            msg = "must not hold credentials: use api_key"
            raise ValueError(msg)
        if parts.query or parts.fragment:
            msg = "must end with its path: it appears in errors, and paths are put behind it"
            raise ValueError(msg)
        return url.rstrip("/")


class ScriptedSettings(_EngineSettings):
    """No model: deterministic replies, for tests and load."""

    kind: Literal["scripted"]
    violation_share: Share = 0.1
    """The share of asks that are answered as a violation."""
    violating_phrase: str | None = Field(default=None, min_length=1)
    """Instead of a share: what holds this text is answered as a violation, and nothing else."""
    malformed_share: Share = 0.0
    """The share of contents whose reply can't be parsed, however often they are asked about."""
    failure_share: Share = 0.0
    """The share of contents that fail however often they are asked about."""
    stumble_share: Share = 0.0
    """The share of asks that fail for a moment: asked again, most are answered."""
    garble_share: Share = 0.0
    """The share of asks whose reply can't be parsed: asked again, most are."""
    hang_share: Share = 0.0
    """The share of asks that are never answered; `judging.timeout` ends them."""
    delay: Seconds | None = None
    """How long a reply takes. Unset: no time at all."""
    delay_spread: Seconds | None = None
    """How much longer it may take, by content: replies come in an order of their own."""
    seed: int = 0
    """Decides which asks are answered how."""


EngineSettings: TypeAlias = Annotated[VllmSettings | OpenAISettings | ScriptedSettings, Field(discriminator="kind")]
