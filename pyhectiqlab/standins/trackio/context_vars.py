"""trackio.context_vars, which frameworks read: there are no Spaces here, so none of them is ever set."""

from __future__ import annotations

from contextvars import ContextVar

current_project: ContextVar[str | None] = ContextVar("current_project", default=None)
current_space_id: ContextVar[str | None] = ContextVar("current_space_id", default=None)
current_run: ContextVar[object | None] = ContextVar("current_run", default=None)
current_server: ContextVar[str | None] = ContextVar("current_server", default=None)
