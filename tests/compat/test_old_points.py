"""A points.db of an earlier schema becomes a current one, with what it held.

points-1.sql is the dump of one that schema 1 wrote, compacted with SIZES: of the run "run" the keys early, late and
shuffled (which has a tree by time) in attempt 1, and late in attempt 2; a point each millisecond from START on.

points-2.sql is the dump of one of schema 2, in the middle of a merge: of the run "run" the keys grow and shuffled in
attempt 1, written by "w", and grow in attempt 2, by "again", still in the head. Values are those of `wave`.
points-3.sql.xz and points-4.sql.xz hold alike what schemas 3 and 4 wrote; of schema 4 in part as batches that arrived.
"""

from __future__ import annotations

import lzma
import sqlite3
from pathlib import Path

import numpy as np
import pytest

from pyhectiqlab.store.points import PointBatch, Selector
from pyhectiqlab.store.sqlite_points.point_store import SqlitePointStore
from pyhectiqlab.store.sqlite_points.trees import Sizes
from pyhectiqlab.testing.memory_points import MemoryPointStore

from ..conformance.point_store_same import assert_same_buckets, assert_same_infos

HERE = Path(__file__).parent
T0 = 1_700_000_000_000_000
START = {"early": 0, "late": 5_000_000, "shuffled": 2_000_000}  # µs after T0
COUNT = {"early": 300, "late": 300, "shuffled": 400}
SIZES = Sizes(
    chunk_points=32,
    chunk_nodes=8,
    node_points=16,
    head_points=64,
    head_rows=4,
    step_points=256,
    fan_in=2,
    scattered_chunks=4,
    cold_s=0.0,
)
LACKING = "SELECT count(*) FROM chunk c JOIN series s ON s.id = c.series WHERE relative_shift IS NULL AND n > 16"


@pytest.fixture
def old(tmp_path: Path) -> Path:
    return opened(tmp_path, "points-1.sql")


def opened(folder: Path, dump: str) -> Path:
    path = folder / "points.db"
    conn = sqlite3.connect(path)
    content = (HERE / dump).read_bytes()
    conn.executescript((lzma.decompress(content) if dump.endswith(".xz") else content).decode())
    conn.close()
    return path


def one(path: Path, sql: str) -> int:
    conn = sqlite3.connect(path)
    (value,) = conn.execute(sql).fetchone()
    conn.close()
    return int(value)


def test_relative_time_of_an_older_lab_begins_at_one_moment_before_and_after_compaction(old: Path) -> None:
    assert one(old, "SELECT count(DISTINCT origin) FROM series") == 4  # each key had a zero of its own
    store = SqlitePointStore(old, SIZES)
    for compacted in (False, True):
        assert store.origins("run") == {1: T0, 2: T0 + 90_000_000}
        for key, start in START.items():
            for n in (1, 7, 10_000):
                (b,) = store.buckets([Selector("run", key, attempt=1)], axis="relative", n=n)
                last = start + 1000 * (COUNT[key] - 1)
                assert (b.total, b.start[0] // b.width) == (COUNT[key], start // b.width), (key, n, compacted)
                assert b.last_x.max() <= last < b.start[-1] + b.width
            (part,) = store.buckets([Selector("run", key, attempt=1)], "relative", start + 1000, start + 99_000)
            assert part.total == 99
        (again,) = store.buckets([Selector("run", "late", attempt=2)], axis="relative")
        assert (int(again.start[0]), again.total) == (0, 30)
        while store.compact():
            pass
    store.close()
    assert one(old, f"{LACKING} AND c.tree = s.scattered AND NOT pending") == 0  # its nodes were made again
    SqlitePointStore(old, SIZES).close()  # a second start migrates nothing
    assert one(old, "PRAGMA user_version") == 6


def test_a_compacted_older_points_db_has_the_shape_of_a_fresh_one(old: Path, tmp_path: Path) -> None:
    shapes = []
    for path in (old, tmp_path / "fresh.db"):
        store = SqlitePointStore(path, SIZES)
        while store.compact():
            pass
        store.close()
        conn = sqlite3.connect(path)
        rows = conn.execute("SELECT name FROM sqlite_master WHERE name NOT LIKE 'sqlite_%' ORDER BY name").fetchall()
        shapes.append({name: conn.execute(f"PRAGMA table_info({name})").fetchall() for (name,) in rows})
        conn.close()
    assert shapes[0] == shapes[1]


def wave(key: str, step: np.ndarray) -> np.ndarray:
    """Return the values of points-2.sql."""
    value = {"grow": 1, "shuffled": 2}[key] * np.sin(step * 0.1)
    value[step % 17 == 3] = np.nan
    value[step % 29 == 5] = np.inf
    return value


@pytest.mark.parametrize("schema", [2, 3, 4])
def test_an_older_lab_answers_alike_before_while_and_after_its_chunks_are_written_anew(
    tmp_path: Path, schema: int
) -> None:
    path = opened(tmp_path, "points-2.sql" if schema == 2 else f"points-{schema}.sql.xz")
    assert one(path, "PRAGMA user_version") == schema
    assert one(path, f"SELECT count(*) FROM {'node' if schema == 2 else 'node_data'}") > 100
    store, model = SqlitePointStore(path, SIZES), MemoryPointStore()
    for attempt, writer, keys in ((1, "w", ["grow", "shuffled"]), (2, "again", ["grow"])):
        columns = list(store.of_writer("run", writer, 0, attempt))
        assert [column.key for column in columns] == keys
        for column in columns:
            np.testing.assert_allclose(column.value, wave(column.key, column.step), atol=1e-12)
        last = sum(len(column.seq) for column in columns)
        model.append([PointBatch("run", 0, attempt, writer, 1, last, columns)])
    assert {(info.key, info.count) for info in model.keys("run")} == {("grow", 340), ("shuffled", 400)}
    steps, flushed = 0, False
    while True:
        for key in ("grow", "shuffled"):
            for axis in ("step", "time", "relative"):
                for n in (4, 40, 1000):
                    assert_same_buckets(store, model, Selector("run", key), axis=axis, n=n, attempts="all")
            assert_same_infos(store.series("run", key), model.series("run", key))
            its, wanted = store.summaries(key, ["run"])["run"], model.summaries(key, ["run"])["run"]
            np.testing.assert_allclose(np.array(its, float), np.array(wanted, float), rtol=1e-12)
        assert store.with_nan(["run", "none"]) == {"run"}
        steps += 1
        if not store.compact(0.0):
            if flushed:
                break
            store.flush()  # schema 4 kept these points as they arrived
            flushed = True
    assert steps > (5 if schema == 2 else 1)
    assert one(path, "SELECT count(*) FROM arrived") == 0
    store.close()
    assert one(path, "SELECT count(*) FROM chunk WHERE form < 6") == 0
    assert one(path, "SELECT count(*) FROM sqlite_schema WHERE name = 'node'") == 0
