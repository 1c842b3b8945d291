"""Verify: what the lab holds of a writer's stream, range by range, counted and digested from the stores themselves."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ...protocol import digest
from ...store.meta import MetaView, Writer
from ...store.pauses import may_pause
from ...store.points import PointStore

Range = tuple[int, int]  # first and last sequence number


def held(points: PointStore, view: MetaView, writer: Writer, ranges: Sequence[Range]) -> dict[str, Any]:
    """Return what the lab holds of one writer: its cursor and losses, how many points and events there are of it, how
    many sequence numbers they account for, and points, events and digest of each range. Blocks on the stores; reads
    every point of the run's keys of this rank and attempt once.
    """
    firsts = np.array([first for first, _ in ranges], np.int64)
    behind = np.array([last + 1 for _, last in ranges], np.int64)
    totals, point_counts, event_counts = [0] * len(ranges), np.zeros(len(ranges), np.int64), [0] * len(ranges)
    count = 0
    for column in points.of_writer(writer.run, writer.writer, writer.rank, writer.attempt):
        may_pause()
        count += len(column.seq)
        starts, ends = np.searchsorted(column.seq, firsts), np.searchsorted(column.seq, behind)
        point_counts += ends - starts
        value = np.where(np.isnan(column.value), np.float64("nan"), column.value)
        for i in np.flatnonzero(ends > starts).tolist():
            part = slice(int(starts[i]), int(ends[i]))
            integers = (column.seq[part], column.step[part], column.time[part])
            seq, step, time = (np.ascontiguousarray(a, "<i8").tobytes() for a in integers)
            bits = np.ascontiguousarray(value[part], "<f8").tobytes()
            totals[i] += digest.of_points(column.key, seq, step, bits, time)
            may_pause()
    events = accounted = 0
    for number, kind, covered in view.events_of(writer.writer):
        events += 1
        accounted += covered
        may_pause()
        for i in np.flatnonzero((firsts <= number) & (number < behind)).tolist():
            totals[i] += digest.of_event(number, kind)
            event_counts[i] += 1
    return {
        "writer": writer.writer,
        "rank": writer.rank,
        "attempt": writer.attempt,
        "cursor": writer.cursor,
        "losses": writer.losses,
        "points": count,
        "events": events,
        "accounted": count + accounted,
        "ranges": [
            {"first": first, "last": last, "points": int(n), "events": m, "digest": digest.as_hex(total)}
            for (first, last), n, m, total in zip(ranges, point_counts, event_counts, totals, strict=True)
        ],
    }
