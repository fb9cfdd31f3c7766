from __future__ import annotations

import json
import logging
import sys
from collections.abc import Iterator
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
import structlog
from opentelemetry import trace
from opentelemetry.trace import NonRecordingSpan, SpanContext, TraceFlags

from stream_guard.events.model import Message
from stream_guard.policy.document import Decision
from stream_guard.telemetry.logs import FOREIGN, MASK, OURS, configure_logging, librdkafka_logger, logger
from stream_guard.telemetry.otel import OtelTelemetry


class Terminal(StringIO):
    """A stderr that a person looks at."""

    def isatty(self) -> bool:
        """It is one."""
        return True


@pytest.fixture(autouse=True)
def logging_restored(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Logging is global: every test leaves it as it found it."""
    monkeypatch.setenv("VLLM_CONFIGURE_LOGGING", "0")
    monkeypatch.delenv("NO_COLOR", raising=False)
    loggers = [logging.getLogger(name) for name in (None, OURS, *FOREIGN)]
    before = [(each, each.handlers[:], each.level, each.propagate) for each in loggers]
    yield
    structlog.reset_defaults()
    for each, handlers, level, propagate in before:
        each.handlers[:], each.level, each.propagate = handlers, level, propagate


def look_on(monkeypatch: pytest.MonkeyPatch) -> Terminal:
    """Makes stderr a terminal. Called by the test itself, since pytest sets stderr anew after the fixtures."""
    output = Terminal()
    monkeypatch.setattr(sys, "stderr", output)
    return output


def the_line(capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    """The only line that was written."""
    (line,) = capsys.readouterr().err.splitlines()
    found: dict[str, Any] = json.loads(line)
    return found


def test_a_line_is_json_with_a_dotted_event_and_fields(capsys: pytest.CaptureFixture[str]) -> None:
    """One event is one line that a machine reads, with level, logger and time."""
    configure_logging("info")
    logger("stream_guard.pipeline").info("partition.halted", topic="mail", partition=3, decision=Decision.REVIEW)
    line = the_line(capsys)
    assert line.pop("timestamp").endswith("Z")
    assert line == {
        "event": "partition.halted", "level": "info", "logger": "stream_guard.pipeline",
        "topic": "mail", "partition": 3, "decision": "review",
    }  # fmt: skip


def test_levels_apply_to_ours_and_warnings_to_others(capsys: pytest.CaptureFixture[str]) -> None:
    """Debug lines of ours come when asked for; information of other libraries never does."""
    configure_logging("debug")
    logger().debug("seen.debug")
    for name in (*FOREIGN, "somebody.else"):
        logging.getLogger(name).info("hidden")
    configure_logging("WARNING")
    logger().info("hidden")
    assert [json.loads(line)["event"] for line in capsys.readouterr().err.splitlines()] == ["seen.debug"]


def test_other_libraries_warnings_come_the_same_way(capsys: pytest.CaptureFixture[str]) -> None:
    """What confluent-kafka is given as its logger ends as JSON too, once, however it was set up before."""
    librdkafka_logger().addHandler(logging.StreamHandler())
    librdkafka_logger().propagate = False
    configure_logging()
    librdkafka_logger().warning("broker %s is down", "b1")
    line = the_line(capsys)
    assert (line["event"], line["level"], line["logger"]) == ("broker b1 is down", "warning", "librdkafka")


def test_secrets_and_contents_are_masked_by_name_at_any_depth(capsys: pytest.CaptureFixture[str]) -> None:
    """No password and nothing that a user wrote shows, wherever it stands; counts and names do."""
    configure_logging()
    logger().info(
        "config.loaded",
        kafka={"sasl.password": "hunter2", "ssl.key.password": "x", "bootstrap.servers": "b1:9092", "sasl": [{"token": "t"}]},
        **dict.fromkeys(("api_key", "access_token", "key", "content", "Authorization"), "see you at noon"),
        tokens=12, prompt_tokens=400, keys=3, monkey="banana", path=Path("a/b"),
    )  # fmt: skip
    line = the_line(capsys)
    assert line["kafka"] == {
        "sasl.password": MASK, "ssl.key.password": MASK, "bootstrap.servers": "b1:9092", "sasl": [{"token": MASK}]
    }  # fmt: skip
    assert [line[n] for n in ("api_key", "access_token", "key", "content", "Authorization")] == [MASK] * 5
    assert (line["tokens"], line["prompt_tokens"], line["keys"]) == (12, 400, 3)
    assert (line["monkey"], line["path"]) == ("banana", "a/b")


def test_an_object_is_told_by_its_type_alone(capsys: pytest.CaptureFixture[str]) -> None:
    """An event handed over by mistake does not show its content through its repr."""
    configure_logging()
    logger().info("odd", thing=Message(content="see you at noon"), blob=b"see you")
    line = the_line(capsys)
    assert (line["thing"], line["blob"]) == ("<Message>", "<bytes>")


@pytest.mark.parametrize("as_json", [True, False])
def test_a_traceback_shows_no_locals(capsys: pytest.CaptureFixture[str], as_json: bool) -> None:
    """An exception is told with its stack, and without what the frames held or the message quotes."""
    configure_logging(json=as_json)
    held = "see you at" + " noon"
    try:
        int(held)
    except ValueError:
        logger().exception("case.failed")
    told = capsys.readouterr().err
    assert "Traceback" in told
    assert "int(held)" in told
    assert "ValueError" in told
    assert "at noon" not in told


def test_other_libraries_show_no_arguments(capsys: pytest.CaptureFixture[str]) -> None:
    """Neither vLLM, which shows token ids, nor asyncio, which shows tasks and their exceptions; librdkafka names brokers and no more."""
    configure_logging()
    logging.getLogger("vllm.v1.engine").error("Unexpected draft token %s for request %s", [17, 711], "see you at noon")
    logging.getLogger("asyncio").error("Task exception was never retrieved\nfuture: <Task exception='see you at noon'>")
    logging.getLogger("asyncio").error(
        "Exception in callback deliver(['see you at noon'])", exc_info=KeyError("see you at noon")
    )
    librdkafka_logger().warning("%s: broker is down", "b1")
    lines = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    assert [line["event"] for line in lines] == [
        "Unexpected draft token %s for request %s", "Task exception was never retrieved", "Exception in callback deliver",
        "b1: broker is down",
    ]  # fmt: skip
    assert lines[2]["exception"] == "KeyError"


def test_trace_ids_come_with_a_current_span(capsys: pytest.CaptureFixture[str]) -> None:
    """A line within a span can be found from its trace."""
    configure_logging()
    context = SpanContext(0xABC, 0xDEF, is_remote=False, trace_flags=TraceFlags(1))
    with trace.use_span(NonRecordingSpan(context)):
        logger().info("inside")
    line = the_line(capsys)
    assert (line["trace_id"], line["span_id"]) == (f"{0xABC:032x}", f"{0xDEF:016x}")


def test_a_terminal_gets_colours_and_a_pipe_json(monkeypatch: pytest.MonkeyPatch) -> None:
    """A person reads lines, a machine reads JSON, unless told otherwise."""
    terminal = look_on(monkeypatch)
    configure_logging()
    logger().info("hello")
    assert "\x1b[" in terminal.getvalue()
    configure_logging(json=True)
    logger().info("hello")
    assert json.loads(terminal.getvalue().splitlines()[-1])["event"] == "hello"


def test_no_color_is_respected(monkeypatch: pytest.MonkeyPatch) -> None:
    """With NO_COLOR a terminal gets plain lines."""
    monkeypatch.setenv("NO_COLOR", "1")
    terminal = look_on(monkeypatch)
    configure_logging()
    logger().info("hello", fine=True)
    assert "hello" in terminal.getvalue()
    assert "\x1b[" not in terminal.getvalue()


def test_an_unknown_level_is_an_error(capsys: pytest.CaptureFixture[str]) -> None:
    """A level that there isn't is refused rather than guessed."""
    with pytest.raises(ValueError, match="LOUD"):
        configure_logging("loud")


def test_a_wait_for_the_registry_is_logged_when_it_begins_and_when_it_ends(capsys: pytest.CaptureFixture[str]) -> None:
    """The start of a service that has one is no event; a wait is two."""
    configure_logging()
    telemetry = OtelTelemetry()
    assert telemetry.metrics.registry_up.read() == {}
    telemetry.registry_up(up=True)
    telemetry.registry_up(up=False, reason="no answer")
    telemetry.registry_up(up=True)
    lines = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    assert [line["event"] for line in lines] == ["registry.unavailable", "registry.wait_over"]
    assert lines[0]["reason"] == "no answer"
