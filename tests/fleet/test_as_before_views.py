"""Saved views, while each request goes to another lab."""

# ruff: noqa: F401

from __future__ import annotations

from ..server.test_views import test_a_view_is_kept_as_it_is_and_changed_by_version, views
