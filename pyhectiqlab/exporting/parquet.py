"""Points as Parquet files, and back. pyarrow is imported when it is needed."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ..base.installing import install_advice
from ..errors import ConfigurationError
from .layout import COLUMNS, part_of


def arrow() -> Any:
    """Return pyarrow. Raises ConfigurationError where it is missing."""
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError:
        raise ConfigurationError(f"Points are Parquet files, which need pyarrow: {install_advice('parquet')}") from None
    return pyarrow


def schema() -> Any:
    pa = arrow()
    text = pa.dictionary(pa.int32(), pa.string())
    types = (text, text, pa.int64(), pa.float64(), pa.timestamp("us", "UTC"), pa.int32(), pa.int32())
    return pa.schema(list(zip(COLUMNS, types, strict=True)))


class PointsFile:
    """A Parquet file of points that grows. It gets its name in `close`."""

    def __init__(self, path: Path, run: str) -> None:
        self._pa, self._path, self._run = arrow(), path, run
        self._part = part_of(path)
        path.parent.mkdir(parents=True, exist_ok=True)
        self._schema = schema()
        self._writer = self._pa.parquet.ParquetWriter(self._part, self._schema, compression="zstd")
        self._waiting: list[Any] = []
        self._rows = 0
        self.rows = 0

    def add(self, key: str, columns: Any) -> None:
        """Add points of one key: `columns` has step, value, time_us, rank and attempt."""
        pa, n = self._pa, len(columns.step)
        zeros = pa.repeat(pa.scalar(0, pa.int32()), n)
        names = [pa.DictionaryArray.from_arrays(zeros, pa.array([name])) for name in (self._run, key)]
        numbers = [columns.step, columns.value, columns.time_us, columns.rank, columns.attempt]
        kinds = (pa.int64(), pa.float64(), pa.int64(), pa.int64(), pa.int64())
        arrays = [
            pa.Array.from_buffers(kind, n, [None, pa.py_buffer(column)]).cast(field.type)
            for column, kind, field in zip(numbers, kinds, list(self._schema)[2:], strict=True)
        ]
        self._waiting.append(pa.record_batch([*names, *arrays], schema=self._schema))
        self._rows += n
        self.rows += n
        if self._rows >= 200_000:
            self._write()

    def _write(self) -> None:
        if self._waiting:
            table = self._pa.Table.from_batches(self._waiting, self._schema).unify_dictionaries()
            self._writer.write_table(table)
            self._waiting, self._rows = [], 0

    def close(self) -> None:
        self._write()
        self._writer.close()
        with self._part.open("rb") as file:
            os.fsync(file.fileno())
        self._part.replace(self._path)

    def discard(self) -> None:
        self._writer.close()
        self._part.unlink(missing_ok=True)


def batches(path: Path) -> Iterator[tuple[list[str], list[int], list[float], list[int], list[int], list[int]]]:
    """Yield columns of a file of points, in its order: key, step, value, time (µs), rank, attempt.

    Raises ConfigurationError where it cannot be read.
    """
    pa = arrow()
    try:
        file = pa.parquet.ParquetFile(path)
        for batch in file.iter_batches(batch_size=20_000, columns=list(COLUMNS[1:])):
            times = batch.column("time").cast(pa.int64())
            yield tuple((times if name == "time" else batch.column(name)).to_pylist() for name in COLUMNS[1:])
    except (pa.ArrowException, KeyError, ValueError) as e:
        raise ConfigurationError(f"{path} cannot be read as points: {str(e).splitlines()[0]}") from None
