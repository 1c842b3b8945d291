"""Damage of points.db is told: by whoever reads what was damaged, and by the check, wherever a bit flips."""

from __future__ import annotations

import re
import shutil
import sqlite3
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import pytest

from pyhectiqlab.errors import StoreError
from pyhectiqlab.store.backups import backup
from pyhectiqlab.store.points import Axis, Column, PointBatch, PointStore, Selector, iter_points
from pyhectiqlab.store.sql.meta_store import SqlMetaStore
from pyhectiqlab.store.sqlite_points.point_store import SqlitePointStore
from pyhectiqlab.store.sqlite_points.trees import Sizes

from ..seeds import examples
from .point_store_data import T0

FLIPS = examples(250)
SIZES = Sizes(chunk_points=256, chunk_nodes=32, node_points=64, head_points=512, scattered_chunks=3, cold_s=0.0)
KEYS = ("loss", "shuffled", "short")
AXES: tuple[Axis, ...] = ("step", "time", "relative")


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make the data of a lab whose points are all compacted: a long series, a scattered and a short one, a
    deleted run.
    """
    folder = tmp_path_factory.mktemp("lab")
    SqlMetaStore(folder / "lab.db").close()
    store, rng = SqlitePointStore(folder / "points.db", SIZES), np.random.default_rng(0)
    orders = {"loss": np.arange(3000), "shuffled": rng.permutation(3000), "short": np.arange(40)}
    for run in ("run", "gone"):
        first = 1
        for at in range(0, 3000, 500):
            columns = []
            for key in KEYS:
                step = orders[key][at : at + 500]
                n = len(step)
                if n:
                    value = np.sin(step / 100) + 0.1 * rng.normal(size=n).astype(np.float32)
                    value[step % 31 == 3] = np.nan
                    seq = np.arange(first, first + n)
                    columns.append(
                        Column(key, seq, step, value, T0 + 1000 * (at + np.arange(n)) + rng.integers(0, 300, n))
                    )
                    first += n
            start = int(columns[0].seq[0])
            store.append([PointBatch(run, 0, 1, f"writer of {run}", start, first - 1, columns)])
    store.flush()
    while store.compact():
        pass
    store.delete("gone")
    store.close()
    with sqlite3.connect(folder / "points.db") as db:
        assert db.execute("SELECT count(*) FROM chunk WHERE tree = 1").fetchone()[0] > 5
        assert db.execute("SELECT count(*) FROM node_data").fetchone()[0] > 50
    db.close()
    return folder


def answers(store: PointStore) -> list[Any]:
    """Return what anybody may read, as texts and bytes, in which a NaN equals itself."""
    readings: list[Any] = [repr(store.keys(run)) for run in ("run", "gone")]
    readings += [repr(store.last(["run", "gone"])), repr(store.origins("run"))]
    for key in KEYS:
        readings.append(repr(store.series("run", key)))
        for page in iter_points(store, "run", key, limit=1000):
            readings += [a.tobytes() for a in (page.step, page.value, page.time, page.seq)]
        for axis in AXES:
            for n in (5, 100, 5000):
                (b,) = store.buckets([Selector("run", key)], axis=axis, n=n)
                readings += [a.tobytes() for a in (b.start, b.count, b.min, b.max, b.mean, b.last, b.last_x, b.nan)]
        (part,) = store.buckets([Selector("run", key)], "step", 100, 1100, n=20)
        readings += [part.count.tobytes(), part.min.tobytes(), part.last.tobytes()]
    for column in store.of_writer("run", "writer of run", 0, 1):
        readings += [column.key, column.seq.tobytes(), column.value.tobytes()]
    return readings


@pytest.fixture(scope="module")
def sound(lab: Path, tmp_path_factory: pytest.TempPathFactory) -> list[Any]:
    folder = tmp_path_factory.mktemp("sound")
    shutil.copy(lab / "points.db", folder)
    store = SqlitePointStore(folder / "points.db", SIZES)
    readings = answers(store)
    store.close()
    return readings


def copy_of(lab: Path, tmp_path: Path) -> Path:
    folder = tmp_path / "data"
    shutil.rmtree(folder, ignore_errors=True)
    return Path(shutil.copytree(lab, folder))


@pytest.mark.parametrize("seed", range(4))
def test_a_bit_flipped_anywhere_changes_no_answer_or_is_told(
    seed: int, lab: Path, sound: list[Any], tmp_path: Path
) -> None:
    random, size = Random(seed), (lab / "points.db").stat().st_size
    noticed = 0
    for _ in range(FLIPS // 4):
        folder = copy_of(lab, tmp_path)
        at, bit = random.randrange(size), random.randrange(8)
        with (folder / "points.db").open("r+b") as file:
            file.seek(at)
            (byte,) = file.read(1)
            file.seek(at)
            file.write(bytes([byte ^ 1 << bit]))
        if backup.check(folder):
            noticed += 1
            continue
        try:
            store = SqlitePointStore(folder / "points.db", SIZES)
        except StoreError:
            noticed += 1
            continue
        try:
            assert answers(store) == sound, f"bit {bit} of byte {at}"
        except StoreError:
            noticed += 1
        finally:
            store.close()
    assert noticed > FLIPS // 8


@pytest.mark.parametrize("table", ["chunk_data", "node_data"])
def test_who_reads_damaged_points_is_told_which_and_what_to_do(table: str, lab: Path, tmp_path: Path) -> None:
    folder = copy_of(lab, tmp_path)
    with sqlite3.connect(folder / "points.db") as db:
        column = {"chunk_data": "d.id", "node_data": "d.id / 8"}[table]
        rows = db.execute(
            f"""SELECT d.id, d.data FROM {table} d JOIN chunk c ON c.id = {column} JOIN series s ON s.id = c.series
                JOIN run ON run.id = s.run WHERE run.name = 'run' AND s.key = 'loss'"""
        ).fetchall()
        for row_id, blob in rows:
            damaged = bytearray(blob)
            damaged[len(blob) // 2] ^= 1
            db.execute(f"UPDATE {table} SET data = ? WHERE id = ?", (bytes(damaged), row_id))
    db.close()
    store = SqlitePointStore(folder / "points.db", SIZES)
    message = r"Points of 'loss' in run run are damaged .*hectiqlab admin check.*backup"
    with pytest.raises(StoreError, match=message):
        store.buckets([Selector("run", "loss")], n=5000 if table == "chunk_data" else 5)
    if table == "chunk_data":
        with pytest.raises(StoreError, match=message):
            store.points("run", "loss")
        with pytest.raises(StoreError, match=message):
            list(store.of_writer("run", "writer of run", 0, 1))
    assert store.buckets([Selector("run", "shuffled")])[0].total == 3000
    store.close()
    wrong = backup.check(folder)
    assert len(wrong) == (len(rows) if table == "chunk_data" else len({row[0] // 8 for row in rows}))
    assert all(re.match(r"points of 'loss' in run run: chunk \d+: .*checksum", line) for line in wrong)


def test_a_store_that_opens_tells_which_batch_it_cannot_read(lab: Path, tmp_path: Path) -> None:
    folder = copy_of(lab, tmp_path)
    store = SqlitePointStore(folder / "points.db", SIZES)
    seq = np.arange(1, 11)
    store.append([PointBatch("new", 0, 1, "w", 1, 10, [Column("loss", seq, seq, seq * 1.0, T0 + seq)])])
    assert store.damage() == []
    store.close()
    with sqlite3.connect(folder / "points.db") as db:
        db.execute("UPDATE arrived SET data = substr(data, 1, 20) WHERE id = (SELECT max(id) FROM arrived)")
    db.close()
    store = SqlitePointStore(folder / "points.db", SIZES)
    (damage,) = store.damage()
    assert "of the run new cannot be read" in damage and "Restore a backup" in damage
    store.close()


def test_a_chunk_that_is_gone_is_told(lab: Path, tmp_path: Path) -> None:
    folder = copy_of(lab, tmp_path)
    with sqlite3.connect(folder / "points.db") as db:
        (chunk,) = db.execute("SELECT max(c.id) FROM chunk c JOIN series s ON s.id = c.series WHERE run = 1").fetchone()
        db.execute("DELETE FROM chunk_data WHERE id = ?", (chunk,))
    db.close()
    assert [f"chunk {chunk}: it is gone" in line for line in backup.check(folder)] == [True]
    store = SqlitePointStore(folder / "points.db", SIZES)
    with pytest.raises(StoreError, match="a chunk is gone"):
        answers(store)
    store.close()


def test_a_damaged_series_takes_new_points_and_others_go_on_being_compacted(lab: Path, tmp_path: Path) -> None:
    folder = copy_of(lab, tmp_path)
    its = "IN (SELECT c.id FROM chunk c JOIN series s ON s.id = c.series WHERE s.run = 1 AND s.key = 'loss')"
    with sqlite3.connect(folder / "points.db") as db:
        db.execute(f"UPDATE chunk_data SET data = substr(data, 1, 50) WHERE id {its}")
        db.execute(f"UPDATE chunk SET pending = 1 WHERE id {its}")  # as in the middle of a merge
    db.close()
    store = SqlitePointStore(folder / "points.db", SIZES)
    last, faults = store.cursor("writer of run"), 0
    for round in range(6):
        seq = np.arange(last + 1, last + 201)
        step = 2000 * (round % 2) + np.arange(200)  # these overlap the others, so they must be merged
        columns = [
            Column(key, part, step[: len(part)], step[: len(part)] * 1.0, T0 + 10_000_000 + part)
            for key, part in (("loss", seq[:100]), ("short", seq[100:]))
        ]
        store.append([PointBatch("run", 0, 1, "writer of run", last + 1, last + 200, columns)])
        last += 200
        store.flush()
        more = True
        while more:
            try:
                more = store.compact()
            except StoreError as e:
                assert "'loss'" in str(e)
                faults += 1  # once only: then it is left alone
    assert faults == 1
    (damage,) = store.damage()
    assert "'loss'" in damage and "backup" in damage, "for the state of the lab"
    assert store.buckets([Selector("run", "short")])[0].total == 640
    assert {i.key: i.count for i in store.keys("run")} == {"loss": 3600, "short": 640, "shuffled": 3000}
    (new,) = store.buckets([Selector("run", "loss")], "time", lo=T0 + 10_000_000)
    assert new.total == 600
    store.close()
