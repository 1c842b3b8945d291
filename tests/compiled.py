"""Compiled statements: SQLAlchemy compiles each once in a process, whichever store needs it.

An engine keeps its own statements otherwise, and each store has one or two engines: the tests open thousands.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import Engine

from pyhectiqlab.store.sql import engine_postgresql, engine_sqlite

STATEMENTS_MAX = 5000


class Compiled(dict[Any, Any]):
    """For engines that were made with the same options. Their dialects are one where the server's version is, too."""

    def get(self, key: Any, default: Any = None) -> Any:
        return super().get(_same(key), default)

    def __setitem__(self, key: Any, compiled: Any) -> None:
        if len(self) >= STATEMENTS_MAX:
            self.clear()
        super().__setitem__(_same(key), compiled)


def _same(key: Any) -> Any:
    """Return the key of a statement for any dialect of that kind."""
    dialect, *statement = key
    return type(dialect), dialect.server_version_info, *statement


def share() -> None:
    """Have all engines that are made from now on share their statements."""
    for module in (engine_sqlite, engine_postgresql):
        _share_in(module)


def _share_in(module: Any) -> None:
    create, compiled = module.create_engine, Compiled()

    def create_engine(*args: Any, **options: Any) -> Engine:
        engine: Engine = create(*args, **options)
        engine.update_execution_options(compiled_cache=compiled)
        return engine

    module.create_engine = create_engine
