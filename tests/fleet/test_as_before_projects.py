"""Projects, while each request goes to another lab."""

# ruff: noqa: F401

from __future__ import annotations

from ..server.test_projects import (
    project,
    test_a_deleted_project_is_gone_and_comes_back,
    test_a_renamed_project_is_found_by_old_links_and_running_scripts,
)
