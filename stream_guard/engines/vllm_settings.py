"""What the vLLM engine is told, and the environment that vLLM reads before it is imported."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from msgspec import Struct

from stream_guard.engines.lifeline import own

_FORCED = {
    "VLLM_NO_USAGE_STATS": "1",  # nothing leaves the pod
    "HF_HUB_OFFLINE": "1",
    "VLLM_WORKER_MULTIPROC_METHOD": "spawn",  # a fork would copy librdkafka's locks without its threads
    "VLLM_LOGGING_STREAM": "ext://sys.stderr",  # stdout belongs to whoever runs us
}
_UNLESS_SET = {
    "VLLM_LOGGING_LEVEL": "ERROR",  # its warnings tell an operator nothing to act on
    "VLLM_LOGGING_COLOR": "0",
    "TORCH_CPP_LOG_LEVEL": "ERROR",
    "PYTHONWARNINGS": "ignore",
    "TOKENIZERS_PARALLELISM": "false",
}
_FEW_CPUS = 4


class VllmSettings(Struct, frozen=True, kw_only=True):
    """Settings of the embedded engine. None leaves the choice to the platform; see `engine_arguments`."""

    model: str
    """The model's folder."""
    name: str | None = None
    """What verdicts call the model; the folder's name if None."""
    manifest: str = ""
    """Hash of weights, configuration and tokenizer, worked out by the caller."""
    dtype: str | None = None
    max_model_len: int | None = None
    max_num_seqs: int | None = None
    max_num_batched_tokens: int | None = None
    gpu_memory_utilization: float = 0.9
    tensor_parallel_size: int = 1
    block_size: int | None = None
    enforce_eager: bool | None = None
    cpu_kv_cache_gib: int = 2
    """Memory of the key-value cache on a CPU, in GiB."""
    cpu_binding: str | None = None
    """VLLM_CPU_OMP_THREADS_BIND: which cores compute on a CPU."""
    otlp_traces: tuple[str, str] | None = None
    """Where vLLM's own spans go, and by which protocol (`grpc`, `http/protobuf`)."""
    health_timeout_s: float = 30.0
    """How long a round trip may take until the engine counts as hung: more than its longest step."""
    extra: Mapping[str, Any] = {}
    """Further arguments of vLLM's AsyncEngineArgs, which win over all of the above."""

    @property
    def model_name(self) -> str:
        """What verdicts call the model."""
        return self.name or Path(self.model).name


def prepare_environment(settings: VllmSettings) -> None:
    """Sets what vLLM and its child processes read from the environment. Must run before vLLM is imported."""
    os.environ.update(_FORCED)
    own(os.environ)
    for name, value in _UNLESS_SET.items():
        os.environ.setdefault(name, value)
    os.environ.setdefault("VLLM_CPU_KVCACHE_SPACE", str(settings.cpu_kv_cache_gib))
    binding = settings.cpu_binding or default_cpu_binding()
    if binding is not None:
        os.environ.setdefault("VLLM_CPU_OMP_THREADS_BIND", binding)
    if settings.otlp_traces is not None:  # vLLM does not look at the protocol of all signals
        os.environ["OTEL_EXPORTER_OTLP_TRACES_PROTOCOL"] = settings.otlp_traces[1]


def default_cpu_binding() -> str | None:
    """All cores where there are few: vLLM's own choice keeps one back, which is half of a machine of two."""
    cpus = sorted(os.sched_getaffinity(0))
    return ",".join(map(str, cpus)) if len(cpus) <= _FEW_CPUS else None


def engine_arguments(settings: VllmSettings, *, cpu: bool) -> dict[str, Any]:
    """Arguments for AsyncEngineArgs.

    vLLM's own sizes for an embedded engine are a trap (2,048 batched tokens and 128 sequences even on an H100); on a
    CPU a step of many tokens takes seconds, in which nothing else is answered.
    """
    chosen = {
        "model": settings.model,
        "served_model_name": settings.model_name,
        "dtype": settings.dtype or (_cpu_dtype() if cpu else "auto"),
        "max_model_len": settings.max_model_len,
        "max_num_seqs": settings.max_num_seqs or (64 if cpu else 512),
        "max_num_batched_tokens": settings.max_num_batched_tokens or (2048 if cpu else 8192),
        "gpu_memory_utilization": settings.gpu_memory_utilization,
        "tensor_parallel_size": settings.tensor_parallel_size,
        "block_size": settings.block_size or (32 if cpu else None),
        "enforce_eager": cpu if settings.enforce_eager is None else settings.enforce_eager,
        "enable_prefix_caching": True,
        "use_tqdm_on_load": False,
        "otlp_traces_endpoint": None if settings.otlp_traces is None else settings.otlp_traces[0],
        # With tracing on but its statistics off, vLLM's output loop dies at the first request that finishes.
        "disable_log_stats": settings.otlp_traces is None,
    }
    # What is None here is left to vLLM; in `extra` it is said, as of `prefix_cache_retention_interval`, which is 0 otherwise.
    return {name: value for name, value in chosen.items() if value is not None} | dict(settings.extra)


def _cpu_dtype() -> str:
    """Bfloat16 where the CPU computes in it; elsewhere it is four times slower than float32."""
    flags = Path("/proc/cpuinfo").read_text(encoding="ascii", errors="replace")
    return "bfloat16" if "avx512_bf16" in flags or "amx_bf16" in flags else "float32"
