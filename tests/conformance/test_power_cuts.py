"""The power fails at any moment of the upkeep of points.db: nothing that was acknowledged is lost, nothing doubled."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from random import Random

import numpy as np
import pytest

from pyhectiqlab.store.points import Selector
from pyhectiqlab.store.sqlite_files import damage
from pyhectiqlab.store.sqlite_points import check
from pyhectiqlab.store.sqlite_points.point_store import SqlitePointStore

from ..seeds import examples
from .point_store_data import T0, TINY, Writer, shuffled_step
from .point_store_same import all_points
from .power import Disk, Step, acknowledge, cuts, traced

CUTS = examples(40)
BATCHES, BATCH = 24, 60
SIZES = replace(TINY, bulk_points=64, recent_batches=5)


def work(folder: Path) -> None:
    """Do the work of the traced process. A file `acked` says how many points are durable."""
    store, writer = SqlitePointStore(folder / "points.db", SIZES), Writer("w")
    store._database._checkpoints._frames = 60  # type: ignore[union-attr]  # many of them in a short time
    gone = Writer("of a run that goes")
    store.append([replace(gone.steps(range(200)), run="gone")])
    for i in range(BATCHES):
        seq = np.arange(i * BATCH, (i + 1) * BATCH)
        store.append([writer.batch(loss=[(int(s), s * 0.5, T0 + int(s)) for s in shuffled_step(seq)])])
        acknowledge(folder, (i + 1) * BATCH)
        store.compact(0.0)
        if i == BATCHES // 2:
            store.delete("gone")
        if i > BATCHES // 2:
            store.maintain(0.0)
    while store.maintain():
        pass
    store.close()


@pytest.fixture(scope="module")
def trace(tmp_path_factory: pytest.TempPathFactory) -> list[Step]:
    """Return everything that the process did to the files of its folder, from the first write on."""
    done = traced(work, tmp_path_factory.mktemp("traced"))
    assert sum(step.call == "sync" for step in done) > 100
    return done


@pytest.mark.timeout(400)
def test_points_survive_a_power_failure_at_any_moment_of_the_upkeep_exactly_once(
    trace: list[Step], tmp_path: Path, rng_that_stays: Random
) -> None:
    seen, disk = set(), Disk()
    for left, acked in cuts(trace, disk, CUTS, tmp_path, rng_that_stays):
        _check(left, acked, f"the power failed before step {left.name}")
        seen.add(acked)
    assert len(seen) > CUTS // 12 and max(seen) > BATCHES * BATCH // 2


def _check(folder: Path, acked: int, where: str) -> None:
    path = folder / "points.db"
    assert damage.look(path, complete=False) == [], where
    store = SqlitePointStore(path, SIZES)
    for _ in range(2):  # before and after its upkeep is done
        cursor = store.cursor("w")
        assert acked <= cursor <= acked + BATCH and cursor % BATCH == 0, where
        points = [(p[2], p[3], p[4]) for p in all_points(store, limit=500)]
        wanted = [(i + 1, s, s * 0.5) for i, s in enumerate(shuffled_step(np.arange(cursor)).tolist())]
        assert points == wanted, where
        if cursor:
            (line,) = store.buckets([Selector("run", "loss")])
            assert line.total == cursor, where
        store.flush()
        while store.maintain():
            pass
    store.close()
    with closing(sqlite3.connect(path)) as db:
        assert list(check.damage(db)) == [], where
        assert db.execute("PRAGMA integrity_check").fetchall() == [("ok",)], where
    assert damage.look(path, complete=False) == [], where
