"""What do points cost in ClickHouse: charts of 10,000,000 points, sorting runs, room on disk, ingest?

At the store, over the engine that the tests use: ClickHouse itself, embedded behind tests/clickhouse_server.py, unless
a program `clickhouse` is installed. PostgreSQL is beside it, all on this machine. A series of 100,000 points and two of
10,000,000, with steps in order and shuffled, are drawn at 1,500 buckets; minimum and maximum of each bucket are held
against numpy's. Then points of other runs come in, and the same chart is drawn again. Values are float64 noise, which
no codec makes smaller.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from _common import Number, arguments, asked, leave, report

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from pyhectiqlab.store.clickhouse.levels_of_builds import Sizes
from pyhectiqlab.store.clickhouse.point_store import ClickHousePointStore
from pyhectiqlab.store.points import Column, PointBatch, Selector
from tests.clickhouse import server
from tests.postgres import cluster

BATCH_POINTS = 4096
AT_ONCE = 16  # batches of one insert
BUCKETS = 1500
REPEAT = 11
REACH_MS = 60
T0 = 1_700_000_000_000_000


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("--points", type=lambda text: int(float(text)), default=10_000_000)
    parser.add_argument("--others", type=lambda text: int(float(text)), default=30_000_000, help="points of other runs")
    parser.add_argument("--runs", type=int, default=10_000)
    args = parser.parse_args()
    database = server().make_database()
    # What is replaced goes at once, so that it is not counted as room of the points.
    store = ClickHousePointStore(server().url(database), cluster().url(cluster().make_database()), Sizes(grace_s=0.0))
    try:
        question = asked(__doc__, "10,000,000", f"{args.points:,}")
        report(question, list(numbers_of(store, database, args)), args.json)
    finally:
        store.close()


def numbers_of(store: ClickHousePointStore, database: str, args: object) -> Iterator[Number]:
    n, others, runs = args.points, args.others, args.runs  # type: ignore[attr-defined]

    def number(what: str, value: float, unit: str = "ms", reach: float | None = None) -> Number:
        print(".", end="", file=sys.stderr, flush=True)
        return Number(what, value, unit, reach)

    small, _ = fill(store, "small", np.arange(100_000))
    seconds, waits = fill(store, "in order", np.arange(n))
    yield number("an insert of 65,536 points, median", 1e3 * float(np.median(waits)))
    yield number("an insert of 65,536 points, longest", 1e3 * max(waits))
    yield number("ingest and building, one after the other", n / seconds, "points/s")
    tidied = time.perf_counter()
    tidy(store)
    yield number("points that are built, the last of them", time.perf_counter() - tidied, "s")
    yield number("room, pyramid and summaries included", room(database) / (n + len(small)), "bytes/point", 12)
    yield number("room of the pyramid and the summaries alone", room(database, "nodes", "summaries") / n, "bytes/point")
    fill(store, "shuffled", np.random.default_rng(1).permutation(n))
    tidy(store)
    yield number("room, shuffled steps as well", room(database) / (2 * n + len(small)), "bytes/point", 12)
    charts = {run: chart(store, run) for run in ("small", "in order", "shuffled")}
    yield number("chart of 100,000 points", charts["small"])
    for run in ("in order", "shuffled"):
        check(store, run, n)
        yield number(f"chart of {n:,} points, {run}", charts[run], reach=REACH_MS)
        yield number(f"  against 100,000 points, {run}", charts[run] / charts["small"], "times", 1.5)
        for share in (0.3, 0.03, 0.001):
            yield number(f"  zoom into {share:.1%}", chart(store, run, n // 3, n // 3 + int(n * share)), reach=REACH_MS)
        for axis in ("time", "relative"):
            yield number(
                f"  by {axis}", milliseconds(lambda run=run, axis=axis: draw(store, run, axis=axis)), reach=REACH_MS
            )
    yield number("100,000 raw points", milliseconds(lambda: store.points("in order", "loss", limit=100_000)))
    names = many_runs(store, runs)
    yield number(f"summaries of {runs:,} runs, new", milliseconds(lambda: store.summaries("acc", names)), reach=100)
    for part in range(0, others, 1_000_000):
        fill(store, f"other {part}", np.arange(min(1_000_000, others - part)))
    tidy(store)
    yield number(f"summaries of {runs:,} runs, built", milliseconds(lambda: store.summaries("acc", names)), reach=100)
    for run in ("in order", "shuffled"):
        after = chart(store, run)
        yield number(f"chart {run}, with {others:,} points of other runs", after, reach=REACH_MS)
        yield number("  against before", after / charts[run], "times", 1.3)


def fill(store: ClickHousePointStore, run: str, step: np.ndarray) -> tuple[np.ndarray, list[float]]:
    """(for the first series: its values, else seconds in all; seconds of each insert)."""
    value = values(run, len(step))
    when = T0 + np.cumsum(np.random.default_rng(2).integers(500, 1500, len(step)))
    seq = np.arange(1, len(step) + 1)
    waits = []
    began = time.perf_counter()
    for at in range(0, len(step), AT_ONCE * BATCH_POINTS):
        batches = []
        for first in range(at, min(len(step), at + AT_ONCE * BATCH_POINTS), BATCH_POINTS):
            part = slice(first, first + BATCH_POINTS)
            column = Column("loss", seq[part], step[part], value[part], when[part])
            last = first + len(column.seq)
            batches.append(PointBatch(run, 0, 1, f"writer of {run}", first + 1, last, [column]))
        started = time.perf_counter()
        store.append(batches)
        waits.append(time.perf_counter() - started)
        store.maintain(0.0)
    return value if run == "small" else time.perf_counter() - began, waits  # type: ignore[return-value]


def values(run: str, n: int) -> np.ndarray:
    return np.random.default_rng(len(run)).normal(size=n)


def tidy(store: ClickHousePointStore) -> None:
    while store.maintain():
        pass


def many_runs(store: ClickHousePointStore, n: int) -> Sequence[str]:
    names = [f"run {i}" for i in range(n)]
    at = np.arange(1, 4)
    for first in range(0, n, 1000):
        its = names[first : first + 1000]
        column = Column("acc", at, at, at * 0.5, T0 + at)
        store.append([PointBatch(run, 0, 1, f"writer of {run}", 1, 3, [column]) for run in its])
    return names


def room(database: str, *tables: str) -> int:
    """Bytes on disk."""
    among = f" AND table IN ({','.join(map(repr, tables))})" if tables else ""
    query = f"SELECT sum(bytes_on_disk) FROM system.parts WHERE active AND database = '{database}'{among}"
    return int(server().ask(query))


def draw(
    store: ClickHousePointStore, run: str, lo: int | None = None, hi: int | None = None, axis: str = "step"
) -> object:
    return store.buckets([Selector(run, "loss")], axis=axis, lo=lo, hi=hi, n=BUCKETS)  # type: ignore[arg-type]


def chart(store: ClickHousePointStore, run: str, lo: int | None = None, hi: int | None = None) -> float:
    return milliseconds(lambda: draw(store, run, lo, hi))


def check(store: ClickHousePointStore, run: str, n: int) -> None:
    (b,) = store.buckets([Selector(run, "loss")], n=BUCKETS)
    step = np.arange(n) if run == "in order" else np.random.default_rng(1).permutation(n)
    by_step = values(run, n)[np.argsort(step)]
    edges = np.arange(0, n, b.width)
    assert b.total == n
    assert (b.min == np.minimum.reduceat(by_step, edges)).all()
    assert (b.max == np.maximum.reduceat(by_step, edges)).all()


def milliseconds(work: object) -> float:
    """The median."""
    taken = []
    for _ in range(REPEAT):
        started = time.perf_counter()
        work()  # type: ignore[operator]
        taken.append(1e3 * (time.perf_counter() - started))
    return float(np.median(taken))


if __name__ == "__main__":
    main()
    leave()
