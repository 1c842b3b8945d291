"""Raw points of a run as a file: CSV, JSON lines or Parquet, made while they are sent, tens of thousands at a time.

One row a point, in order of arrival for each key, keys in the order of their names. Values are exact: the repr of a
float is the shortest text that reads back to the same digits. Lines are put together here, because json.dumps and
csv.writer take ten times as long.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

from ...base.installing import install_advice
from ...protocol.csvcells import COLUMNS, cell
from ...store.pauses import may_pause
from ...store.points import Points, PointStore

PAGE_POINTS = 50_000  # points that are read from the store at once, and sent
KEYS_AT_ONCE = 1_000
ROWS_AT_ONCE = 1_000  # rows that become text before other requests get a turn
FORMATS = {
    "csv": "text/csv; charset=utf-8",
    "jsonl": "application/x-ndjson",
    "parquet": "application/vnd.apache.parquet",
}

Part = tuple[str, Points]


class FormatMissingError(RuntimeError):
    """The lab lacks a package that this format needs."""


def exported(
    store: PointStore, run: str, keys: Sequence[str] | None, form: str, rank: int | None, attempt: int | None
) -> Iterator[bytes]:
    """Return the file, piece by piece. `keys`: None for all. `form`: one of FORMATS.

    Raises FormatMissingError at the call, not later.
    """
    names = _all_keys(store, run) if keys is None else iter(keys)
    parts = _gathered(_parts(store, run, names, rank, attempt))
    if form == "parquet":
        return _parquet(parts)
    header, lines = _TEXT[form]
    return _text(parts, header, lines)


def _all_keys(store: PointStore, run: str) -> Iterator[str]:
    after = ""
    while infos := store.keys(run, "", after, KEYS_AT_ONCE):
        for info in infos:
            yield info.key
        after = infos[-1].key


def _parts(store: PointStore, run: str, keys: Iterable[str], rank: int | None, attempt: int | None) -> Iterator[Part]:
    for key in keys:
        after = ""
        while len((points := store.points(run, key, rank, attempt, after, PAGE_POINTS)).step):
            yield key, points
            if len(points.step) < PAGE_POINTS:
                break
            after = points.cursor


def _gathered(parts: Iterable[Part]) -> Iterator[list[Part]]:
    """Return several parts at a time if they are small: a run may have a hundred thousand keys of a few points each."""
    some: list[Part] = []
    rows = 0
    for part in parts:
        some.append(part)
        rows += len(part[1].step)
        if rows >= PAGE_POINTS:
            yield some
            some, rows = [], 0
    if some:
        yield some


def _rows(points: Points) -> Iterator[tuple[int, float, float, int, int]]:
    columns = (points.step, points.value, points.time / 1e6, points.rank, points.attempt)
    for start in range(0, len(points.step), ROWS_AT_ONCE):
        may_pause()
        yield from zip(*(column[start : start + ROWS_AT_ONCE].tolist() for column in columns), strict=True)


# Text -------------------------------------------------------------------------------------------------------------


def _text(parts: Iterable[list[Part]], header: str, lines: Callable[[str, Points], Iterator[str]]) -> Iterator[bytes]:
    if header:
        yield header.encode()
    for some in parts:
        yield "".join(line for key, points in some for line in lines(key, points)).encode("utf-8", "replace")


def _by_name(value: float) -> str:
    return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"


def _csv_lines(key: str, points: Points) -> Iterator[str]:
    name = cell(key)
    for step, value, time, rank, attempt in _rows(points):
        exact = repr(value) if math.isfinite(value) else _by_name(value)
        yield f"{name},{step},{exact},{time!r},{rank},{attempt}\n"


def _jsonl_lines(key: str, points: Points) -> Iterator[str]:
    name = json.dumps(key, ensure_ascii=False)
    for step, value, time, rank, attempt in _rows(points):
        exact = repr(value) if math.isfinite(value) else f'"{_by_name(value)}"'
        yield (
            f'{{"key": {name}, "step": {step}, "value": {exact}, "time": {time!r}, "rank": {rank}, '
            f'"attempt": {attempt}}}\n'
        )


_TEXT = {"csv": (",".join(COLUMNS) + "\n", _csv_lines), "jsonl": ("", _jsonl_lines)}


# Parquet ----------------------------------------------------------------------------------------------------------


class _Sink:
    """The file that pyarrow writes to: it takes bytes, and gives them away."""

    closed = False

    def __init__(self) -> None:
        self._parts: list[bytes] = []
        self._at = 0

    def write(self, data: Any) -> int:
        self._parts.append(bytes(data))
        self._at += len(self._parts[-1])
        return len(self._parts[-1])

    def tell(self) -> int:
        return self._at

    def flush(self) -> None:
        pass

    def close(self) -> None:
        pass

    def taken(self) -> bytes:
        data = b"".join(self._parts)
        self._parts.clear()
        return data


def _parquet(parts: Iterable[list[Part]]) -> Iterator[bytes]:
    try:
        import pyarrow as pa
        import pyarrow.parquet as pq
    except ImportError:
        raise FormatMissingError(
            "This lab cannot write Parquet: ask for csv or jsonl, or where it was installed from: "
            f"{install_advice('parquet', here=False)}"
        ) from None
    types = (pa.dictionary(pa.int32(), pa.string()), pa.int64(), pa.float64(), pa.timestamp("us", "UTC"))
    schema = pa.schema(list(zip(COLUMNS, (*types, pa.int32(), pa.int32()), strict=True)))

    def table(some: list[Part]) -> Any:
        batches = []
        for key, points in some:
            n = len(points.step)
            keys = pa.DictionaryArray.from_arrays(pa.array([0] * n, pa.int32()), pa.array([key]))
            columns = (points.step, points.value, points.time, points.rank, points.attempt)
            arrays = [pa.array(c).cast(f.type) for c, f in zip(columns, list(schema)[1:], strict=True)]
            batches.append(pa.record_batch([keys, *arrays], schema=schema))
        return pa.Table.from_batches(batches, schema).unify_dictionaries()

    def pieces() -> Iterator[bytes]:
        sink = _Sink()
        with pq.ParquetWriter(pa.PythonFile(sink, mode="w"), schema) as writer:
            for some in parts:
                writer.write_table(table(some))
                yield sink.taken()
        yield sink.taken()

    return pieces()
