"""Encoding: a batch's records as the columns and events that the lab takes (FORMAT.md, section 3). Pure."""

from __future__ import annotations

import sys
from array import array
from bisect import bisect_left
from dataclasses import dataclass, field
from operator import itemgetter
from typing import Any

from ..base.texts import counted
from ..protocol import events as rules
from ..protocol import records
from ..protocol.limits import HEARTBEAT_RUNS, PROTOCOL_VERSION
from . import cache
from .stream import Batch, Stream


class UndecodableError(ValueError):
    """The records of a batch make no sense: damaged, or their keys are gone."""


@dataclass(frozen=True, slots=True)
class Encoded:
    """A batch as a map for msgpack, and what its events tell the uploader itself (for `Stream.heed`).

    Attributes:
        end: fields of its last event that says how the process ended; None where it has none.
        settings: settings of the metrics cache in its events, each with the number behind which they hold.
    """

    wire: dict[str, Any]
    end: dict[str, Any] | None = None
    settings: list[tuple[int, dict[str, Any]]] = field(default_factory=list)


def encoded(stream: Stream, batch: Batch, after: int = 0) -> Encoded:
    """Return the batch without what is at or below the cursor `after`. The stream is not changed.

    Raises UndecodableError, or OSError where the journal cannot be read.
    """
    first = max(batch.first, after + 1)
    if batch.lost is not None:
        loss = {"reason": batch.lost, "count": batch.last - first + 1}
        return Encoded(_wire(stream, first, batch.last, [], [[0, "loss", 0, loss]]))
    try:
        columns, events, count = records.decode(batch.read(), stream.keys)
    except (KeyError, ValueError, TypeError, IndexError, OverflowError) as e:
        raise UndecodableError(f"{type(e).__name__}: {e}") from e
    start, stop = batch.frame or (batch.first, batch.last)
    if count != stop - start + 1:
        raise UndecodableError(f"{counted(count, 'event')} where {stop - start + 1:,} were journaled")
    skip, end = first - start, batch.last - start + 1
    settings = [(seq, fields) for seq, kind, _, fields in events if kind == cache.KIND]
    changes = [(-1, stream.cache_at(start)), *((seq, cache.CacheSettings.from_dict(raw)) for seq, raw in settings)]
    folded = cache.fold(columns, changes, skip, end)
    series = [s for key, column in folded.columns.items() if (s := _series(key, column, skip, end))]
    rows: list[Any] = [
        [seq - skip, kind, _micros(time), fields] for seq, kind, time, fields in events if skip <= seq < end
    ]
    if folded.count:
        rows.append([folded.first - skip, "aggregated", 0, {"count": folded.count}])
        rows.sort(key=itemgetter(0))
    return Encoded(
        _wire(stream, first, batch.last, series, rows),
        end=next((fields for _, kind, _, fields in reversed(events) if kind == "end"), None),
        settings=[(start + seq, fields) for seq, fields in settings],
    )


def _wire(stream: Stream, first: int, last: int, series: list[Any], events: list[Any]) -> dict[str, Any]:
    return {
        "writer": stream.id,
        "run": stream.run_id,
        "rank": stream.rank,
        "attempt": stream.attempt,
        "first": first,
        "last": last,
        "series": series,
        "events": events,
    }


def _series(key: str, column: records.Columns, skip: int, end: int) -> dict[str, Any] | None:
    """Return the points with offsets from `skip` to before `end`, with offsets from `skip`; None where there is
    none.
    """
    seq, step, value, time = column.seq, column.step, column.value, column.time
    if skip or seq[-1] >= end:
        start, stop = bisect_left(seq, skip), bisect_left(seq, end)
        if start == stop:
            return None
        seq = array("I", [number - skip for number in seq[start:stop]])
        step, value, time = step[start:stop], value[start:stop], time[start:stop]
    return {"key": key, "seq": _bytes(seq), "step": _bytes(step), "value": _bytes(value), "time": _bytes(time)}


def _micros(seconds: Any) -> int:
    """Return µs since 1970. A value that is no time becomes 0: it must not keep the event from the lab."""
    return int(seconds * 1e6) if rules.is_time(seconds) else 0


def _bytes(column: array[Any]) -> bytes:
    if sys.byteorder == "big":
        column = column[:]
        column.byteswap()
    return column.tobytes()


def request(session: str, clock: float, batches: list[dict[str, Any]]) -> dict[str, Any]:
    return {"v": PROTOCOL_VERSION, "session": session, "clock": clock, "batches": batches}


def heartbeats(alive: list[Stream], losses: dict[str, int], clock: float) -> list[dict[str, Any]]:
    """Return heartbeats of these streams: at least one stream, each of a run that the lab knows. Many streams take
    several requests; each of them has the backlog and the losses of all.
    """
    owner = alive[0].info.owner
    common = {
        "host": owner.host,
        "pid": owner.pid,
        "clock": clock,
        "backlog": sum(s.backlog for s in alive),
        "losses": losses,
    }
    runs = [{"run": s.run_id, "rank": s.rank, "attempt": s.attempt} for s in alive]
    return [{"runs": runs[i : i + HEARTBEAT_RUNS], **common} for i in range(0, len(runs), HEARTBEAT_RUNS)]
