"""Points from one PointStore to another, run by run: their order of arrival, numbers, writers and cursors stay."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence

import numpy as np

from ...errors import StoreError
from ..meta import MetaView
from ..meta import Writer as WriterRow
from ..points import Column, PointBatch, PointStore, iter_points
from .plan import Arrived, Plan, PlanError, Writer, owners

BATCHES_AT_ONCE = 200
POINTS_AT_ONCE = 200_000
PAGE = 1000


def copy_run(writer_rows: Sequence[WriterRow], source: PointStore, target: PointStore, run: str) -> int:
    """Copy the points of a run, and return how many there are. What a copy that was interrupted brought is known. Takes
    the memory of its points, some 100 bytes each. Raises StoreError.
    """
    cursors = {w.writer: (Writer(w.writer, w.rank, w.attempt), source.cursor(w.writer)) for w in writer_rows}
    writers = [writer for writer, _ in cursors.values()]
    columns: list[dict[str, Column]] = []
    for writer in writers:
        columns.append({c.key: c for c in source.of_writer(run, writer.name, writer.rank, writer.attempt)})
    arrived = {key: _arrived(source, run, key) for key in keys_of(source, run)}
    try:
        owned = {
            key: owners(writers, {w: mine[key] for w, mine in enumerate(columns) if key in mine}, points)
            for key, points in arrived.items()
        }
        _append(target, Plan(run, writers, columns, owned, arrived, origins_of(source, run)).batches())
    except PlanError as e:
        raise StoreError(f"The points of the run {run} cannot be copied: {e}.") from None
    for writer, cursor in cursors.values():
        there = target.cursor(writer.name)
        if there < cursor:  # of events that came behind its points
            _append(target, iter([PointBatch(run, writer.rank, writer.attempt, writer.name, there + 1, cursor, [])]))
    return sum(len(points.seq) for points in arrived.values())


def _append(target: PointStore, batches: Iterator[PointBatch]) -> None:
    group: list[PointBatch] = []
    size = 0
    for batch in batches:
        group.append(batch)
        size += sum(len(column.seq) for column in batch.columns)
        if len(group) == BATCHES_AT_ONCE or size >= POINTS_AT_ONCE:
            _append_group(target, group)
            group, size = [], 0
    if group:
        _append_group(target, group)


def _append_group(target: PointStore, group: list[PointBatch]) -> None:
    for batch, result in zip(group, target.append(group), strict=True):
        if result.status == "conflict":
            raise StoreError(
                f"The points of the run {batch.run} do not fit what is there already: move to an empty place instead."
            )


def digest_of_run(writer_rows: Sequence[WriterRow], store: PointStore, run: str) -> tuple[int, str]:
    """Return how many points of a run there are, and a SHA-256 of them all: each key in order of arrival, of each
    writer its points and cursor, and where the time of each attempt is 0.
    """
    running, count = hashlib.sha256(), 0
    for key in keys_of(store, run):
        points = _arrived(store, run, key)
        running.update(repr((key, len(points.seq))).encode())
        for column in (points.seq, points.step, points.time, points.value, points.rank, points.attempt):
            running.update(np.ascontiguousarray(column).tobytes())
        count += len(points.seq)
    for writer in writer_rows:
        running.update(repr((writer.writer, store.cursor(writer.writer))).encode())
        for part in store.of_writer(run, writer.writer, writer.rank, writer.attempt):
            running.update(repr(part.key).encode() + np.ascontiguousarray(part.seq).tobytes())
    running.update(repr(sorted(origins_of(store, run).items())).encode())
    return count, running.hexdigest()


def _arrived(store: PointStore, run: str, key: str) -> Arrived:
    pages = list(iter_points(store, run, key))

    def joined(name: str, kind: type) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
        return np.concatenate([np.asarray(getattr(page, name), kind) for page in pages]) if pages else np.empty(0, kind)

    return Arrived(
        joined("seq", np.int64),
        joined("step", np.int64),
        joined("time", np.int64),
        joined("value", np.float64),  # type: ignore[arg-type]
        joined("rank", np.int64),
        joined("attempt", np.int64),
    )


def keys_of(store: PointStore, run: str) -> Iterator[str]:
    after = ""
    while page := store.keys(run, after=after, limit=PAGE):
        yield from (info.key for info in page)
        after = page[-1].key


def origins_of(store: PointStore, run: str) -> dict[int, int]:
    result: dict[int, int] = {}
    while page := store.origins(run, max(result, default=0), PAGE):
        result |= page
    return result


def writers_of(view: MetaView, run: str) -> list[WriterRow]:
    rows: list[WriterRow] = []
    while page := view.writers_of(run, PAGE, rows[-1].writer if rows else ""):
        rows += page
    return rows
