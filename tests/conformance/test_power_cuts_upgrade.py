"""The power fails at any moment of an upgrade: nothing that was there or acknowledged is lost.

Upgrades are those of points.db, whose chunks are written anew, and of lab.db, with what lab.db stores afterwards.
"""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from random import Random

import numpy as np
import pytest

from pyhectiqlab.store.sql.meta_migrations import MIGRATIONS
from pyhectiqlab.store.sql.meta_store import SqlMetaStore
from pyhectiqlab.store.sqlite_files import damage
from pyhectiqlab.store.sqlite_points import check
from pyhectiqlab.store.sqlite_points.point_store import SqlitePointStore

from ..compat.old_labs import LABS, unpack
from ..compat.test_old_points import SIZES, opened, wave
from ..seeds import examples
from .power import Disk, acknowledge, cuts, traced

CUTS = examples(45)
NOTES = 25


def upgrade_points(folder: Path) -> None:
    store = SqlitePointStore(folder / "points.db", SIZES)
    store._database._checkpoints._frames = 60  # type: ignore[union-attr]  # many of them in a short time
    acknowledge(folder, 1)
    while store.maintain(0.0):
        pass
    store.close()


def check_points(folder: Path, acked: int) -> None:
    path = folder / "points.db"
    assert damage.look(path, complete=False) == []
    store = SqlitePointStore(path, SIZES)
    for _ in range(2):  # before and after all chunks are written anew
        columns = [
            c for writer, attempt in (("w", 1), ("again", 2)) for c in store.of_writer("run", writer, 0, attempt)
        ]
        assert [(c.key, len(c.step)) for c in columns] == [("grow", 300), ("shuffled", 400), ("grow", 40)]
        for column in columns:
            np.testing.assert_allclose(column.value, wave(column.key, column.step), atol=1e-12)
        while store.maintain():
            pass
    store.close()
    with closing(sqlite3.connect(path)) as db:
        assert list(check.damage(db)) == []
        assert db.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        assert db.execute("SELECT count(*) FROM chunk WHERE form < 6").fetchone() == (0,)


def upgrade_meta(folder: Path) -> None:
    store = SqlMetaStore(folder / "lab.db")
    for i in range(1, NOTES + 1):
        with store.writing() as tx:
            (run,) = tx.runs_named("one")
            tx.set_lab_value("n", f"{i}")
            tx.set_notes({run.id: f"{i} " * 500})
        if i == 1:
            store.engines.log._checkpoints._frames = 40  # type: ignore[union-attr]
        acknowledge(folder, i)
    store.close()


def check_meta(folder: Path, acked: int) -> None:
    path = folder / "lab.db"
    assert damage.look(path, complete=False) == []
    store = SqlMetaStore(path)
    with store.reading() as view:
        n = int(view.lab_value("n") or 0)
        assert acked <= n <= acked + 1
        (one,), (two,) = view.runs_named("one"), view.runs_named("two")
        assert view.note(one.id) == (f"{n} " * 500 if n else "a note") and view.note(two.id) == "a note"
        assert (view.config(two.id)["lr"], two.state, two.points) == (0.2, "failed", 80)
        assert view.conn.exec_driver_sql("SELECT max(version) FROM migrations").scalar() == len(MIGRATIONS)
    store.close()
    with closing(sqlite3.connect(path)) as db:
        assert db.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        assert db.execute("PRAGMA foreign_key_check").fetchall() == []


@pytest.mark.parametrize(
    ("name", "upgrade", "look"),
    [("points.db", upgrade_points, check_points), ("lab.db", upgrade_meta, check_meta)],
    ids=["points.db", "lab.db"],
)
def test_the_power_fails_at_any_moment_of_an_upgrade(
    name: str,
    upgrade: Callable[[Path], None],
    look: Callable[[Path, int], None],
    tmp_path: Path,
    rng_that_stays: Random,
) -> None:
    data = tmp_path / "traced" / "data"
    if name == "lab.db":
        unpack(LABS / "lab-04-points-1.tar.xz", data)
        (data / "points.db").unlink()
        shutil.rmtree(data / "blobs")
    else:
        data.mkdir(parents=True)
        opened(data, "points-2.sql")
    disk = Disk.holding(data, {name: (data / name).read_bytes()})
    trace = traced(upgrade, data.parent)
    assert sum(step.call == "sync" for step in trace) > 10
    seen = set()
    for left, acked in cuts(trace, disk, CUTS, tmp_path, rng_that_stays):
        look(left, acked)
        seen.add(acked)
    assert len(seen) > (1 if name == "points.db" else 5)
