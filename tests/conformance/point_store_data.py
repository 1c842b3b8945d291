"""Points for the tests of PointStores, and the process that those are forked from which are killed in them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from pyhectiqlab.store.points import Column, PointBatch
from pyhectiqlab.store.sqlite_points.point_store import SqlitePointStore
from pyhectiqlab.store.sqlite_points.trees import Sizes

from ..nursery import serve

T0 = 1_700_000_000_000_000
VICTIM_BATCH = 37

# These sizes are so small that a few dozen points make heads, chunks, nodes, runs, merges and a tree by time.
TINY = Sizes(
    chunk_points=16,
    chunk_nodes=4,
    node_points=8,
    head_points=8,
    head_rows=2,
    step_points=40,
    fan_in=2,
    scattered_chunks=3,
    cold_s=0.0,
    bulk_points=16,
    recent_points=20,
    recent_batches=5,
    recent_s=0.0,
    step_series=2,
)


class Writer:
    """One process's stream: numbers its points as an uploader does."""

    def __init__(self, name: str, run: str = "run", rank: int = 0, attempt: int = 1) -> None:
        self.name, self.run, self.rank, self.attempt = name, run, rank, attempt
        self.last = 0

    def batch(self, **series: Sequence[tuple[int, float, int]]) -> PointBatch:
        """Return a batch of (step, value, time) points by key; `_` in a key stands for "/"."""
        first, columns = self.last + 1, []
        for key, points in series.items():
            seq = np.arange(self.last + 1, self.last + 1 + len(points))
            step, value, time = zip(*points, strict=True)
            columns.append(
                Column(
                    key.replace("_", "/"),
                    seq.astype(np.int64),
                    np.array(step, np.int64),
                    np.array(value, np.float64),
                    np.array(time, np.int64),
                )
            )
            self.last += len(points)
        return PointBatch(self.run, self.rank, self.attempt, self.name, first, self.last, columns)

    def steps(self, steps: Sequence[int], key: str = "loss", value: float | None = None) -> PointBatch:
        """Return points of one key. The value of a point is its step, and its time is its place in the stream, in
        milliseconds.
        """
        start = self.last
        return self.batch(
            **{key: [(s, float(s) if value is None else value, T0 + 1000 * (start + i)) for i, s in enumerate(steps)]}
        )


def flat_out(path: str) -> int:
    """Run the child that is killed: continue where the store says, append, compact, purge; print what was acked."""
    store = SqlitePointStore(path, TINY)
    at = store.cursor("w")
    print(at, flush=True)
    for i in range(1, 10_000):
        seq = np.arange(at + 1, at + 1 + VICTIM_BATCH)
        batch = Column("loss", seq, shuffled_step(seq), seq * 0.5, T0 + seq)
        doomed = Writer(f"doomed {at}", run="doomed").steps(range(VICTIM_BATCH))
        assert [
            r.status for r in store.append([PointBatch("run", 0, 1, "w", at + 1, at + VICTIM_BATCH, [batch]), doomed])
        ] == [
            "ok",
            "ok",
        ]
        at += VICTIM_BATCH
        print(at, flush=True)
        store.compact(0.0)
        if i % 5 == 0:
            store.delete("doomed")
        store.purge(0.0)
    return 0


def shuffled_step(seq: np.ndarray) -> np.ndarray:
    return seq * 7919 % 5003


if __name__ == "__main__":
    serve(lambda order: flat_out(order["path"]))
