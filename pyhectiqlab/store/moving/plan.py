"""The batches by which the points of a run come to another store: each key's points in the order in which they arrived,
each writer's numbers in order, and each attempt's time beginning where it began. No I/O.

A store tells which points a writer sent, and in which order those of a key arrived. Batches that are in keeping with
both exist, as the lab took such batches once. They are found greedily: a writer goes on up to the first of its points
that some key had behind a point of another writer.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from ..points import Column, Int64s, PointBatch

POINTS_AT_ONCE = 200_000  # of a batch, about


@dataclass(frozen=True)
class Writer:
    name: str
    rank: int
    attempt: int


@dataclass
class _Key:
    """What of a key is still to come: stretches of points of one writer each, in order of arrival: writer, the number
    of the first.
    """

    stretches: deque[tuple[int, int]] = field(default_factory=deque)


class PlanError(ValueError):
    """The points are in no order in which batches can have come."""


def owners(writers: Sequence[Writer], parts: Mapping[int, Column], arrived: Arrived) -> Int64s:
    """Return for each point of a key, in order of arrival, which writer it is of.

    Args:
        parts: writer → its points of the key.
    """
    result = np.full(len(arrived.seq), -1, np.int64)
    for rank, attempt in {(writers[w].rank, writers[w].attempt) for w in parts}:
        at = np.flatnonzero((arrived.rank == rank) & (arrived.attempt == attempt))
        mine = [w for w in parts if (writers[w].rank, writers[w].attempt) == (rank, attempt)]
        if len(mine) == 1:
            result[at] = mine[0]
            continue
        # Forks of one process, which count for themselves: a point is of the writer whose next one it is.
        heads = dict.fromkeys(mine, 0)
        for i in at:
            point = (arrived.seq[i], arrived.step[i], arrived.time[i], arrived.value[i].tobytes())
            for w in mine:
                column, n = parts[w], heads[w]
                if n < len(column.seq) and point == (
                    column.seq[n],
                    column.step[n],
                    column.time[n],
                    column.value[n].tobytes(),
                ):
                    result[i] = w
                    heads[w] += 1
                    break
    if (result < 0).any():
        raise PlanError("points are of no writer")
    return result


@dataclass(frozen=True)
class Arrived:
    """Points of a key in order of arrival."""

    seq: Int64s
    step: Int64s
    time: Int64s
    value: np.ndarray[tuple[int], np.dtype[np.float64]]
    rank: Int64s
    attempt: Int64s


class Plan:
    """Batches of one run.

    Args:
        columns: writer → key → its points, in order of their numbers.
        owned: key → for each point, in order of arrival, its writer.
        arrived: key → its points.
        origins: attempt → where its relative time is 0.
    """

    def __init__(
        self,
        run: str,
        writers: Sequence[Writer],
        columns: Sequence[Mapping[str, Column]],
        owned: Mapping[str, Int64s],
        arrived: Mapping[str, Arrived],
        origins: Mapping[int, int],
    ) -> None:
        self._run, self._writers, self._columns = run, writers, columns
        self._keys: dict[str, _Key] = {}
        for key, owner in owned.items():
            starts = np.flatnonzero(np.diff(owner, prepend=-1))
            numbers = arrived[key].seq[starts]
            self._keys[key] = _Key(deque(zip(owner[starts].tolist(), numbers.tolist(), strict=True)))
        self._origins = dict(origins)
        self._begun: set[int] = set()
        self._at = [0] * len(writers)
        self._last = [max((int(c.seq[-1]) for c in mine.values()), default=0) for mine in columns]
        self._numbers = [np.sort(np.concatenate([c.seq for c in m.values()])) if m else np.empty(0) for m in columns]

    def batches(self) -> Iterator[PointBatch]:
        """Yield them. Raises PlanError where the points fit no order."""
        while left := [w for w in range(len(self._writers)) if self._at[w] < self._last[w]]:
            reaches = {w: self._reach(w) for w in left}
            best = max(left, key=lambda w: (self._begins(w, reaches[w]), self._ready(w, reaches[w])))
            reach = reaches[best]
            if not self._ready(best, reach):
                raise PlanError("points arrived in an order in which no batches come")
            first_of_attempt = self._first_of_attempt(best, reach)
            yield self._batch(best, first_of_attempt or self._bounded(best, reach))

    def _ready(self, w: int, reach: int) -> int:
        """Return how many points of the writer come up to there."""
        numbers = self._numbers[w]
        return int(np.searchsorted(numbers, reach, "right") - np.searchsorted(numbers, self._at[w], "right"))

    def _reach(self, w: int) -> int:
        """Return up to which number the writer can go on: no key has a point of another writer before those."""
        reach = self._last[w]
        for key in self._columns[w]:
            stretches = self._keys[key].stretches
            for n, (owner, first) in enumerate(stretches):
                if owner == w and n > 0:
                    reach = min(reach, first - 1)
                    break
        return reach

    def _begins(self, w: int, reach: int) -> bool:
        """Return whether it is to be the first of its attempt: it has the point at which the attempt's time is 0."""
        attempt = self._writers[w].attempt
        if attempt in self._begun or attempt not in self._origins:
            return False
        return self._first_of_attempt(w, reach) is not None

    def _first_of_attempt(self, w: int, reach: int) -> int | None:
        """Return where a first batch of the attempt ends, so that its least time is the attempt's origin."""
        attempt = self._writers[w].attempt
        if attempt in self._begun:
            return None
        origin = self._origins.get(attempt)
        ends = []
        for column in self._columns[w].values():
            at = np.flatnonzero(column.time == origin)
            if len(at):
                ends.append(int(column.seq[at[0]]))
        end = min(ends, default=None)
        if end is None or end > reach:
            return None
        least = [
            int(c.time[: np.searchsorted(c.seq, end, "right")].min(initial=1 << 62)) for c in self._columns[w].values()
        ]
        return end if min(least) == origin else None

    def _bounded(self, w: int, reach: int) -> int:
        numbers = self._numbers[w]
        start = np.searchsorted(numbers, self._at[w], "right")
        if start + POINTS_AT_ONCE < len(numbers):
            reach = min(reach, int(numbers[start + POINTS_AT_ONCE]))
        return reach

    def _batch(self, w: int, last: int) -> PointBatch:
        writer, first = self._writers[w], self._at[w] + 1
        columns = []
        for key, column in self._columns[w].items():
            lo, hi = np.searchsorted(column.seq, [first, last + 1])
            if lo == hi:
                continue
            columns.append(Column(key, column.seq[lo:hi], column.step[lo:hi], column.value[lo:hi], column.time[lo:hi]))
            stretches = self._keys[key].stretches
            owner, _ = stretches[0]
            if owner != w:
                raise PlanError("points arrived in an order in which no batches come")
            end = self._end_of_stretch(key, w)
            stretches.popleft()
            if hi < end:
                stretches.appendleft((w, int(column.seq[hi])))
        self._at[w] = last
        self._begun.add(writer.attempt)
        return PointBatch(self._run, writer.rank, writer.attempt, writer.name, first, last, columns)

    def _end_of_stretch(self, key: str, w: int) -> int:
        """Return behind which of the writer's points of the key its first stretch ends."""
        stretches = iter(self._keys[key].stretches)
        next(stretches)
        column = self._columns[w][key]
        following = next((first for owner, first in stretches if owner == w), None)
        return len(column.seq) if following is None else int(np.searchsorted(column.seq, following))
