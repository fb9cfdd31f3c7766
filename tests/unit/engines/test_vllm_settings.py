"""What vLLM is told, worked out without vLLM."""

from __future__ import annotations

import importlib.util
import os
from pathlib import Path

import pytest

from stream_guard.engines.vllm import vllm_engine
from stream_guard.engines.vllm_settings import VllmSettings, default_cpu_binding, engine_arguments, prepare_environment
from stream_guard.errors import ModelError


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """An environment that is put back, without vLLM's variables."""
    for name in list(os.environ):
        if name.startswith(("VLLM_", "HF_", "TORCH_", "PYTHONWARNINGS", "TOKENIZERS_")):
            monkeypatch.delenv(name)
    monkeypatch.setattr(os, "environ", dict(os.environ))
    return monkeypatch


def test_a_gpu_gets_sizes_for_a_gpu() -> None:
    """VLLM's own are small for an embedded engine, even on a large GPU."""
    arguments = engine_arguments(VllmSettings(model="/models/guard"), cpu=False)
    assert (arguments["max_num_batched_tokens"], arguments["max_num_seqs"], arguments["dtype"]) == (8192, 512, "auto")
    assert arguments["served_model_name"] == "guard"
    assert arguments["enforce_eager"] is False
    assert not {"block_size", "max_model_len", "otlp_traces_endpoint"} & set(arguments)


def test_a_cpu_gets_small_steps_and_small_blocks() -> None:
    """A long step answers nobody; blocks of 32 cache more of a prefix than vLLM's 128."""
    arguments = engine_arguments(VllmSettings(model="m"), cpu=True)
    assert (arguments["block_size"], arguments["enforce_eager"]) == (32, True)
    assert arguments["dtype"] in ("bfloat16", "float32")
    assert arguments["max_num_batched_tokens"] < 8192


def test_what_is_set_wins_and_extra_wins_over_all() -> None:
    """The platform decides only what the operator left open."""
    settings = VllmSettings(
        model="m", dtype="float16", max_num_seqs=3, enforce_eager=False, extra={"block_size": 64, "seed": 1}
    )
    arguments = engine_arguments(settings, cpu=True)
    assert (arguments["dtype"], arguments["max_num_seqs"], arguments["enforce_eager"]) == ("float16", 3, False)
    assert (arguments["block_size"], arguments["seed"]) == (64, 1)


def test_a_none_of_extra_reaches_vllm() -> None:
    """Some of vLLM's arguments mean something by it that is not their default."""
    settings = VllmSettings(model="m", extra={"prefix_cache_retention_interval": None})
    assert engine_arguments(settings, cpu=True)["prefix_cache_retention_interval"] is None


def test_statistics_stay_on_while_tracing() -> None:
    """Without them vLLM's output loop dies at the first request that it traces."""
    assert engine_arguments(VllmSettings(model="m"), cpu=True)["disable_log_stats"] is True
    traced = VllmSettings(model="m", otlp_traces=("http://127.0.0.1:4317", "grpc"))
    assert engine_arguments(traced, cpu=True)["disable_log_stats"] is False


def test_the_engine_exports_its_spans_where_and_as_we_do(environment: pytest.MonkeyPatch) -> None:
    """VLLM looks at the variable of this one signal alone, and adds no path to the endpoint."""
    environment.delitem(os.environ, "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", raising=False)
    prepare_environment(VllmSettings(model="m"))
    assert "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL" not in os.environ
    traced = VllmSettings(model="m", otlp_traces=("http://127.0.0.1:4318/v1/traces", "http/protobuf"))
    environment.setitem(os.environ, "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "grpc")
    prepare_environment(traced)
    assert os.environ["OTEL_EXPORTER_OTLP_TRACES_PROTOCOL"] == "http/protobuf"
    assert engine_arguments(traced, cpu=True)["otlp_traces_endpoint"] == "http://127.0.0.1:4318/v1/traces"


def test_nothing_leaves_the_machine_and_nothing_goes_to_stdout(environment: pytest.MonkeyPatch) -> None:
    """Whatever the operator's environment says."""
    environment.setitem(os.environ, "VLLM_NO_USAGE_STATS", "0")
    prepare_environment(VllmSettings(model="m", cpu_kv_cache_gib=3))
    assert os.environ["VLLM_NO_USAGE_STATS"] == "1"
    assert os.environ["HF_HUB_OFFLINE"] == "1"
    assert os.environ["VLLM_LOGGING_STREAM"] == "ext://sys.stderr"
    assert os.environ["VLLM_WORKER_MULTIPROC_METHOD"] == "spawn"
    assert os.environ["VLLM_CPU_KVCACHE_SPACE"] == "3"


def test_the_operators_environment_wins_where_it_may(environment: pytest.MonkeyPatch) -> None:
    """Log level and core binding are theirs."""
    environment.setitem(os.environ, "VLLM_LOGGING_LEVEL", "DEBUG")
    environment.setitem(os.environ, "VLLM_CPU_OMP_THREADS_BIND", "5")
    prepare_environment(VllmSettings(model="m", cpu_binding="1"))
    assert (os.environ["VLLM_LOGGING_LEVEL"], os.environ["VLLM_CPU_OMP_THREADS_BIND"]) == ("DEBUG", "5")


@pytest.mark.parametrize(("cpus", "binding"), [({1, 0}, "0,1"), (set(range(64)), None)])
def test_few_cores_all_compute(monkeypatch: pytest.MonkeyPatch, cpus: set[int], binding: str | None) -> None:
    """VLLM's own choice keeps one core back, which is half of a machine of two."""
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: cpus)
    assert default_cpu_binding() == binding


async def test_without_vllm_the_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    """The package imports without it; only opening the engine needs it."""
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    with pytest.raises(ModelError, match=r"stream-guard\[gpu\]"):
        async with vllm_engine(VllmSettings(model="m")):
            pass


async def test_a_folder_without_a_model_is_refused_before_anything_starts(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The error names the folder."""
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: object())
    with pytest.raises(ModelError, match=str(tmp_path)):
        async with vllm_engine(VllmSettings(model=str(tmp_path))):
            pass
