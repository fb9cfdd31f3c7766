"""What the probes are answered."""

from __future__ import annotations

import math
import time

from stream_guard.health import SILENT_FOR_S, Status, patience_s


def test_before_the_group_is_joined_nothing_is_dead() -> None:
    """A model may take minutes to load; until then the service is not ready, and says what it waits for."""
    status = Status()
    status.waits_for("the engine")
    assert (status.live(), status.ready(), status.started) == (None, "waiting for the engine", False)


def test_a_start_that_is_over_is_over_for_good() -> None:
    """Whatever makes the service not ready later, or as soon as it has started, is no reason to start it anew."""
    status = Status()
    status.waits_for("the engine")
    assert status.starting() == status.ready() == "waiting for the engine"
    status.runs(Halting("chat[0] (position)", nothing_flows=True))  # type: ignore[arg-type]  # it is asked for no more
    status.depends(lambda: "the schema registry is unavailable: no answer")
    assert status.starting() is None
    assert status.ready() is not None
    status.stop.set()
    assert status.starting() is None


def test_a_poll_thread_that_stands_still_is_dead_only_after_its_drain() -> None:
    """However long the operator lets partitions drain: a restart in the middle would judge all of it again."""
    now = 1_000.0
    status = Status(lambda: now)
    status.polls(lambda: 0.0, drain_s=now - SILENT_FOR_S)
    assert status.live() is None
    now += 1
    assert status.live() == "the consumer was not polled for 1001 s"


def test_an_engine_beyond_repair_is_dead_and_says_why() -> None:
    """Only a new process can help, with a fresh device; until then, and for an engine elsewhere, nothing is dead."""
    status, hopeless = Status(), [""]
    status.needs(lambda: None)
    status.needs(lambda: hopeless[0] or None)
    assert status.live() is None
    hopeless[0] = "the engine ended 5 times"
    assert status.live() == "the engine ended 5 times"


def test_who_was_asked_to_stop_is_not_ready() -> None:
    """So that nothing more is sent its way."""
    status = Status()
    status.stop.set()
    assert status.ready() == "waiting for the configuration"
    status.waits_for("the cluster")
    assert status.live() is None


def test_what_records_wait_for_makes_the_service_not_ready_but_not_dead() -> None:
    """A registry that is away is said as it is; once it is back the service is ready."""
    status, reason = Status(), ["the schema registry is unavailable: no answer"]
    status._waiting = None
    status.depends(lambda: None)
    status.depends(lambda: reason[0] if reason else None)
    assert (status.ready(), status.live()) == ("the schema registry is unavailable: no answer", None)
    reason.clear()
    assert status.ready() is None


class Halting:
    """A pipeline of which some partitions are halted."""

    unavailable = None
    still_s = 0.0

    def __init__(self, halts: str, *, nothing_flows: bool) -> None:
        self.halts = halts
        self.nothing_flows = nothing_flows


def test_a_halted_partition_is_named_and_restarts_nothing() -> None:
    """While others flow the service is ready; where none does it is not, so that a bad deploy is not rolled out further."""
    status = Status()
    status.runs(Halting("", nothing_flows=False))  # type: ignore[arg-type]  # it is asked for no more
    assert (status.ready(), status.note()) == (None, None)
    status.runs(Halting("chat[0] (position)", nothing_flows=False))  # type: ignore[arg-type]
    assert (status.ready(), status.live(), status.note()) == (None, None, "halted: chat[0] (position)")
    status.runs(Halting("chat[0] (position)", nothing_flows=True))  # type: ignore[arg-type]
    assert (status.ready(), status.live()) == ("halted: chat[0] (position)", None)


def test_work_that_stands_still_is_dead_only_far_beyond_any_timeout() -> None:
    """What nobody foresaw is mended by a new process; until then patience: to load the model again is dear."""
    status, pipeline = Status(), Halting("", nothing_flows=False)
    patience = patience_s(60.0, 120.0, 10.0)
    assert patience == 1200
    status.runs(pipeline, patience)  # type: ignore[arg-type]
    pipeline.still_s = patience
    assert status.live() is None
    pipeline.still_s += 1
    assert status.live() == "records are in flight, nothing stands in their way, and none has moved for 1201 s"
    assert status.ready() is None


def test_patience_has_a_least_and_may_have_no_end() -> None:
    """Short timeouts are no reason for haste; and where an output may take for ever, nothing is ever late."""
    assert patience_s(0.1) == 600
    assert patience_s(60.0, math.inf) == math.inf


def test_who_was_given_no_partitions_is_ready_who_was_given_no_answer_is_not() -> None:
    """The member has joined once the group gave it its share, be it none."""
    status, joined = Status(), [False]
    status.polls(time.monotonic, 1.0, lambda: joined[0])
    status.runs(Halting("", nothing_flows=False))  # type: ignore[arg-type]
    assert (status.ready(), status.live()) == ("waiting for the consumer group, or for a topic of it to be made", None)
    joined[0] = True
    assert status.ready() is None


def test_the_edition_in_force_is_said_once_there_is_one_and_what_is_refused_beside_it() -> None:
    """A refused edit makes nothing unready: the edition before goes on, and a restart would refuse to start."""
    status, refused, by_engine = Status(), [""], [""]
    assert status.facts() == {}
    status.runs(Halting("", nothing_flows=False))  # type: ignore[arg-type]
    status.in_force(lambda: "77c1", lambda: refused[0] or None, lambda: by_engine[0] or None)
    assert (status.facts(), status.note()) == ({"edition": "77c1"}, None)
    refused[0] = "the files hold another edition"
    assert (status.ready(), status.live(), status.note()) == (None, None, "the files hold another edition")
    by_engine[0] = "refused by the engine: policy odd"
    assert (status.ready(), status.live()) == (None, None)
    assert status.note() == "the files hold another edition; refused by the engine: policy odd"
    status.runs(Halting("chat[0] (position)", nothing_flows=True))  # type: ignore[arg-type]
    by_engine[0] = ""
    assert status.note() == "halted: chat[0] (position); the files hold another edition"
    assert status.ready() == "halted: chat[0] (position)"
