"""Models and datasets, while each request goes to another lab."""

# ruff: noqa: F401

from __future__ import annotations

from ..server.test_registry import (
    project,
    test_an_alias_set_by_many_at_once_names_one_version,
    test_versions_asked_for_at_once_are_all_different,
)
