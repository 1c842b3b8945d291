"""Points of random runs go from store to store and stay the same: order of arrival, writers, cursors, origins."""

from __future__ import annotations

import random
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

from pyhectiqlab.store.meta import Writer
from pyhectiqlab.store.moving.points import copy_run, digest_of_run
from pyhectiqlab.store.points import Column, PointBatch, PointStore
from pyhectiqlab.store.sqlite_points.point_store import SqlitePointStore
from pyhectiqlab.testing.memory_points import MemoryPointStore


def fill(store: PointStore, rng: random.Random, run: str) -> list[Writer]:
    """Batches of several ranks, attempts and forks, in any order."""
    writers = []
    for attempt in range(1, rng.randint(1, 2) + 1):
        for rank in range(rng.randint(1, 3)):
            writers += [
                Writer(f"{run}-{attempt}-{rank}-{fork}", run, rank, attempt, 0, 0.0, {})
                for fork in range(rng.choice([1, 1, 1, 2]))
            ]
    cursors = dict.fromkeys([w.writer for w in writers], 0)
    clock = 1_700_000_000_000_000
    for _ in range(rng.randint(1, 40)):
        writer = rng.choice(writers)
        first = cursors[writer.writer] + 1
        n = rng.randint(1, 12)
        columns = []
        for key in rng.sample(["a", "b", "c"], rng.randint(0, 3)):
            seq = np.array(sorted(rng.sample(range(first, first + n), rng.randint(1, n))), np.int64)
            step = np.array([rng.randint(0, 30) for _ in seq], np.int64)
            value = np.array([rng.choice([0.5, float("nan"), float("inf"), rng.random()]) for _ in seq])
            time = np.array([clock + rng.randint(-5, 5) for _ in seq], np.int64)
            columns.append(Column(key, seq, step, value, time))
        clock += rng.randint(0, 8)
        batch = PointBatch(run, writer.rank, writer.attempt, writer.writer, first, first + n - 1, columns)
        (result,) = store.append([batch])
        assert result.status == "ok"
        cursors[writer.writer] = result.cursor
    return writers


@pytest.mark.parametrize("n", range(12))
def test_a_run_is_the_same_in_another_store_and_back(n: int, rng: random.Random, tmp_path: Path) -> None:
    memory, run = MemoryPointStore(), f"run{n}"
    writers = fill(memory, rng, run)
    wanted = digest_of_run(writers, memory, run)
    with closing(SqlitePointStore(tmp_path / "points.db")) as sqlite:
        assert copy_run(writers, memory, sqlite, run) == wanted[0]
        assert digest_of_run(writers, sqlite, run) == wanted
        while sqlite.maintain():
            pass
        back = MemoryPointStore()
        copy_run(writers, sqlite, back, run)
        assert digest_of_run(writers, back, run) == wanted
        copy_run(writers, memory, sqlite, run)
        assert digest_of_run(writers, sqlite, run) == wanted, "again changes nothing"
