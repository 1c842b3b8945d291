"""Ingest, while each request goes to another lab."""

# ruff: noqa: F401

from __future__ import annotations

from ..server.test_ingest import (
    run,
    test_a_deleted_run_answers_410_until_it_is_restored,
    test_a_gap_and_an_overlap_are_told_with_the_cursor,
    test_a_refused_batch_holds_up_none_of_the_others,
    test_a_repeated_batch_is_acked_and_changes_nothing,
    test_config_is_merged_deep_and_meta_note_and_tags_are_kept,
    test_points_come_back_in_order_of_arrival,
    test_the_same_batch_sent_by_many_at_once_is_applied_once,
)
