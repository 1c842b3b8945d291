"""swanlab.echarts: tables as tables. SwanLab draws its other charts with pyecharts, which a lab does not."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..quiet import cannot


class Table:
    """A table, as `swanlab.echarts.Table().add(headers, rows)` fills it."""

    def __init__(self, *args: Any, **options: Any) -> None:
        self._headers: list[str] = []
        self._rows: list[list[Any]] = []

    def add(self, headers: Sequence[Any], rows: Sequence[Sequence[Any]], attributes: Any = None) -> Table:
        self._headers, self._rows = [str(header) for header in headers], [list(row) for row in rows]
        return self

    def set_global_opts(self, *args: Any, **options: Any) -> Table:
        """Do nothing: options say how SwanLab draws it."""
        return self

    def _hectiqlab_put(self, run: Any, key: str, step: int) -> None:
        run.add_table(self._rows, key, step, self._headers)


class _Chart:
    """Stands for a chart of pyecharts: takes every call, and is not stored."""

    def __init__(self, *args: Any, **options: Any) -> None:
        pass

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return lambda *args, **options: self

    def _hectiqlab_put(self, run: Any, key: str, step: int) -> None:
        cannot("swanlab", f"a chart of echarts, such as {key!r},", "log a plotly or matplotlib figure")


def __getattr__(name: str) -> Any:
    if name.startswith("_"):
        raise AttributeError(name)
    return _Chart
