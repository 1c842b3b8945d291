"""The SQLite PointStore under kills, full disks, strangers' files and busy writers: real ones, not mocked."""

from __future__ import annotations

import os
import resource
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import pytest

from pyhectiqlab.errors import NewerSchemaError, StoreError
from pyhectiqlab.store import space
from pyhectiqlab.store.points import AppendResult, Column, PointBatch, Selector, iter_points
from pyhectiqlab.store.sqlite_points import check, point_store
from pyhectiqlab.store.sqlite_points.loading import Loader
from pyhectiqlab.store.sqlite_points.point_store import SqlitePointStore
from pyhectiqlab.store.sqlite_points.recent import Recent
from pyhectiqlab.store.sqlite_points.trees import Sizes

from ..nursery import Nursery
from .point_store_data import T0, TINY, VICTIM_BATCH, Writer, shuffled_step
from .point_store_same import all_points

KILLS = 20


@pytest.fixture
def victims() -> Iterator[Nursery]:
    nursery = Nursery("tests.conformance.point_store_data")
    yield nursery
    nursery.close()


def test_what_append_returned_for_survives_kills_exactly_once(
    tmp_path: Path, victims: Nursery, rng_that_stays: Random
) -> None:
    path = tmp_path / "points.db"
    acked = 0
    for kill in range(KILLS):
        said = tmp_path / str(kill)
        pid = victims.fork({"output": str(said), "env": {}, "path": str(path)})
        lines, deadline = rng_that_stays.randint(1, 15), time.monotonic() + 60
        while not said.exists() or said.read_bytes().count(b"\n") < lines:
            assert time.monotonic() < deadline, said.read_text()
            time.sleep(0.001)
        os.kill(pid, signal.SIGKILL)
        victims.wait(pid, 20)
        acked = max([acked, *(int(line) for line in said.read_text().splitlines(keepends=True) if line.endswith("\n"))])
        store = SqlitePointStore(path, TINY)
        cursor = store.cursor("w")
        assert acked <= cursor <= acked + VICTIM_BATCH
        pages = list(iter_points(store, "run", "loss", limit=500))
        seq = np.arange(1, cursor + 1)
        for name, wanted in (("seq", seq), ("step", shuffled_step(seq)), ("value", seq * 0.5)):
            np.testing.assert_array_equal(np.concatenate([getattr(page, name) for page in pages]), wanted)
        (buckets,) = store.buckets([Selector("run", "loss")])
        assert (buckets.total, buckets.max.max()) == (cursor, cursor * 0.5)
        store.close()
    assert acked > KILLS * VICTIM_BATCH


def test_everything_is_there_after_reopening(tmp_path: Path) -> None:
    path, w = tmp_path / "points.db", Writer("w")
    batches = [w.steps(range(i, i + 50)) for i in range(0, 1000, 50)]
    store = SqlitePointStore(path, TINY)
    for batch in batches[:10]:
        store.append([batch])
        store.compact(0.0)
    store.close()
    store = SqlitePointStore(path, TINY)
    assert store.append([batches[9]]) == [AppendResult("duplicate", 500)]
    store.append(batches[10:])
    assert [p[3] for p in all_points(store, limit=300)] == list(range(1000))
    while store.compact():
        pass
    assert [p[3] for p in all_points(store, limit=300)] == list(range(1000))
    store.close()


def test_a_database_of_a_newer_version_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "points.db"
    SqlitePointStore.open(path).close()
    with sqlite_connection(path) as other:
        other.execute("PRAGMA user_version = 99")
    with pytest.raises(NewerSchemaError, match=r"schema 99.*Upgrade"):
        SqlitePointStore.open(path)


def test_a_file_that_is_no_database_and_a_missing_folder_are_store_errors(tmp_path: Path) -> None:
    (tmp_path / "points.db").write_bytes(b"something else entirely" * 1000)
    with pytest.raises(StoreError, match="not a database"):
        SqlitePointStore.open(tmp_path / "points.db")
    with pytest.raises(StoreError):
        SqlitePointStore.open(tmp_path / "missing" / "points.db")


def test_a_full_disk_raises_and_nothing_is_half_applied(tmp_path: Path) -> None:
    store, w = SqlitePointStore.open(tmp_path / "points.db"), Writer("w")
    store.append([w.steps(range(100))])
    small, large = Writer("v").steps(range(10), key="other"), noise("big", 200_000)
    with files_limited_to(1 << 20), pytest.raises(StoreError):
        store.append([small, large])
    assert store.cursor("v") == store.cursor("big") == 0
    assert [i.key for i in store.keys("run")] == ["loss"]
    assert [r.status for r in store.append([small, large])] == ["ok", "ok"]  # once there is room again
    while store.compact():
        pass
    assert {i.key: i.count for i in store.keys("run")} == {"loss": 100, "noise": 200_000, "other": 10}
    store.close()


def test_a_full_disk_during_compaction_loses_nothing(tmp_path: Path) -> None:
    store = SqlitePointStore(tmp_path / "points.db", Sizes(head_rows=1))
    store.append([noise("big", 200_000)])
    size = sum(f.stat().st_size for f in tmp_path.iterdir())
    with files_limited_to(size // 2), pytest.raises(StoreError):
        while store.compact():
            pass
    before = store.buckets([Selector("run", "noise")])[0]
    while store.compact():
        pass
    after = store.buckets([Selector("run", "noise")])[0]
    assert before.total == after.total == 200_000
    np.testing.assert_array_equal(before.min, after.min)
    store.close()


def test_readers_do_not_wait_for_a_writer(tmp_path: Path) -> None:
    path = tmp_path / "points.db"
    store = SqlitePointStore.open(path)
    store.append([Writer("w").steps(range(10))])
    with sqlite_connection(path) as other:
        other.execute("BEGIN IMMEDIATE")  # hold the only right to write, as a long transaction would
        other.execute("DELETE FROM head")
        totals: list[int] = []
        reader = threading.Thread(target=lambda: totals.append(store.buckets([Selector("run", "loss")])[0].total))
        reader.start()
        reader.join(2.0)
        assert totals == [10]
        other.execute("ROLLBACK")
    store.close()


def test_readers_in_many_threads_see_whole_appends_while_the_store_compacts(tmp_path: Path) -> None:
    store, w = SqlitePointStore(tmp_path / "points.db", TINY), Writer("w")
    done = threading.Event()
    torn: list[object] = []

    def read() -> None:
        while not done.is_set():
            total = store.buckets([Selector("run", "loss")], n=50)[0].total
            pages = [p.seq for p in iter_points(store, "run", "loss", limit=1000)]
            seq = np.concatenate(pages) if pages else np.empty(0)
            if total % 20 or not np.array_equal(seq, np.arange(1, len(seq) + 1)):
                torn.append((total, seq))

    readers = [threading.Thread(target=read) for _ in range(3)]
    for reader in readers:
        reader.start()
    order = np.random.default_rng(1).permutation(1000)
    for at in range(0, 1000, 20):
        store.append([w.steps(order[at : at + 20].tolist())])
        store.compact(0.0)
    done.set()
    for reader in readers:
        reader.join()
    assert torn == []
    store.close()


def test_no_file_descriptor_outlives_a_closed_store(tmp_path: Path) -> None:
    def opened() -> list[str]:
        fds = Path("/dev/fd")
        return [str(p.resolve()) for p in fds.iterdir() if str(tmp_path) in str(p.resolve())]

    for _ in range(10):
        store = SqlitePointStore.open(tmp_path / "points.db")
        threads = [threading.Thread(target=store.keys, args=("run",)) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        store.close()
    assert opened() == []


def noise(writer: str, n: int) -> PointBatch:
    """Return values that do not compress: about 13 bytes a point."""
    seq = np.arange(1, n + 1)
    rng = np.random.default_rng(0)
    return PointBatch("run", 0, 1, writer, 1, n, [Column("noise", seq, seq, rng.normal(size=n), T0 + seq)])


@contextmanager
def sqlite_connection(path: Path) -> Iterator[sqlite3.Connection]:
    connection = sqlite3.connect(path, isolation_level=None)
    try:
        yield connection
    finally:
        connection.close()


@contextmanager
def files_limited_to(size: int) -> Iterator[None]:
    """Let writes beyond `size` bytes of any file fail (EFBIG), as those on a full disk do (ENOSPC)."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_a_run_undeleted_in_the_middle_of_its_purge_goes_on_with_what_is_left(tmp_path: Path) -> None:
    store, w = SqlitePointStore(tmp_path / "points.db", replace(TINY, bulk_points=1)), Writer("w")
    store.append([w.steps([i]) for i in range(600)])
    store.compact(0.0)
    store.delete("run")
    assert store.purge(0.0)
    store.undelete("run")
    left = [p[3] for p in all_points(store, limit=1000)]
    assert 0 < len(left) < 600
    store.append([w.steps([1000])])
    while store.compact():
        pass
    store.append([w.steps([1001])])
    while store.compact():
        pass
    assert [p[3] for p in all_points(store, limit=1000)] == [*left, 1000, 1001]
    store.close()


@pytest.mark.parametrize("point", ["flushing:1", "flushing:2", "flushing:3", "removing:1"])
def test_a_kill_in_the_middle_of_a_flush_neither_loses_nor_doubles_a_point(tmp_path: Path, point: str) -> None:
    path, w = tmp_path / "points.db", Writer("w")
    batches = [w.batch(**{key: [(i, i * 0.5, T0 + i)] for key in "abcdef"}) for i in range(40)]
    store = SqlitePointStore(path)
    store.append(batches[:30])
    store.close()
    code = (
        "import sys; from pyhectiqlab.store.sqlite_points.point_store import SqlitePointStore;"
        "from tests.conformance.point_store_data import TINY; SqlitePointStore(sys.argv[1], TINY).flush()"
    )
    env = {**os.environ, "HECTIQLAB_CRASH_AT": f"upkeep.{point}:{tmp_path / 'died'}"}
    subprocess.run([sys.executable, "-c", code, str(path)], env=env, cwd=Path(__file__).parents[2], check=False)
    assert (tmp_path / "died").exists()
    store = SqlitePointStore(path)
    assert store.cursor("w") == 180
    store.append(batches[30:])
    for _ in range(2):
        assert {i.key: i.count for i in store.keys("run")} == dict.fromkeys("abcdef", 40)
        for key in "af":
            assert [p[3] for p in all_points(store, key=key)] == list(range(40))
        store.flush()
    store.close()


def test_a_damaged_batch_is_left_out_named_by_check_and_kept(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path, w = tmp_path / "points.db", Writer("w")
    store = SqlitePointStore(path)
    for i in range(5):
        store.append([w.steps([i])])
    store.close()
    with sqlite_connection(path) as other:
        (data,) = other.execute("SELECT data FROM arrived WHERE id = 3").fetchone()
        other.execute("UPDATE arrived SET data = ? WHERE id = 3", (data[:-1] + bytes([data[-1] ^ 4]),))
        other.commit()
    store = SqlitePointStore(path, Sizes(recent_batches=1))
    assert "batch 3 of the run run cannot be read" in caplog.text
    assert store.append([w.steps([5])]) == [AppendResult("ok", 6)]
    store.flush()
    assert [p[3] for p in all_points(store)] == [0, 1, 3, 4, 5]
    assert not store.compact(), "the batch that stays leaves nothing to do"
    store.close()
    with sqlite_connection(path) as other:
        assert [text[:30] for text in check.damage(other)] == ["points.db is damaged: batch 3 "]
        assert check.cursors(other) == {"w": 6}


def test_space_of_purged_runs_comes_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(space, "KEPT_PAGES", 16)
    path = tmp_path / "points.db"
    store = SqlitePointStore(path)
    for i in range(4):
        batch = noise(f"w{i}", 300_000)
        store.append([replace(batch, run=f"run{i}")])
    while store.compact():
        pass
    store.close()  # writes the log into the file
    before = path.stat().st_size
    store = SqlitePointStore(path)
    for i in range(3):
        store.delete(f"run{i}")
    while store.maintain():
        pass
    assert len(all_points(store, "run3", "noise", 100_000)) == 300_000
    store.close()
    assert path.stat().st_size < 0.4 * before  # a fourth of it is the run that stays, and a fourth of that is free


def test_a_step_gives_back_all_pages_of_a_step(tmp_path: Path) -> None:
    connection = sqlite3.connect(tmp_path / "a.db", isolation_level=None)
    space.prepare(connection)
    connection.execute("CREATE TABLE t (x)")
    connection.execute("BEGIN")
    connection.executemany("INSERT INTO t VALUES (randomblob(4000))", [()] * 6000)
    connection.execute("DELETE FROM t")
    connection.execute("COMMIT")
    before = space.surplus(connection)
    connection.execute("BEGIN IMMEDIATE")
    space.give_back(connection)
    connection.execute("COMMIT")
    assert before - space.surplus(connection) >= space.STEP_PAGES // 2 >= 64, "of which a part was kept all the time"
    connection.close()


@pytest.mark.parametrize("name", ["add", "remove"])
def test_an_error_behind_a_commit_leaves_every_point_readable_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    store, w = SqlitePointStore(tmp_path / "points.db"), Writer("w")
    store.append([w.steps(range(10))])
    whole = getattr(Recent, name)

    def fails_once(self: Recent, *args: Any) -> None:
        monkeypatch.setattr(Recent, name, whole)
        raise MemoryError

    monkeypatch.setattr(Recent, name, fails_once)
    with pytest.raises(MemoryError):
        store.append([w.steps(range(10, 20))])
        store.flush()
    assert [p[3] for p in all_points(store)] == list(range(20))
    assert store.append([w.steps(range(20, 30))]) == [AppendResult("ok", 30)]
    store.flush()
    assert [p[3] for p in all_points(store)] == list(range(30))
    store.close()


def test_recent_points_that_cannot_be_read_again_are_an_error_of_readers_and_not_a_wait(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = SqlitePointStore(tmp_path / "points.db")
    store.append([Writer("w").steps(range(10))])

    def fails(*args: Any) -> None:
        raise StoreError("the disk is gone")

    monkeypatch.setattr(Recent, "remove", fails)
    monkeypatch.setattr(Loader, "_look", fails)
    monkeypatch.setattr(point_store, "BUSY_TIMEOUT_S", 0.1)
    with pytest.raises(StoreError, match="the disk is gone"):
        store.flush()
    with pytest.raises(StoreError, match="restart the lab"):
        store.keys("run")
    store.close()
