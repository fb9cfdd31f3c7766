"""What vLLM is called with and what it answers, in the port's words. Imports vLLM: import this module late."""

from __future__ import annotations

from typing import Any

from vllm import RequestOutput, SamplingParams
from vllm.exceptions import GracefulHTTPError, VLLMClientError
from vllm.sampling_params import RequestOutputKind, StructuredOutputsParams
from vllm.v1.engine.exceptions import EngineDeadError

from stream_guard.engines.port import Ask, Failure, FailureKind, LabelRead, Labels, Text, TextRead, Usage


def sampling(ask: Ask) -> SamplingParams:
    """The sampling parameters of an ask. Each call makes its own: vLLM writes to them.

    Labels are read without `allowed_token_ids` or a grammar, so that their log-probabilities are those of the whole
    vocabulary and low mass in the labels shows. No temperature changes them.
    """
    read = ask.read
    if isinstance(read, LabelRead):
        return _params(max_tokens=1, temperature=0.0, logprob_token_ids=list(read.label_ids))
    return _params(
        max_tokens=read.max_tokens,
        temperature=ask.temperature,
        stop_token_ids=list(read.stop_ids),
        structured_outputs=_constraint(read),
    )


def _params(**settings: Any) -> SamplingParams:
    return SamplingParams(detokenize=False, output_kind=RequestOutputKind.FINAL_ONLY, skip_clone=True, **settings)


def _constraint(read: TextRead) -> StructuredOutputsParams | None:
    if read.structural_tag is not None:
        return StructuredOutputsParams(structural_tag=read.structural_tag)
    if read.json_schema is not None:
        return StructuredOutputsParams(json=read.json_schema)
    return None


def reply(ask: Ask, output: RequestOutput) -> Labels | Text | None:
    """The reply in a final output; None where vLLM ended the request without one (an abort or an error)."""
    completion = output.outputs[0]
    if completion.finish_reason not in ("stop", "length", "repetition"):
        return None
    if isinstance(ask.read, TextRead):
        return Text(tuple(completion.token_ids), text=None, finished=completion.finish_reason == "stop")
    if not completion.logprobs:
        return None
    reported = completion.logprobs[0]
    return Labels({label: reported[label].logprob for label in ask.read.label_ids if label in reported})


def usage(output: RequestOutput, engine_s: float) -> Usage:
    """What a request took."""
    return Usage(
        prompt_tokens=len(output.prompt_token_ids or ()),
        cached_tokens=output.num_cached_tokens or 0,
        completion_tokens=len(output.outputs[0].token_ids),
        engine_s=engine_s,
    )


def failure(error: Exception, *, dead: bool) -> Failure:
    """What an exception of `generate` means for its ask. Names the exception's type only: its text may quote."""
    name = type(error).__name__
    if dead or isinstance(error, EngineDeadError):
        return Failure(FailureKind.DIED, f"the engine died ({name})")
    if isinstance(error, (VLLMClientError, ValueError, TypeError)):
        return Failure(FailureKind.REJECTED, f"vLLM does not take this ask ({name})")
    if isinstance(error, GracefulHTTPError):
        return Failure(FailureKind.TRANSIENT, f"vLLM's queue is full ({name})")
    return Failure(FailureKind.TRANSIENT, f"vLLM failed this ask ({name})")
