"""The faults that the service survives, and the tests that show it: `python -m tests.faults --list` prints them.

Numbers are for talking about them. Each test is named as pytest would; those marked `chaos` run with `make faults` only.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple


class Fault(NamedTuple):
    """What happens, and where it is tested: `file::test` or `file::test[case]`, below `tests/`."""

    what: str
    tests: Sequence[str]


_SIMULATED = "faults/test_simulated.py::test_no_promise_is_broken_by"

FAULTS: Sequence[Fault] = (
    Fault("SIGKILL after inference, before produce", (
        "faults/test_crashes.py::test_killed_after_inference_before_produce",)),
    Fault("SIGKILL after acknowledgement, before commit", (
        "faults/test_crashes.py::test_killed_after_acknowledgement_before_commit",)),
    Fault("SIGKILL between dead letter and store", (
        "faults/test_crashes.py::test_killed_between_dead_letter_and_store",)),
    Fault("SIGTERM at a full window", (
        "faults/test_crashes.py::test_asked_to_end_with_a_full_window",)),
    Fault("scale 1 -> 3 -> 1 under load", (
        "faults/test_membership.py::test_scaled_up_and_down_under_load",
        "integration/test_group.py::test_members_come_and_go_and_nothing_is_lost",
        "integration/test_kafka_groups.py::test_a_hand_over_repeats_and_loses_nothing")),
    Fault("rolling restart", (
        "faults/test_membership.py::test_a_rolling_restart",
        "integration/test_static_membership.py::test_a_restart_within_the_session_is_noticed_by_nobody")),
    Fault("the oldest item stuck, the rest done", (
        f"{_SIMULATED}[the oldest is stuck]",
        "simulation/test_brakes.py::test_a_stuck_record_bounds_what_is_read_behind_it")),
    Fault("reverse or random completion order", (
        f"{_SIMULATED}[completions in any order]",
        "faults/test_brokers.py::test_a_small_reference_run")),
    Fault("revoke, then re-assign the same partition in mid-flight", (
        f"{_SIMULATED}[revoked and assigned again]",
        "integration/test_kafka_groups.py::test_records_of_a_partition_that_left_are_not_passed_on",
        "unit/delivery/test_ledger.py::test_a_new_assignment_is_a_new_ledger")),
    Fault("late completion after lost", (
        f"{_SIMULATED}[late completions after lost]",
        "unit/test_pipeline.py::test_a_lease_that_is_lost_is_dropped_at_once",
        "unit/kafka/consumer/test_poller.py::test_a_lost_partition_stores_nothing")),
    Fault("rebalance while paused", (
        f"{_SIMULATED}[a rebalance while intake is paused]",
        "integration/test_kafka_groups.py::test_a_rebalance_is_served_while_paused")),
    Fault("a drain exceeds its budget", (
        f"{_SIMULATED}[a drain that exceeds its budget]",
        "integration/test_kafka_groups.py::test_a_drain_that_is_too_slow_is_not_waited_for")),
    Fault("SIGSTOP past session and max.poll", (
        "faults/test_membership.py::test_a_member_that_falls_silent_and_comes_back",
        "integration/test_kafka_groups.py::test_a_member_that_missed_its_polls_rewinds_nobody")),
    Fault("coordinator failover", (
        "faults/test_brokers.py::test_the_coordinator_fails_over",)),
    Fault("leader change; a broker killed hard with two in sync", (
        "faults/test_brokers.py::test_leaders_change",
        "faults/test_brokers.py::test_a_small_reference_run")),
    Fault("produce timeout, then late success", (
        f"{_SIMULATED}[a produce that times out and succeeds late]",
        "faults/test_brokers.py::test_a_produce_that_times_out_and_succeeds_late")),
    Fault("full producer queue", (
        f"{_SIMULATED}[a producer that takes nothing]",
        "integration/test_kafka_sink.py::test_a_full_queue_holds_back_and_keeps_the_order")),
    Fault("dead-letter topic unavailable, unauthorised or too small", (
        "integration/test_brakes.py::test_a_dead_letter_that_does_not_fit_halts_its_partition_alone_until_it_does",
        "integration/test_brakes.py::test_a_dead_letter_topic_that_is_gone_halts_until_it_is_back",
        "integration/test_security_rights.py::test_a_dead_letter_that_is_forbidden_halts_until_it_is_allowed",
        "simulation/test_brakes.py::test_dead_letters_that_can_not_be_written_halt_their_partition_alone")),
    Fault("all input invalid", (
        "integration/test_brakes.py::test_a_bad_deploy_stops_after_so_many_dead_letters",
        "simulation/test_brakes.py::test_garbage_stops_its_partition_and_no_other")),
    Fault("engine outage of ten minutes; 5 % hangs; a storm of 429", (
        "simulation/test_engine_outages.py::test_nothing_is_given_up_for_what_is_the_engines_fault",
        "unit/engines/test_openai_faults.py::test_a_server_that_asks_for_a_moment_gets_it",
        "unit/engines/test_openai_faults.py::test_asks_that_hang_free_their_connections_when_they_are_given_up")),
    Fault("a record that kills the process, across restarts", (
        "integration/test_poison.py::test_records_that_kill_the_process_are_dead_lettered_whole_and_all_others_are_judged",)),
    Fault("null, empty, huge and duplicate-header records", (
        "integration/test_service.py::test_records_of_all_kinds_survive_a_restart_half_way",
        "integration/test_kafka_source.py::test_a_record_arrives_as_it_was_written")),
    Fault("offset out of range, gaps, control records", (
        "integration/test_kafka_source.py::test_out_of_range_halts_that_partition_alone",
        "faults/test_topics.py::test_gaps_and_control_records_are_passed")),
    Fault("topic deleted and made anew, partitions added, pattern matches", (
        "faults/test_topics.py::test_a_topic_that_is_made_anew_under_a_member",
        "faults/test_topics.py::test_a_topic_that_is_made_anew_is_read_from_its_beginning",
        "integration/test_kafka_source.py::test_a_partition_added_later_begins_at_its_beginning",
        "integration/test_kafka_source.py::test_patterns_follow_the_cluster_and_spare_our_own_topics")),
    Fault("corrupt commit metadata", (
        "faults/test_topics.py::test_foreign_commit_metadata_is_no_obstacle",)),
    Fault("schema registry down", (
        "integration/test_formats.py::test_a_registry_that_is_away_costs_no_record",)),
    Fault("duplicate instance id", (
        "integration/test_static_membership.py::test_of_two_processes_of_one_name_one_works",)),
    Fault("transactions: zombie producer, delayed end, crash in mid-transaction (there is no transactional option yet)", ()),
    Fault("latency and half-open connections", (
        "faults/test_link.py::test_a_far_broker_and_a_line_that_dies",
        "faults/test_brokers.py::test_a_broker_that_freezes")),
    Fault("clock skew; a long soak of pauses; a batch that can't be decompressed", (
        f"{_SIMULATED}[clocks that jump]",
        f"{_SIMULATED}[pauses without end]",
        "integration/test_unreadable_batches.py::test_a_batch_that_the_consumer_refuses_is_read_by_the_child_and_its_partition_goes_on",
        "integration/test_unreadable_batches.py::test_a_batch_that_kills_the_process_by_its_size_is_passed_after_restarts")),
)  # fmt: skip
"""In the order of their numbers, from 1."""


def listed() -> str:
    """All of them, one a paragraph."""
    return "\n".join(
        "\n".join([f"{number:2}  {fault.what}", *(f"      tests/{test}" for test in fault.tests)])
        for number, fault in enumerate(FAULTS, start=1)
    )
