"""Turn rows, records, columns or a DataFrame into one JSON document, and that back into the same table."""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Mapping, Sequence
from typing import Any

from ..base.texts import counted
from .plain import plain

COLUMNS_MAX = 1000
CELLS_MAX = 1_000_000
_NON_FINITE = {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}


def table_of(rows: Any, columns: Sequence[Any] | None) -> tuple[list[str], list[Sequence[Any]]]:
    """Return (names of the columns, cells row by row) of what `Run.add_table` takes. Raises TypeError and
    ValueError.
    """
    names, cells = _read(rows, columns)
    if columns is not None:
        if isinstance(columns, str | bytes):
            raise TypeError("columns is a list of names, not one text")
        names = [str(name) for name in columns]
    if len(names) > COLUMNS_MAX:
        raise ValueError(f"a table of {counted(len(names), 'column')} is too wide to be shown: at most {COLUMNS_MAX:,}")
    if len(cells) * max(1, len(names)) > CELLS_MAX:
        size = f"{counted(len(cells), 'row')} and {counted(len(names), 'column')}"
        raise ValueError(
            f"a table of {size} is too large to be shown (at most {CELLS_MAX:,} cells): write it to a file and use "
            "add_artifact"
        )
    for i, row in enumerate(cells):
        if len(row) != len(names):
            raise ValueError(
                f"row {i} has {counted(len(row), 'cell')}, and the table has {counted(len(names), 'column')}"
            )
    return names, cells


def packed(names: list[str], rows: Sequence[Sequence[Any]]) -> bytes:
    """Return the table as JSON: {"columns": [name], "types": ["number" | "any"], "rows": [[cell]]}. NaN and ±Inf of
    number columns are texts, as JSON has no such numbers.
    """
    cells = [[_cell(value) for value in row] for row in rows]
    numeric = [all(_is_number(row[i]) for row in cells) for i in range(len(names))]
    table = {
        "columns": names,
        "types": ["number" if yes else "any" for yes in numeric],
        "rows": [[_as_json(value) for value in row] for row in cells],
    }
    return json.dumps(table, allow_nan=False, separators=(",", ":"), ensure_ascii=False).encode("utf-8", "replace")


def unpacked(data: bytes) -> tuple[list[str], list[list[Any]]]:
    """Return the names and rows from which `packed` made the JSON. Raises ValueError, LookupError or TypeError for
    other data.
    """
    table = json.loads(data)
    numeric = [kind == "number" for kind in table["types"]]
    rows = [
        [_NON_FINITE.get(v, v) if yes and isinstance(v, str) else v for v, yes in zip(row, numeric, strict=True)]
        for row in table["rows"]
    ]
    return list(table["columns"]), rows


def _read(rows: Any, columns: Sequence[Any] | None) -> tuple[list[str], list[Sequence[Any]]]:
    pandas: Any = sys.modules.get("pandas")
    if pandas is not None and isinstance(rows, pandas.DataFrame):
        frame = rows if type(rows.index) is pandas.RangeIndex and rows.index.name is None else rows.reset_index()
        return [_column_name(c) for c in frame.columns], list(frame.itertuples(index=False, name=None))
    if callable(getattr(rows, "rows", None)) and hasattr(rows, "columns"):  # polars
        return [str(c) for c in rows.columns], list(rows.rows())
    if isinstance(rows, Mapping):
        lists = {str(name): list(_listed(values)) for name, values in rows.items()}
        if len({len(values) for values in lists.values()}) > 1:
            raise ValueError("the columns of a table are of equal length; these differ")
        return list(lists), list(zip(*lists.values(), strict=True))
    if isinstance(rows, str | bytes) or not hasattr(rows, "__iter__"):
        raise TypeError(f"a table is a DataFrame, a list of rows or a dict of columns, not {type(rows).__name__}")
    listed = _listed(rows)
    records = [row for row in listed if isinstance(row, Mapping)]
    if records and len(records) < len(listed):
        raise TypeError("the rows of a table are all lists, or all dicts")
    if records:
        keys = list(dict.fromkeys(key for row in records for key in row)) if columns is None else list(columns)
        return [str(key) for key in keys], [[row.get(key) for key in keys] for row in records]
    width = len(_listed(listed[0])) if listed else len(columns or ())
    return [str(i) for i in range(width)], [_listed(row) for row in listed]


def _listed(values: Any) -> Sequence[Any]:
    if isinstance(values, str | bytes | Mapping) or not hasattr(values, "__iter__"):
        raise TypeError(f"a row of a table is a list of cells, not {type(values).__name__}")
    if callable(getattr(values, "tolist", None)):
        as_list: list[Any] = (values.detach() if callable(getattr(values, "detach", None)) else values).tolist()
        return as_list
    return list(values)


def _column_name(name: Any) -> str:
    return " / ".join(str(part) for part in name) if isinstance(name, tuple) else str(name)


def _cell(value: Any) -> Any:
    pandas = sys.modules.get("pandas")
    if pandas is not None and any(value is getattr(pandas, name, None) for name in ("NA", "NaT")):
        return None
    return plain(value)


def _is_number(value: Any) -> bool:
    return value is None or (isinstance(value, int | float) and not isinstance(value, bool))


def _as_json(value: Any) -> Any:
    """Return a value that JSON can hold."""
    if isinstance(value, float) and not math.isfinite(value):
        return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
    if isinstance(value, dict):
        return {key: _as_json(v) for key, v in value.items()}
    if isinstance(value, list):
        return [_as_json(v) for v in value]
    return value
