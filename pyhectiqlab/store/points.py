"""PointStore: the interface to the history of every metric. Implementations: `sqlite_points/`, `clickhouse/`.

Guarantees, for every implementation (tests/conformance holds them to it):

* `append` is idempotent by the store itself: a batch is applied whole or not at all, once, however often it is sent.
** When `append` has returned, its points are durable: they survive a power failure.
** The order of arrival (writer, seq) survives compaction. Steps may come late, repeated and backward; nothing is
dropped.
* NaN and ±Infinity are points like others: kept, counted, never part of min, max or mean.
* Readers never wait for the writer.

A series is (run, key, rank, attempt). `writer` names the stream that a point came by; several writers (forked workers
of one rank) may feed one series.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

Int64s = NDArray[np.int64]
Float64s = NDArray[np.float64]
Axis = Literal["step", "time", "relative"]
RANKS_MAX = 32  # lines of one key; nobody can tell more apart, and an answer must not grow with the cluster


@dataclass(frozen=True)
class Column:
    """Points of one series in one batch, all arrays of length n ≥ 1, in order of arrival."""

    key: str
    seq: Int64s  # absolute sequence numbers of the writer, strictly increasing
    step: Int64s
    value: Float64s
    time: Int64s  # µs since 1970 UTC


@dataclass(frozen=True)
class PointBatch:
    """One writer's batch. `columns` may be empty (a batch of events only still moves the cursor).

    `origin`: where the relative time of the attempt is 0, if a store knew that already (see Buckets); None: the batch
    itself says so, should it be the first of its attempt.
    """

    run: str
    rank: int
    attempt: int
    writer: str
    first: int
    last: int
    columns: Sequence[Column]
    origin: int | None = None


@dataclass(frozen=True)
class AppendResult:
    """`status`: "ok", "duplicate" (last ≤ cursor: nothing to do), "conflict" (first ≠ cursor + 1: nothing done) or
    "refused" (by a part of the store, as `why` says, while others took what was theirs: nothing is known of it now).
    `cursor`: the last sequence number of the writer that the store holds, after this call; of one that is refused, 0.
    """

    status: Literal["ok", "duplicate", "conflict", "refused"]
    cursor: int
    why: str = ""


@dataclass(frozen=True)
class SeriesInfo:
    """One series, or with rank=None / attempt=None the union over ranks / attempts of one key."""

    run: str
    key: str
    rank: int | None
    attempt: int | None
    count: int
    step_min: int
    step_max: int
    time_min: int
    time_max: int
    last_step: int  # of the point with the highest (attempt, step, seq)
    last_value: float
    last_time: int
    min: float  # over finite values; NaN where there is none
    max: float


class Summary(NamedTuple):
    """A key in a run.

    Attributes:
        points: how many there are.
        last, min, max: as in SeriesInfo.
        mean: of the finite values; NaN where there is none.
        first: the value of the point with the lowest (attempt, step, seq).
        nan: how many values are NaN.
        min_step, max_step: the lowest steps with these values. None: there is no finite value.
    """

    points: int
    last: float
    min: float
    max: float
    mean: float
    first: float
    nan: int
    min_step: int | None
    max_step: int | None


@dataclass(frozen=True)
class Points:
    """Raw points of one (run, key), arrays of length n, in order of arrival at the lab."""

    step: Int64s
    value: Float64s
    time: Int64s
    rank: Int64s
    attempt: Int64s
    seq: Int64s
    cursor: str  # pass as `after` to go on behind the last point of these


@dataclass(frozen=True)
class Selector:
    """Which points of a key are drawn as one line, or as one for each rank.

    `rank`: one of them; None: all pooled into one series of buckets, in which min, mean and max are over the ranks;
    "each": a series for each rank, of the RANKS_MAX lowest ones.
    `attempt`: its points alone, none of them hidden; None: as the query's `attempts` says.
    """

    run: str
    key: str
    rank: int | Literal["each"] | None = None
    attempt: int | None = None


@dataclass(frozen=True)
class Smoothing:
    """How a line is smoothed: see series/smoothing.py. `width` ≥ 1, in units of the axis (steps, or µs)."""

    kind: Literal["exponential", "gaussian", "mean", "median"]
    width: int


@dataclass(frozen=True)
class Buckets:
    """A series seen at a screen's resolution: one row for each non-empty bucket, arrays of length m ≤ about n.

    `selector`: the one asked for; of "each" rank, with the rank of these points.
    `start` is the left edge of each bucket in units of the axis (steps, or µs), on a fixed grid: a multiple of `width`,
    which is a power of two, so that ranks, runs and pans agree. `min`/`max`/`mean` are over the finite values of
    exactly the points in the bucket (NaN where there is none); `last` is the value of the point with the highest
    (attempt, step, seq), and of the newest batch where all these are equal; `last_x` is its place on the axis and
    `last_step` its step; counts are per bucket. Relative time is measured, for each attempt, from one moment for all
    its keys and ranks: the least time in the first batch of the attempt to arrive. It is fixed from then on, so that x
    never moves; a point with an earlier clock that came later lies left of 0.
    `smoothed`, where it was asked for: the smoothed line at each `last_x`. It depends on x alone, not on lo, hi or n.
    `smooth_cell`: 1 where it was computed over every point, else the width of the cells that it was computed over.
    """

    selector: Selector
    width: int
    start: Int64s
    count: Int64s
    min: Float64s
    max: Float64s
    mean: Float64s
    last: Float64s
    last_x: Int64s
    last_step: Int64s
    nan: Int64s
    pinf: Int64s
    ninf: Int64s
    total: int  # points in the range, hidden ones not counted
    ranks: int  # how many have points that the selector means, also those beyond RANKS_MAX
    smoothed: Float64s | None = None
    smooth_cell: int | None = None


class WorkLeft(NamedTuple):
    """What `maintain` has to do: how many points are not compacted yet, and how many are of deleted runs."""

    to_compact: int
    to_remove: int


class PointStore(Protocol):
    """Attributes:
    before_forgetting: called before the store forgets of some batches whether they were points alone (see `reach`):
        whoever relies on that has to have noted how far these reach. What it raises ends the work that it was called
        in, which forgets nothing then.
    wants_few_inserts: whether many small calls of `append` cost it more than one large call a second.
    """

    before_forgetting: Callable[[], None]
    wants_few_inserts: bool

    def append(self, batches: Sequence[PointBatch]) -> list[AppendResult]:
        """Apply the batches in one durable transaction; one result a batch.

        Raises StoreError (disk full, I/O) or ValueError (empty or unequal columns, times beyond ±2^62 µs, first < 1 or
        first > last); then no batch was applied. Points of a deleted run are kept, but hidden, for now.
        """

    def cursor(self, writer: str) -> int:
        """Return the last sequence number held of this writer; 0 for an unknown one."""

    def cursors(self, writers: Sequence[str]) -> dict[str, int]:
        """The same of many writers, without unknown ones."""

    def late_writers(self) -> list[str]:
        """Return the writers of batches that were appended lately: those for which `reach` may have an answer."""

    def reach(self, cursors: Mapping[str, int]) -> dict[str, int]:
        """Return how far each of these writers reaches behind its cursor, by batches that were appended lately, whole,
        one behind the other, and of points alone: each of their numbers is a point. Writers that reach no further are
        left out.
        """

    def keys(self, run: str, query: str = "", after: str = "", limit: int = 1000) -> list[SeriesInfo]:
        """Return the keys of a run, pooled over ranks and attempts, sorted: those > `after` that contain `query`, as
        written.
        """

    def series(self, run: str, key: str) -> list[SeriesInfo]:
        """Return every (rank, attempt) of one key."""

    def origins(self, run: str, after: int = 0, limit: int = 1000) -> dict[int, int]:
        """Return where the relative time of each attempt is 0, in µs since 1970 UTC; attempts > `after`, in ascending
        order.
        """

    def last(
        self, runs: Sequence[str], keys: Sequence[str] | None = None, limit_per_run: int = 8
    ) -> dict[str, list[SeriesInfo]]:
        """Return pooled infos of the given keys (or of the first `limit_per_run` keys) of each run, for a table of
        runs.

        Every run of `runs` has an entry; keys that it lacks are left out.
        """

    def summaries(self, key: str, runs: Sequence[str]) -> dict[str, Summary]:
        """Return the summaries of the runs that have the key, each pooled over ranks and attempts. Made for ten
        thousand runs at once.

        It may miss the newest points that another thread appends meanwhile; the next call has them.
        """

    def smoothed(self, key: str, smoothing: Smoothing, runs: Sequence[str], axis: Axis = "step") -> Mapping[str, float]:
        """Return where the smoothed line of each of the runs ends that has the key: the value of `iter_buckets` for all
        ranks at the line's last place (grid.last_place). NaN: no finite point is near. Made for ten thousand runs at
        once; it keeps what it computed. It may miss the newest points, as `summaries` may.

        Raises SlowSearchError where that takes more than some seconds: ask again then, which goes on from there.
        """

    def rank_summaries(self, key: str, runs: Sequence[str]) -> dict[tuple[str, int], Summary]:
        """Return the summaries of each (run, rank) that has the key, pooled over attempts; else as `summaries`."""

    def rank_smoothed(
        self, key: str, smoothing: Smoothing, runs: Sequence[str], axis: Axis = "step"
    ) -> Mapping[tuple[str, int], float]:
        """Return where the smoothed line of each (run, rank) ends that has the key; else as `smoothed`."""

    def with_nan(self, runs: Sequence[str]) -> set[str]:
        """Return those of the runs that have NaN among the values of any metric."""

    def key_counts(self, runs: Sequence[str], words: str = "") -> Counter[str]:
        """Return how many of the runs have which key: keys that contain `words`, in any case of the letters. For the
        picker of a table's columns: it reads every key of these runs, so pass some hundred of them.
        """

    def points(
        self,
        run: str,
        key: str,
        rank: int | None = None,
        attempt: int | None = None,
        after: str = "",
        limit: int = 100_000,
    ) -> Points:
        """Return raw points in order of arrival. For the next page, pass `after=points.cursor`; an empty answer is the
        end.

        Raises ValueError for an `after` that did not come from this method.
        """

    def of_writer(self, run: str, writer: str, rank: int, attempt: int) -> Iterator[Column]:
        """Yield all points that came by one writer, a key at a time, in order of their sequence numbers. Takes the
        memory of one key's points. Yields nothing for a deleted run.
        """

    def batches_of(self, runs: Sequence[str]) -> Iterator[PointBatch]:
        """Yield the batches by which the points of these runs came, as far as they had points: those of a run in order
        of arrival, those of several in any. `first` follows the writer's batch before, whatever it had begun with.
        Another store to which they are all appended answers as this one does.

        Takes the memory of some hundred thousand points; of all points of a run, where its steps came in a random
        order. What is appended meanwhile may be missing. Yields nothing of a deleted run.
        """

    def iter_buckets(
        self,
        selectors: Iterable[Selector],
        axis: Axis = "step",
        lo: int | None = None,
        hi: int | None = None,
        n: int = 1500,
        attempts: Literal["newest", "all"] = "newest",
        most: int | None = None,
        smoothing: Smoothing | None = None,
    ) -> Iterator[Buckets]:
        """Yield one Buckets for each selector, in order; without rows for an unknown or deleted run, key, rank or
        attempt. For the rank "each", yield one for each rank, in order of their numbers, and none where there is no
        rank.

        `lo`/`hi`: inclusive, in units of the axis; None: the selector's own ends. Points outside lo…hi count in no
        bucket, even if the outermost buckets reach beyond. `n` ≥ 1: at most so many buckets (two for n = 1: 0 is an
        edge on every grid) between the ends of all selectors of one key, which share one grid, so that runs, ranks and
        attempts over each other agree; the width is the finest power of two that keeps to it.

        attempts="newest": a point is hidden when a newer attempt of the same (key, rank) has its own first step at or
        below that point's step: a job restarted from a checkpoint repeats steps, and the newest points of these are
        shown. The first step is the lowest one, whenever it came. On every axis, the step decides what is hidden.

        most: at most about so many buckets in the whole answer, however many lines it has. Their grids are then
        coarser, as `width` says. Each Buckets is made when it is asked for.

        smoothing: also answer `smoothed`, over all points of the line that are not hidden, those outside lo…hi too.
        """

    def buckets(self, selectors: Iterable[Selector], *query: Any, **more: Any) -> list[Buckets]:
        """Return the Buckets of `iter_buckets` as a list."""

    def delete(self, run: str) -> None:
        """Hide the run's points at once (a tombstone); `maintain` removes them later.

        The caller refuses late batches for it. Safe twice, and for an unknown run.
        """

    def undelete(self, run: str) -> None:
        """Remove the tombstone: points that were not removed yet are shown again."""

    def maintain(self, seconds_max: float = 0.1, saving: bool = False) -> bool:
        """Do some of the store's own work, within a budget: work that makes answers faster, and the removal of deleted
        points. Return whether there is more. No answer changes. Call it in the thread that calls `append`. It takes at
        least one step, whatever the budget. `saving`: the disk is full, so only remove, and give back all room.
        """

    def work_left(self) -> WorkLeft:
        """Return how much `maintain` has to do, for those who watch the lab. May block for some milliseconds."""

    def damage(self) -> Sequence[str]:
        """Return what the store could not read, as far as it has noticed by itself: a sentence each, which says what to
        do.
        """

    def close(self) -> None:
        """Close the files. Later calls raise StoreError. Safe twice."""


def iter_points(store: PointStore, run: str, key: str, **kw: object) -> Iterator[Points]:
    """Yield all raw points of a key, page by page, in order of arrival."""
    after = ""
    while True:
        page = store.points(run, key, after=after, **kw)  # type: ignore[arg-type]
        if not len(page.step):
            return
        yield page
        after = page.cursor
