"""Files of runs and projects, while each request goes to another lab."""

# ruff: noqa: F401

from __future__ import annotations

from ..server.test_artifacts import (
    project,
    run,
    ten,
    test_a_range_is_read,
    test_the_same_name_again_is_a_new_version_and_earlier_ones_stay,
)
