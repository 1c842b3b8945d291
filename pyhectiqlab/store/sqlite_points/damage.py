"""Damage of chunks: the error that readers get, and the check that reads all chunks.

Every chunk and every blob of nodes ends with a checksum (chunks.py, nodes.py). What lies around them, the rows that
say which points a chunk holds, has none: the check compares these with the points themselves.
"""

from __future__ import annotations

import sqlite3
import struct
from collections.abc import Iterator, Sequence
from math import nan
from typing import Any

from ...base.texts import counted
from ...errors import StoreError
from ..pauses import may_pause
from ..points import Axis
from ..series.extents import Extent, extent_of, pooled
from .chunks import PACKED, decode, decode_some
from .nodes import decode_nodes, shift_of

_UNREADABLE = (ValueError, TypeError, IndexError, struct.error)
_AXES: tuple[Axis, ...] = ("step", "time", "relative")

_SERIES = """SELECT s.id, run.name, s.key, s.attempt, s.scattered, s.origin, a.origin, run.deleted,
        s.count, s.step_min, s.step_max, s.time_min, s.time_max, s.value_min, s.value_max,
        s.attempt, s.last_step, s.last_seq, s.last_arrival, s.last_time, s.last_value
    FROM series s LEFT JOIN run ON run.id = s.run LEFT JOIN attempt a ON a.run = s.run AND a.number = s.attempt
    ORDER BY s.id"""
_CHUNKS = """SELECT c.id, c.tree, c.copied, c.form, c.n, c.step_min, c.step_max, c.time_min, c.time_max,
        c.arrival_min, c.arrival_max, c.step_shift, c.time_shift, c.relative_shift, d.data
    FROM chunk c LEFT JOIN chunk_data d ON d.id = c.id WHERE c.series = ?"""
_STRAY = {
    "chunks of no series": "SELECT count(*) FROM chunk WHERE series NOT IN (SELECT id FROM series)",
    "points of no chunk": "SELECT count(*) FROM chunk_data WHERE id NOT IN (SELECT id FROM chunk)",
    "nodes of no chunk": "SELECT count(*) FROM node_data WHERE id / 8 NOT IN (SELECT id FROM chunk)",
}


class DamagedSeriesError(StoreError):
    """Points of a series are not as they were written."""

    def __init__(self, series: int, run: str, key: str, why: object) -> None:
        super().__init__(
            f"Points of {key!r} in run {run} are damaged ({why}): run `hectiqlab admin check` on the lab's data, and"
            " restore a backup that it calls whole."
        )
        self.series = series


def damaged(connection: sqlite3.Connection, series: int, why: object) -> DamagedSeriesError:
    row = connection.execute(
        "SELECT run.name, s.key FROM series s JOIN run ON run.id = s.run WHERE s.id = ?", (series,)
    ).fetchone()
    run, key = row or ("unknown", "unknown")
    return DamagedSeriesError(series, run, key, why)


def columns_of(connection: sqlite3.Connection, series: int, blob: bytes | None, names: Sequence[str]) -> list[Any]:
    """Return columns of a blob of a series, as `decode_some` does. `blob` is None if its row is gone. Raises
    DamagedSeriesError.
    """
    if blob is None:
        raise damaged(connection, series, "a chunk is gone")
    try:
        return decode_some(blob, names)
    except _UNREADABLE as e:
        raise damaged(connection, series, e) from e


def nodes_of(
    connection: sqlite3.Connection, series: int, blobs: Sequence[bytes | None], shift_max: int, names: Sequence[str]
) -> Any:
    """Return nodes of blobs of a series, as `decode_nodes` does. Raises DamagedSeriesError."""
    try:
        return decode_nodes(blobs, shift_max, names)  # type: ignore[arg-type]
    except _UNREADABLE as e:
        raise damaged(connection, series, e) from e


# --------------------------------------------------------------------------------------------------------------------


def check_chunks(connection: sqlite3.Connection) -> Iterator[str]:
    """Read every chunk, head and blob of nodes. Yield a sentence for each thing that is not as it was written."""
    for what, sql in _STRAY.items():
        (n,) = connection.execute(sql).fetchone()
        if n:
            yield f"there are {n} {what}"
    for series, run, key, attempt, scattered, origin, its_origin, deleted, *extent in connection.execute(_SERIES):
        may_pause()
        name = f"{key!r} in run {run}"
        wrong = list(_check_series(connection, series, attempt, bool(scattered), extent, bool(deleted)))
        if origin != its_origin:
            wrong.append("its relative time does not begin where that of its attempt does")
        yield from (f"points of {name}: {what}" for what in wrong)


def _check_series(
    connection: sqlite3.Connection, series: int, attempt: int, scattered: bool, noted: list[Any], deleted: bool
) -> Iterator[str]:
    extents: list[Extent] = []
    by_time = 0
    whole = True
    for chunk, tree, copied, form, n, *rest in connection.execute(_CHUNKS, (series,)):
        ranges, shifts, data = rest[:6], rest[6:9], rest[9]
        try:
            if data is None:
                raise ValueError("it is gone")
            if form >= PACKED and data[0] != form:
                raise ValueError("it is of another kind than was written")
            points = decode(data)
            extent = extent_of(points.step, points.value, points.time, points.seq, attempt, points.arrival)
            if [n, *ranges] != [*extent[:5], int(points.arrival.min()), int(points.arrival.max())]:
                raise ValueError("it holds other points than its row says")
            if form >= PACKED:
                _check_nodes(connection, chunk, n, shifts)
        except _UNREADABLE as e:
            whole = False
            yield f"chunk {chunk}: {e}"
            continue
        by_time += n * (tree == 1 or not copied)
        if tree == 0:
            extents.append(extent)
    for row_id, data in connection.execute("SELECT id, data FROM head WHERE series = ?", (series,)):
        try:
            points = decode(data)
            extent = extent_of(points.step, points.value, points.time, points.seq, attempt, points.arrival)
        except _UNREADABLE as e:
            whole = False
            yield f"row {row_id} of the head: {e}"
            continue
        by_time += extent.points
        extents.append(extent)
    if not whole or deleted:  # a purge may be half done
        return
    noted = [nan if number is None else number for number in noted]
    points_noted = noted[0]
    there = sum(extent.points for extent in extents)
    if points_noted != there:
        yield f"of {counted(points_noted, 'point')}, {there:,} are there"
    elif extents and not _same(noted, pooled(extents)):
        yield "its row tells other ends, extremes or another last point than its points do"
    elif scattered and by_time != points_noted:
        yield f"of {counted(points_noted, 'point')}, {by_time:,} are there by time"


def _check_nodes(connection: sqlite3.Connection, chunk: int, n: int, shifts: Sequence[int | None]) -> None:
    for axis, shift in enumerate(shifts):
        if shift is None:
            continue
        rows = connection.execute(
            "SELECT data FROM node_data WHERE id IN (?, ?) ORDER BY id",
            (8 * chunk + 2 * axis, 8 * chunk + 2 * axis + 1),
        ).fetchall()
        if len(rows) != 2:
            raise ValueError(f"its nodes by {_AXES[axis]} are gone")
        for (blob,) in rows:
            if decode_nodes([blob])["count"].sum() != n:
                raise ValueError(f"its nodes by {_AXES[axis]} are of other points")
        if shift_of(rows[0][0]) != shift:
            raise ValueError(f"its nodes by {_AXES[axis]} are of another grid")


def _same(noted: Sequence[Any], extent: Extent) -> bool:
    return all(a == b or (a != a and b != b) for a, b in zip(noted, extent, strict=True))
