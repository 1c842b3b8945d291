"""Metrics of a CSV file: a column for each metric, or a row for each point. The delimiter is guessed.

step,time,loss,accuracy          key,value,step,time
0,1700000000.0,2.1,0.1           loss,2.1,0,1700000000.0
"""

from __future__ import annotations

import codecs
import csv
import io
from collections.abc import Iterator
from datetime import datetime, timezone
from pathlib import Path

from ..errors import ConfigurationError
from ..protocol import csvcells
from ..protocol.limits import STEP_MAX, STEP_MIN
from .points import Point, Problems, digest_of, is_time, trouble_with_key
from .source import Part, Source

STEP_NAMES = ("step", "global_step", "_step", "iteration", "index", "")  # "": the index that pandas writes
TIME_NAMES = ("time", "wall_time", "timestamp", "_timestamp")
KEY_NAMES = ("key", "tag", "metric")
VALUE_NAMES = ("value",)
_DELIMITERS = ",;\t|"
_SNIFFED_CHARS = 64 << 10
CELL_CHARS_MAX = 16 << 20  # a longer cell is not CSV; Python's own bound is 128 KiB


def source(path: Path, name: str | None = None) -> Source:
    """Return the file as one run, named after the file if no name is given. What is appended after this call is not
    read.

    Blocks on the disk. Raises ConfigurationError for a file that is no table of metrics, OSError.
    """
    if not path.is_file():
        what = "is a directory" if path.is_dir() else "does not exist"
        raise ConfigurationError(f"{path} {what}: give a CSV file.")
    stat = path.stat()
    table = _Table(path, stat.st_size, stat.st_mtime)
    digest = digest_of("csv", [(path, stat.st_size)])  # a table is imported whole: its rows may change
    part = Part(path.name, digest, stat.st_size, lambda size: digest_of("csv", [(path, size)]), table.points)
    return Source(name or path.stem, digest, (part,))


class _NoCsvError(ConfigurationError):
    pass


class _Table:
    """The columns of a file: where step, time, key and value are, and which are metrics."""

    def __init__(self, path: Path, size: int, modified: float) -> None:
        self._path, self._size, self._modified = path, size, modified
        with path.open("rb") as raw:
            self._encoding = "utf-16" if raw.read(2) in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE) else "utf-8-sig"
        with self._opened() as file:
            first = file.read(_SNIFFED_CHARS).partition("\n")[0]
        if "\0" in first or "\ufffd" in first:
            raise ConfigurationError(
                f"{path} is not text, or its first line is damaged: save the table as CSV in UTF-8."
            )
        self._delimiter = _delimiter(first)
        with self._opened() as file:
            header = next(self._rows(file), (1, []))[1]
        self._is_ours = csvcells.is_ours(header)
        names = [cell.strip() for cell in header]
        lower = [name.lower().replace(" ", "_") for name in names]
        self._step, self._time = _first(lower, STEP_NAMES), _first(lower, TIME_NAMES)
        self._key, self._value = _first(lower, KEY_NAMES), _first(lower, VALUE_NAMES)
        if self._key is None or self._value is None:
            self._key = self._value = None
        special = (self._step, self._time)
        self._metrics = [(i, name) for i, name in enumerate(names) if i not in special and self._key is None]
        if self._key is None:
            self._check(names)

    def _check(self, names: list[str]) -> None:
        """Raise ConfigurationError if the file is not a table of metrics."""
        keys = [name for _, name in self._metrics]
        if not keys:
            raise ConfigurationError(
                f"{self._path} has no column of a metric in its first line: it should have names of columns, such as "
                "step,loss or key,value,step."
            )
        for key in keys:
            trouble = trouble_with_key(key) or ("is there twice" if keys.count(key) > 1 else "")
            if trouble:
                raise ConfigurationError(f"{self._path}: the name of a column, {key[:40]!r}, {trouble}.")
        if all(_number(name) is not None for name in names if name):
            raise ConfigurationError(f"{self._path} has numbers in its first line, where names of columns should be.")

    def _opened(self) -> io.TextIOWrapper:
        whole = io.BufferedReader(_Beginning(self._path, self._size))
        return io.TextIOWrapper(whole, encoding=self._encoding, errors="replace", newline="")

    def _rows(self, file: io.TextIOWrapper) -> Iterator[tuple[int, list[str]]]:
        """Yield (line, cells) of each row that has cells. Raises _NoCsvError."""
        csv.field_size_limit(max(csv.field_size_limit(), CELL_CHARS_MAX))
        reader = csv.reader(file, delimiter=self._delimiter, skipinitialspace=True)
        try:
            for cells in reader:
                if any(cell.strip() for cell in cells):
                    yield reader.line_num, cells
        except csv.Error as e:
            raise _NoCsvError(f"{self._path}, line {reader.line_num}: not CSV from here on ({e})") from None

    def points(self, problems: Problems) -> Iterator[Point]:
        with self._opened() as file:
            rows = self._rows(file)
            next(rows, None)
            try:
                for number, (line, cells) in enumerate(rows):
                    yield from self._row(number, line, cells, problems)
            except _NoCsvError as e:
                problems.add("csv", str(e))

    def _row(self, number: int, line: int, cells: list[str], problems: Problems) -> Iterator[Point]:
        def cell(column: int | None) -> str:
            return exactly(column).strip()

        def exactly(column: int | None) -> str:
            return cells[column] if column is not None and column < len(cells) else ""

        def bad(column: str, text: str, wanted: str) -> None:
            where = f"{self._path}, line {line}: "
            problems.add(f"{column} {wanted}", f"{where}{text[:40]!r} in the column {column!r} is not a {wanted}")

        step = number if self._step is None else _step(cell(self._step))
        if step is None:
            bad("step", cell(self._step), "step: the row is left out")
            return
        time = _time(cell(self._time)) if cell(self._time) else self._modified
        if time is None:
            bad("time", cell(self._time), "time: the row is left out")
            return
        if self._key is not None:
            key = csvcells.text_of_cell(exactly(self._key)) if self._is_ours else cell(self._key)
            metrics = [(key, self._value)]
            trouble = trouble_with_key(key)
            if trouble and cell(self._value):
                problems.add("key", f"{self._path}, line {line}: the key {key[:40]!r} {trouble}: the row is left out")
                return
        else:
            metrics = [(name, column) for column, name in self._metrics]
        for key, column in metrics:
            text = cell(column)
            if text:
                value = _number(text)
                if value is None:
                    bad(key, text, "number")
                else:
                    yield Point(key, step, value, time)


class _Beginning(io.RawIOBase):
    """The first `size` bytes of a file that may grow meanwhile."""

    def __init__(self, path: Path, size: int) -> None:
        self._file, self._left = path.open("rb", buffering=0), size

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        count = self._file.readinto(buffer[: min(len(buffer), self._left)]) or 0
        self._left -= count
        return count

    def close(self) -> None:
        self._file.close()
        super().close()


def _delimiter(header: str) -> str:
    """Return the delimiter, of the usual four the most frequent one in the header. Names of columns hold none of them,
    while numbers may have decimal commas.
    """
    return max(_DELIMITERS, key=header.count)


def _first(names: list[str], wanted: tuple[str, ...]) -> int | None:
    return next((names.index(name) for name in wanted if name in names), None)


def _number(text: str) -> float | None:
    try:
        return None if "_" in text else float(text)  # float("1_0") is 10.0
    except ValueError:
        return None


def _step(text: str) -> int | None:
    try:
        step = int(text)
    except ValueError:
        number = _number(text)
        if number is None or not number.is_integer():
            return None
        step = int(number)
    return step if STEP_MIN <= step <= STEP_MAX else None


def _time(text: str) -> float | None:
    """Return a time in seconds since 1970 UTC. The text has these seconds, or a date and time of ISO 8601, in UTC if it
    names no zone.
    """
    number = _number(text)
    if number is None:
        try:
            moment = datetime.fromisoformat(text.replace("Z", "+00:00"))
        except ValueError:
            return None
        number = (moment if moment.tzinfo else moment.replace(tzinfo=timezone.utc)).timestamp()
    return number if is_time(number) else None
