"""Points from one PointStore to another, of many runs at once: their batches, in the order in which they came."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

from ...base import crashpoints
from ...base.texts import counted
from ...errors import StoreError
from ..points import PointBatch, PointStore

BATCHES_AT_ONCE = 20_000
POINTS_AT_ONCE = 200_000
RUNS_AT_ONCE = 1_000
WRITERS_AT_ONCE = 10_000


class Writer(NamedTuple):
    name: str
    run: str
    rank: int
    attempt: int


def copy(
    runs: Sequence[str],
    writers: Sequence[Writer],
    source: PointStore,
    target: PointStore,
    progress: Callable[[int], None] = lambda points: None,
) -> int:
    """Copy the points of these runs, and the cursors of their writers. Return how many points there are. Copies nothing
    twice that an interrupted copy has brought already. Takes the memory of some hundred thousand points. Blocks until
    all are copied. Raises StoreError.
    """
    total = 0
    for group in _grouped(batch for some in _parts(runs, RUNS_AT_ONCE) for batch in source.batches_of(some)):
        _append(target, group)
        crashpoints.passing("move.points")
        total += sum(map(_size, group))
        progress(total)
        while target.maintain():
            pass
    for its in _parts(writers, WRITERS_AT_ONCE):  # events that came behind their points
        names = [writer.name for writer in its]
        wanted, there = source.cursors(names), target.cursors(names)
        behind = [
            PointBatch(w.run, w.rank, w.attempt, w.name, there.get(w.name, 0) + 1, wanted[w.name], [])
            for w in its
            if there.get(w.name, 0) < wanted.get(w.name, 0)
        ]
        if behind:
            _append(target, behind)
    return total


def _append(target: PointStore, group: Sequence[PointBatch]) -> None:
    for batch, result in zip(group, target.append(group), strict=True):
        if result.status == "refused":
            raise StoreError(result.why)
        if result.status == "conflict":
            raise StoreError(
                f"The points of the run {batch.run} do not fit what is there already: move to an empty place instead."
            )


def _grouped(batches: Iterable[PointBatch]) -> Iterator[list[PointBatch]]:
    """Yield the batches in groups, each of which is appended at once."""
    group: list[PointBatch] = []
    size = 0
    for batch in batches:
        if group and (size + _size(batch) > POINTS_AT_ONCE or len(group) == BATCHES_AT_ONCE):
            yield group
            group, size = [], 0
        group.append(batch)
        size += _size(batch)
    if group:
        yield group


def _size(batch: PointBatch) -> int:
    return sum(len(column.seq) for column in batch.columns)


def _parts(items: Sequence[Any], n: int) -> Iterator[Sequence[Any]]:
    return (items[at : at + n] for at in range(0, len(items), n))


def digests(store: PointStore, runs: Sequence[str]) -> dict[str, tuple[int, str]]:
    """Return for each run that has points how many there are, and a SHA-256 of its batches in order of arrival, with
    their writers and the time 0 of their attempts.
    """
    running: dict[str, tuple[int, hashlib._Hash]] = {}
    for batch in store.batches_of(runs):
        count, digest = running.get(batch.run) or (0, hashlib.sha256())
        running[batch.run] = count + _size(batch), digest
        digest.update(repr((batch.writer, batch.rank, batch.attempt, batch.first, batch.last, batch.origin)).encode())
        for column in batch.columns:
            digest.update(repr((column.key, len(column.seq))).encode())
            for part in (column.seq, column.step, column.time, column.value):
                digest.update(np.ascontiguousarray(part).tobytes())
    return {run: (count, digest.hexdigest()) for run, (count, digest) in running.items()}


def same(
    runs: Sequence[str],
    writers: Sequence[Writer],
    source: PointStore,
    target: PointStore,
    progress: Callable[[int], None] = lambda runs: None,
) -> None:
    """Read the points of these runs from both stores, and the cursors of their writers. Raises StoreError where they
    differ.
    """
    done = 0
    for some in _parts(runs, RUNS_AT_ONCE):
        before, after = digests(source, some), digests(target, some)
        for run in some:
            if before.get(run) != after.get(run):
                counts = (counted(its.get(run, (0, ""))[0], "point") for its in (before, after))
                raise StoreError(
                    f"The points of the run {run} did not arrive as they were ({', '.join(counts)}): move to an empty"
                    " place, and report this."
                )
        done += len(some)
        progress(done)
    for its in _parts([writer.name for writer in writers], WRITERS_AT_ONCE):
        if (wanted := source.cursors(its)) != (moved := target.cursors(its)):
            writer = next(name for name in its if wanted.get(name) != moved.get(name))
            raise StoreError(f"What came by the writer {writer} did not arrive as it was: move to an empty place.")
