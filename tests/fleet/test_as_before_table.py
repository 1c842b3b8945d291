"""Tables of runs, while each request goes to another lab."""

# ruff: noqa: F401

from __future__ import annotations

from ..server.test_table import (
    project,
    test_an_order_is_its_users_alone_and_shows_nothing_that_became_private,
    test_an_order_stays_while_runs_come_and_go,
    test_rows_are_sorted_by_several_values,
)
