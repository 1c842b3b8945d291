"""Batches made again: those by which points came, of points that are stored in another order. No I/O."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby
from operator import itemgetter
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..points import Column, PointBatch

POINT = np.dtype(
    [
        ("arrival", "<i8"),  # number of the batch that brought it
        ("seq", "<i8"),
        ("step", "<i8"),
        ("value", "<f8"),
        ("time", "<i8"),
        ("place", "<i8"),  # which of some places, see `Rebuilding.batches`
        ("writer", "<i8"),
    ]
)
POINTS_AT_ONCE = 200_000  # points that are read for some batches, about


class Place(NamedTuple):
    """A series. `origin`: where the relative time of its attempt is 0."""

    run: str
    key: str
    rank: int
    attempt: int
    origin: int


class Rebuilding:
    """Makes batches, and remembers where the last batch of each writer ended."""

    def __init__(self) -> None:
        self._last: dict[int, int] = {}

    def batches(
        self, points: NDArray[Any], places: Sequence[Place], writers: Mapping[int, str]
    ) -> Iterator[PointBatch]:
        """Yield the batches that brought these points, in order of arrival, their columns in that of `places`.

        Args:
            points: POINT rows in any order, with all points of each arrival. Later calls have later arrivals.
            writers: number of a writer → its name.
        """
        if not len(points):
            return
        order = np.lexsort((points["seq"], points["place"], points["arrival"]))
        arrival, place, writer = (points[name][order] for name in ("arrival", "place", "writer"))
        seq, step, value, time = (points[name][order] for name in ("seq", "step", "value", "time"))
        starts = np.flatnonzero(np.diff(arrival, prepend=-1) | np.diff(place, prepend=-1))
        ends = np.append(starts[1:], len(arrival))
        rows = [a.tolist() for a in (starts, ends, arrival[starts], place[starts], writer[starts])]
        for _, of_batch in groupby(zip(*rows, strict=True), key=itemgetter(2)):
            its = list(of_batch)
            columns = []
            for start, end, _, number, _ in its:
                part = slice(start, end)
                columns.append(Column(places[number].key, seq[part], step[part], value[part], time[part]))
            *_, its_place, its_writer = its[0]
            yield self._batch(columns, places[its_place], its_writer, writers[its_writer])

    def _batch(self, columns: Sequence[Column], place: Place, writer: int, name: str) -> PointBatch:
        first = self._last.get(writer, 0) + 1
        last = max(int(column.seq[-1]) for column in columns)
        self._last[writer] = last
        return PointBatch(place.run, place.rank, place.attempt, name, first, last, columns, place.origin)
