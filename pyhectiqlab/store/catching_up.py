"""Catching up: the MetaStore is told of batches of points alone which the PointStore holds and it does not know.

A lab answers a batch of points alone once the PointStore has it, and tells the MetaStore a moment later, of many such
batches at once. So a lab that was killed may have answered batches that only the PointStore knows. For recent batches
the PointStore keeps whether they were points alone, until the MetaStore has been told.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from ..base import crashpoints
from .meta import MetaBatch, MetaStore, MetaTransaction, MetaView
from .points import PointStore


def tell(tx: MetaTransaction, batches: Sequence[MetaBatch]) -> bool:
    """Tell the MetaStore of batches of points alone. Return whether all was new to it. It may know the beginning of
    some, because a commit that failed with an error may have been durable all the same.
    """
    now = time.time()
    known = tx.apply(batches, now)
    rest = [
        replace(batch, first=known[batch.writer] + 1, points=batch.last - known[batch.writer])
        for batch in batches
        if batch.writer in known and batch.first <= known[batch.writer] < batch.last
    ]
    tx.apply(rest, now)
    if batches:
        crashpoints.passing("lab.catching_up")
    return not known


def untold(view: MetaView, points: PointStore) -> list[MetaBatch]:
    """Return one batch for each writer that is further in the PointStore than in the MetaStore: all that follows the
    MetaStore's cursor and is points alone. Writers that the MetaStore does not know are left out, because no batch of
    theirs was answered. Blocks on the databases.
    """
    writers = view.writers(sorted(points.late_writers()))
    reached = points.reach({name: writer.cursor for name, writer in writers.items()})
    return [
        MetaBatch(
            name,
            writers[name].run,
            writers[name].rank,
            writers[name].attempt,
            "",
            first,
            last,
            last - first + 1,
            0.0,
            [],
        )
        for name, last in reached.items()
        for first in [writers[name].cursor + 1]
    ]


def catch_up(meta: MetaStore, points: PointStore) -> None:
    """Tell the MetaStore. Blocks until that is durable. Raises StoreError."""
    with meta.reading() as view:
        batches = untold(view, points)
    if batches:
        with meta.writing() as tx:
            tell(tx, batches)


def catch_up_by_points(meta: MetaStore, points: PointStore, cursors: Mapping[str, int]) -> None:
    """Tell the MetaStore of a snapshot, by the points themselves. The databases of a snapshot are copied one after the
    other, and batches that came in between may have become chunks meanwhile. Reads all points of the series of those
    writers that are behind `cursors`, the PointStore's. Raises StoreError.
    """
    with meta.reading() as view:
        writers = [w for w in view.writers(sorted(cursors)).values() if w.cursor < cursors[w.writer]]
    batches = []
    for w in writers:
        columns = points.of_writer(w.run, w.writer, w.rank, w.attempt)
        behind = [column.seq[column.seq > w.cursor] for column in columns]
        numbers = np.sort(np.concatenate(behind)) if behind else np.empty(0, np.int64)
        reached = int(np.count_nonzero(numbers == w.cursor + 1 + np.arange(len(numbers))))
        if reached:
            first, last = w.cursor + 1, w.cursor + reached
            batches.append(MetaBatch(w.writer, w.run, w.rank, w.attempt, "", first, last, reached, 0.0, []))
    if batches:
        with meta.writing() as tx:
            tell(tx, batches)
