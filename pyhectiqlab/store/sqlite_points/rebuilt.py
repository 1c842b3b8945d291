"""Batches made again of the points of a run: those in chunks, in the head, and the recent ones."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..pauses import may_pause
from ..points import PointBatch
from ..series.batches import POINT, POINTS_AT_ONCE, Place, Rebuilding
from . import queries
from .damage import columns_of
from .queries import Reading
from .trees import BY_STEP, BY_TIME

_NAMES = tuple(name for name in POINT.names or () if name != "place")
_ROWS = """SELECT s.key, s.rank, s.attempt, s.id, b.id, {arrival} FROM run r CROSS JOIN series s ON s.run = r.id
    CROSS JOIN {table} b ON b.series = s.id WHERE r.name = ? AND NOT r.deleted AND {condition}"""
# As queries.tree_of: every point once. Time is nearly the order of arrival, also where step is not.
_EACH = f"CASE WHEN s.scattered THEN b.tree = {BY_TIME} OR NOT b.copied ELSE b.tree = {BY_STEP} END"
_CHUNKS = _ROWS.format(table="chunk", arrival="b.arrival_min", condition=_EACH)
_HEADS = _ROWS.format(table="head", arrival="b.arrival", condition="TRUE")


class _Block(NamedTuple):
    """Points of a series that lie together. `read`: its columns _NAMES."""

    arrival_min: int
    place: int
    read: Callable[[], Sequence[NDArray[Any]]]


def batches_of(reading: Reading, run: str, rebuilding: Rebuilding) -> Iterator[PointBatch]:
    """Yield the batches by which the points of a run came: see PointStore."""
    places, blocks = _blocks(reading, run)
    names: dict[int, str] = {}
    left = np.empty(0, POINT)
    at = 0
    at_once = POINTS_AT_ONCE
    while at < len(blocks) or len(left):
        parts, size = [left], len(left)
        while at < len(blocks) and size < at_once:
            parts.append(_points(blocks[at]))
            size += len(parts[-1])
            at += 1
            may_pause()
        points = np.concatenate(parts)
        whole = points["arrival"] < blocks[at].arrival_min if at < len(blocks) else np.ones(len(points), bool)
        points, left = points[whole], points[~whole]
        at_once = max(POINTS_AT_ONCE, 2 * len(left))  # more each time, in case the points lie in no order at all
        _name(reading, names, points["writer"])
        yield from rebuilding.batches(points, places, names)


def _blocks(reading: Reading, run: str) -> tuple[list[Place], list[_Block]]:
    """Return the series of a run, and where their points lie, in order of arrival."""
    read = reading.connection.execute
    rows = [(*row, "chunk_data") for row in read(_CHUNKS, (run,))] + [(*row, "head") for row in read(_HEADS, (run,))]
    recent = [] if reading.is_hidden(run) else list(reading.recent.runs.get(run, {}).items())
    its = {row[:3] for row in rows} | {(key, *place) for key, blocks in recent for place in blocks}
    origins = queries.origins_of(reading.connection, run)
    places = [Place(run, key, rank, attempt, origins[attempt]) for key, rank, attempt in sorted(its)]
    numbers = {(place.key, place.rank, place.attempt): i for i, place in enumerate(places)}
    result = []
    for *place, series, row_id, arrival, table in rows:
        columns = partial(_stored, reading, series, table, row_id)
        result.append(_Block(arrival, numbers[tuple(place)], columns))
    for key, of_places in recent:
        for its_place, its_blocks in of_places.items():
            number = numbers[(key, *its_place)]
            result += [_Block(block.first_arrival, number, partial(block.some, _NAMES)) for block in its_blocks]
    result.sort(key=lambda block: block.arrival_min)
    return places, result


def _stored(reading: Reading, series: int, table: str, row_id: int) -> list[NDArray[Any]]:
    row = reading.connection.execute(f"SELECT data FROM {table} WHERE id = ?", (row_id,)).fetchone()
    return columns_of(reading.connection, series, row and row[0], _NAMES)


def _points(block: _Block) -> NDArray[Any]:
    columns = block.read()
    points = np.empty(len(columns[0]), POINT)
    points["place"] = block.place
    for name, column in zip(_NAMES, columns, strict=True):
        points[name] = column
    return points


def _name(reading: Reading, names: dict[int, str], writers: NDArray[np.int64]) -> None:
    """Look up the names of these writers, and add those that `names` lacks."""
    for number in np.unique(writers).tolist():
        if number not in names:
            (names[number],) = reading.connection.execute("SELECT name FROM writer WHERE id = ?", (number,)).fetchone()
