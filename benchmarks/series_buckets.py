"""How long does the lab take for a chart of a series of 10,000,000 points?

At the store, in-process: points go in by batches of 4,096, compacted in between as the lab does in its spare time; then
the series is drawn at 1,500 buckets on every axis, whole and zoomed, with steps in order and shuffled, and smoothed by
step. Minimum and maximum of every bucket are held against numpy's.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
from _common import Number, arguments, asked, report

from pyhectiqlab.store.points import Axis, Column, PointBatch, Selector, Smoothing
from pyhectiqlab.store.sqlite_points.point_store import SqlitePointStore

BATCH_POINTS = 4096
BUCKETS = 1500
REPEAT = 9
REACH_MS = 50
SMOOTHED_MS = 100
AXES: tuple[Axis, ...] = ("step", "time", "relative")
KINDS = ("exponential", "gaussian", "mean", "median")
SELECTOR = Selector("run", "loss")


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("--points", type=lambda text: int(float(text)), default=10_000_000)
    parser.add_argument("--uncompacted", action="store_true", help="draw from the unsorted head, too (slow)")
    args = parser.parse_args()
    numbers = [
        *(n for order in ("in order", "shuffled") for n in long_series(order, args.points, args.uncompacted)),
        *tiny_appends(),
        *wide_runs(),
    ]
    report(asked(__doc__, "10,000,000", f"{args.points:,}"), numbers, args.json)


def long_series(order: str, n: int, uncompacted: bool) -> list[Number]:
    rng = np.random.default_rng(0)
    step = np.arange(n) if order == "in order" else rng.permutation(n)
    value = rng.normal(size=n)
    when = 1_700_000_000_000_000 + np.cumsum(rng.integers(500, 1500, n))
    numbers = []

    def add(what: str, value: float, unit: str = "ms", reach: float | None = None) -> None:
        numbers.append(Number(f"{order}: {what}", value, unit, reach))
        print(".", end="", file=sys.stderr, flush=True)

    if uncompacted:
        with tempfile.TemporaryDirectory() as folder:
            store = SqlitePointStore.open(Path(folder) / "points.db")
            add("ingest alone", n / fill(store, step, value, when, compacting=False)[0], "points/s")
            add("by step, nothing compacted", milliseconds(lambda: check(store, step, value), repeat=1))
            store.close()
    with tempfile.TemporaryDirectory() as folder:
        store = SqlitePointStore.open(Path(folder) / "points.db")
        seconds, waits = fill(store, step, value, when, compacting=True)
        started = time.perf_counter()
        while compact_step(store, waits):
            pass
        add("ingest and all compaction, one after the other", n / (seconds + time.perf_counter() - started), "points/s")
        add("a step of compaction, median", 1e3 * statistics.median(waits))
        add("a step of compaction, longest", 1e3 * max(waits))
        check(store, step, value)
        for axis in AXES:
            add(f"by {axis}", draw(store, axis), reach=REACH_MS)
        for share in (0.3, 0.1, 0.03, 0.01, 0.001):
            lo, span = n // 3, int(n * share)
            add(f"by step, zoom into {share:.1%}", draw(store, "step", lo, lo + span), reach=REACH_MS)
            first, width = int(when[n // 3]), int((when[-1] - when[0]) * share)
            add(f"by time, zoom into {share:.1%}", draw(store, "time", first, first + width), reach=REACH_MS)
        for kind in KINDS:
            for part in (100_000, 1000, 10):
                asked = Smoothing(kind, max(1, n // part))
                took = milliseconds(partial(store.buckets, [SELECTOR], n=BUCKETS, smoothing=asked))
                add(f"by step, {kind}, 1/{part:,} wide", took, reach=SMOOTHED_MS)
        add("100,000 raw points", milliseconds(lambda: store.points("run", "loss", limit=100_000)))
        store.close()
        add("disk", sum(f.stat().st_size for f in Path(folder).iterdir()) / n, "bytes/point")
    return numbers


def fill(
    store: SqlitePointStore, step: np.ndarray, value: np.ndarray, when: np.ndarray, compacting: bool
) -> tuple[float, list[float]]:
    """(seconds in all, seconds of each step of compaction)."""
    seq = np.arange(1, len(step) + 1)
    waits: list[float] = []
    started = time.perf_counter()
    for at in range(0, len(step), BATCH_POINTS):
        part = slice(at, at + BATCH_POINTS)
        column = Column("loss", seq[part], step[part], value[part], when[part])
        last = at + len(column.seq)
        store.append([PointBatch("run", 0, 1, "writer", at + 1, last, [column])])
        if compacting and at // BATCH_POINTS % 4 == 0:
            compact_step(store, waits)
    return time.perf_counter() - started, waits


def compact_step(store: SqlitePointStore, waits: list[float]) -> bool:
    started = time.perf_counter()
    more = store.compact(0.0)
    waits.append(time.perf_counter() - started)
    return more


def draw(store: SqlitePointStore, axis: Axis, lo: int | None = None, hi: int | None = None) -> float:
    return milliseconds(lambda: store.buckets([SELECTOR], axis=axis, lo=lo, hi=hi, n=BUCKETS))


def check(store: SqlitePointStore, step: np.ndarray, value: np.ndarray) -> None:
    (b,) = store.buckets([SELECTOR], n=BUCKETS)
    by_step = value[np.argsort(step)]
    edges = np.arange(0, len(step), b.width)
    assert b.total == len(step)
    assert (b.min == np.minimum.reduceat(by_step, edges)).all()
    assert (b.max == np.maximum.reduceat(by_step, edges)).all()


def tiny_appends() -> list[Number]:
    """300 writers with three points each in one transaction."""
    with tempfile.TemporaryDirectory() as folder:
        store = SqlitePointStore.open(Path(folder) / "points.db")
        taken = []
        for at in range(1, 100, 3):
            seq = np.arange(at, at + 3)
            column = Column("loss", seq, seq, seq * 0.5, seq)
            batches = [PointBatch("run", rank, 1, f"writer {rank}", at, at + 2, [column]) for rank in range(300)]
            taken.append(milliseconds(lambda batches=batches: store.append(batches), repeat=1))  # type: ignore[misc]
        pooled = milliseconds(lambda: store.buckets([SELECTOR]))
        store.close()
    return [
        Number("append of 300 writers × 3 points", statistics.median(taken), "ms"),
        Number("by step, those 300 ranks pooled", pooled, "ms"),
    ]


def wide_runs() -> list[Number]:
    """A run of 100,000 keys, and a table of 100 runs."""
    with tempfile.TemporaryDirectory() as folder:
        store = SqlitePointStore.open(Path(folder) / "points.db")
        one = np.ones(1, np.int64)
        names = [f"layer/{i:06d}/norm" for i in range(100_000)]
        columns = [Column(name, one * i, one, one * 0.5, one) for i, name in enumerate(names, 1)]
        store.append([PointBatch("wide", 0, 1, "wide", 1, len(names), columns)])
        runs = [f"run {i}" for i in range(100)]
        store.append([PointBatch(run, 0, 1, run, 1, 8, columns[:8]) for run in runs])
        calls: dict[str, Callable[[], object]] = {
            "1,000 keys in the middle of 100,000": lambda: store.keys("wide", after=names[50_000]),
            "search in 100,000 keys": lambda: store.keys("wide", query="99999"),
            "last of 100 runs × 8 keys": lambda: store.last(runs),
            "last of 100 runs × 8 given keys": lambda: store.last(runs, names[:8]),
        }
        numbers = [Number(what, milliseconds(call), "ms") for what, call in calls.items()]
        store.close()
    return numbers


def milliseconds(call: Callable[[], object], repeat: int = REPEAT) -> float:
    taken = []
    for _ in range(repeat):
        started = time.perf_counter()
        call()
        taken.append(time.perf_counter() - started)
    return 1e3 * statistics.median(taken)


if __name__ == "__main__":
    main()
