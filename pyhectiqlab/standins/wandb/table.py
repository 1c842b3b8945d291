"""Tables: W&B's Table, whose cells may hold media."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from ...run import Run

DEFAULT_COLUMNS = ("Input", "Output", "Expected")


class Table:
    """Rows under named columns. Media in cells are stored beside the table, as `key/column/row`."""

    _log_type = "table"
    MAX_ROWS = 10_000
    MAX_ARTIFACT_ROWS = 200_000

    def __init__(
        self,
        columns: Sequence[Any] | None = None,
        data: Any = None,
        rows: Any = None,
        dataframe: Any = None,
        dtype: Any = None,
        optional: Any = True,
        allow_mixed_types: bool = False,
        log_mode: str | None = "IMMUTABLE",
    ) -> None:
        dataframe = data if type(data).__name__ == "DataFrame" else dataframe
        if dataframe is not None:
            self.columns = [str(column) for column in dataframe.columns]
            self.data = [list(row) for row in dataframe.itertuples(index=False, name=None)]
        else:
            given = rows if data is None else data
            self.columns = [str(c) for c in (columns if columns is not None else DEFAULT_COLUMNS)]
            self.data = [list(row) for row in (given if given is not None else ())]
            if given is not None and hasattr(given, "tolist"):
                self.data = [list(row) for row in given.tolist()]
            if columns is None and hasattr(given, "shape") and given.ndim == 2:
                self.columns = [str(number) for number in range(given.shape[1])]
        self.log_mode = log_mode

    def add_data(self, *data: Any) -> None:
        if len(data) != len(self.columns):
            raise ValueError(f"This table expects {len(self.columns)} columns: {self.columns}, found {len(data)}")
        self.data.append(list(data))

    def add_row(self, *row: Any) -> None:
        self.add_data(*row)

    def add_column(self, name: str, data: Any, optional: bool = False) -> None:
        values = list(data)
        if self.columns and self.data and len(values) != len(self.data):
            raise ValueError(f"Expected length {len(self.data)}, found {len(values)}")
        if not self.data:
            self.data = [[] for _ in values]
        self.columns.append(str(name))
        for row, value in zip(self.data, values, strict=True):
            row.append(value)

    def add_computed_columns(self, fn: Any) -> None:
        for number, row in enumerate(self.data):
            made = fn(number, dict(zip(self.columns, row, strict=True)))
            for name in made:
                if name not in self.columns:
                    self.columns.append(name)
            row.extend(made[name] for name in self.columns[len(row) :])

    def get_column(self, name: str, convert_to: str | None = None) -> Any:
        values = [row[self.columns.index(name)] for row in self.data]
        if convert_to == "numpy":
            import numpy

            return numpy.array(values)
        return values

    def get_index(self) -> list[int]:
        return list(range(len(self.data)))

    def get_dataframe(self) -> Any:
        import pandas

        return pandas.DataFrame(self.data, columns=self.columns)

    def iterrows(self) -> Iterator[tuple[int, list[Any]]]:
        yield from enumerate(self.data)

    def cast(self, col_name: str, dtype: Any, optional: bool = False) -> None:
        """Do nothing: cells keep their types."""

    def set_pk(self, col_name: str) -> None:
        """Do nothing: tables have no keys here."""

    def set_fk(self, col_name: str, table: Any, table_col: str) -> None:
        """Do nothing: tables have no keys here."""

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Table) and (self.columns, self.data) == (other.columns, other.data)

    __hash__ = None  # type: ignore[assignment]

    def _hectiqlab_put(self, run: Run, key: str, step: int) -> None:
        rows = []
        for number, row in enumerate(self.data):
            cells = []
            for column, cell in zip(self.columns, row, strict=False):
                if hasattr(cell, "_hectiqlab_put") and not isinstance(cell, Table):
                    below = f"{key}/{column}/{number}"
                    cell._hectiqlab_put(run, below, step)
                    cell = below
                cells.append(cell)
            rows.append(cells)
        run.add_table(rows, key, step, self.columns)


class JoinedTable:
    """Two tables and the column that they share: both are stored."""

    def __init__(self, table_1: Any, table_2: Any, join_key: Any) -> None:
        self._tables, self._key = (table_1, table_2), join_key

    def _hectiqlab_put(self, run: Run, key: str, step: int) -> None:
        for number, table in enumerate(self._tables, 1):
            if isinstance(table, Table):
                table._hectiqlab_put(run, f"{key}/{number}", step)
