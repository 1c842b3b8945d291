"""Verify: compare what the journals here still hold with what the lab holds, by number and by content."""

from __future__ import annotations

import math
import sys
from array import array
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..base.texts import counted
from ..errors import GoneError, NotFoundError
from ..journal import Ack, Data, Keys, Lost, Tail
from ..protocol import digest
from ..ring.peek import peek
from ..spool import SessionDir, Writer
from ..transport.http import LabClient, quoted
from . import encode, quarantine, refill
from .stream import Batch, Stream

RANGE_EVENTS_MIN = 10_000
RANGES_MAX = 500  # of a writer in one request
WRITERS_MAX = 20  # in one request


@dataclass
class Range:
    """Consecutive numbers of one writer, as the journal has them."""

    first: int
    last: int
    points: int = 0
    events: int = 0
    total: int = 0
    columns: dict[str, tuple[bytearray, ...]] = field(default_factory=dict)

    def add(self, wire: dict[str, Any]) -> None:
        """Add the next batch."""
        base = int(wire["first"])
        self.last = int(wire["last"])
        for series in wire["series"]:
            seq = array("q", (base + offset for offset in _column("I", series["seq"])))
            value, time = _column("d", series["value"]), _column("d", series["time"])
            if any(map(math.isnan, value)):
                value = array("d", (math.nan if math.isnan(v) else v for v in value))
            time_us = array("q", (round(t * 1e6) for t in time))
            self.points += len(seq)
            parts = self.columns.setdefault(series["key"], tuple(bytearray() for _ in range(4)))
            for part, data in zip(parts, (_bytes(seq), series["step"], _bytes(value), _bytes(time_us)), strict=True):
                part += data
        for offset, kind, *_ in wire["events"]:
            self.events += 1
            self.total += digest.of_event(base + offset, kind)

    def end(self) -> None:
        for key, columns in self.columns.items():
            self.total += digest.of_points(key, *map(bytes, columns))
        self.columns.clear()


@dataclass
class WriterVerdict:
    """One writer, here and at the lab. All in sequence numbers.

    Attributes:
        here: whether its session is here. Else only the lab's own accounts were checked.
        journaled, acked: as known here. cursor: that of the lab. points, events, losses: what the lab has of it.
        compared: numbers whose content is the same here and at the lab. released: at the lab, but no longer kept here.
        waiting: produced here and not at the lab yet. gap: the lab had them and no longer has them (a restored backup).
        unaccounted: numbers up to the cursor that the lab has neither a point nor an event for.
        differs: (first, last, what differs) of ranges that are not the same.
    """

    writer: str
    session: str = ""
    host: str = ""
    here: bool = False
    journaled: int = 0
    acked: int = 0
    cursor: int = 0
    points: int = 0
    events: int = 0
    losses: dict[str, int] = field(default_factory=dict)
    compared: int = 0
    released: int = 0
    waiting: int = 0
    gap: int = 0
    unaccounted: int = 0
    stopped: str = ""
    differs: list[tuple[int, int, str]] = field(default_factory=list)

    @property
    def agrees(self) -> bool:
        return not (self.gap or self.unaccounted or self.differs)


@dataclass
class RunVerdict:
    """One run. `error`: why nothing could be compared with the lab; "" where it was. `quarantined`: how many events and
    files were put aside here.
    """

    run: str
    name: str
    writers: list[WriterVerdict] = field(default_factory=list)
    error: str = ""
    quarantined: int = 0

    @property
    def agrees(self) -> bool:
        return not self.error and all(writer.agrees for writer in self.writers)


def runs_here() -> dict[str, list[tuple[SessionDir, Writer]]]:
    """Return the writers of the sessions here by the id of their run, where the lab has given one."""
    by_run: dict[str, list[tuple[SessionDir, Writer]]] = {}
    for session in SessionDir.everywhere():
        for info in session.writers():
            if info.run is not None:
                by_run.setdefault(refill.run_of(info), []).append((session, info))
    return by_run


def quarantined() -> dict[str, int]:
    """Return events and files in the quarantine by the id of their run."""
    counts: dict[str, int] = {}
    for aside in quarantine.everywhere():
        for run, count in aside.run_ids.items():
            counts[run] = counts.get(run, 0) + count
    return counts


def verify_run(client: LabClient, run: str, name: str, mine: list[tuple[SessionDir, Writer]]) -> RunVerdict:
    """Compare one run. Blocks for some requests and while the journals are read. Raises LabRequestError."""
    verdict = RunVerdict(run, name)
    try:
        items = list(client.pages(f"/runs/{quoted(run)}/writers", {"limit": 1000}))
    except (GoneError, NotFoundError) as e:
        verdict.error = str(e)
        return verdict
    cursors = {str(item["writer"]): int(item["cursor"]) for item in items}
    ranges: dict[str, list[Range]] = {}
    for session, info in mine:
        one = _known_here(session, info, cursors.get(info.writer, 0))
        verdict.writers.append(one)
        ranges[info.writer] = journaled_ranges(session, info, one.cursor)
    seen = {w.writer for w in verdict.writers}
    verdict.writers += [
        WriterVerdict(writer, cursor=cursor) for writer, cursor in cursors.items() if writer not in seen
    ]
    _ask(client, run, verdict.writers, ranges)
    return verdict


def _known_here(session: SessionDir, info: Writer, cursor: int) -> WriterVerdict:
    from .report import session_report

    noted = next(w for w in session_report(session)["writers"] if w["writer"] == info.writer)
    queue = None if info.done else peek(Path(info.queue), session.spill(info.writer))
    acked = max(int(noted["acked"]), queue.acked if queue else 0)
    one = WriterVerdict(info.writer, session.name, info.owner.host, True, int(noted["journaled"]), acked, cursor)
    one.stopped = str(noted["stopped"])
    one.gap = 0 if one.stopped else max(0, acked - cursor)
    one.waiting = 0 if one.stopped else max(0, int(noted["produced"]) - max(acked, cursor))
    return one


def _ask(client: LabClient, run: str, writers: list[WriterVerdict], ranges: dict[str, list[Range]]) -> None:
    for at in range(0, len(writers), WRITERS_MAX):
        part = writers[at : at + WRITERS_MAX]
        wanted = [{"writer": w.writer, "ranges": [[r.first, r.last] for r in ranges.get(w.writer, [])]} for w in part]
        answer = client.post(f"/runs/{quoted(run)}/verify", {"writers": wanted})
        answered = {str(w["writer"]): w for w in answer["writers"]}
        for one in part:
            if one.writer in answered:
                _compare(one, ranges.get(one.writer, []), answered[one.writer])


def _compare(one: WriterVerdict, ranges: list[Range], at_lab: dict[str, Any]) -> None:
    one.points, one.events, one.losses = (
        int(at_lab["points"]),
        int(at_lab["events"]),
        dict(at_lab["losses"]),
    )
    one.unaccounted = abs(int(at_lab["cursor"]) - int(at_lab["accounted"]))
    kept = 0
    for mine, theirs in zip(ranges, at_lab["ranges"], strict=True):
        size = mine.last - mine.first + 1
        kept += size
        if digest.as_hex(mine.total) == theirs["digest"]:
            one.compared += size
        elif (mine.points, mine.events) != (theirs["points"], theirs["events"]):
            here, there = _counts(mine.points, mine.events), _counts(theirs["points"], theirs["events"])
            one.differs.append((mine.first, mine.last, f"here {here}; at the lab {there}"))
        else:
            one.differs.append((mine.first, mine.last, "as many, but not the same"))
    one.released = max(0, min(one.cursor, one.journaled) - kept) if one.here else 0


def journaled_ranges(session: SessionDir, info: Writer, cursor: int) -> list[Range]:
    """Return what the journal holds of a writer up to a cursor, as it was sent to the lab, without numbers that became
    a loss. A range ends where something is missing. Takes the memory of one range.
    """
    ranges: list[Range] = []
    size = max(RANGE_EVENTS_MIN, cursor // RANGES_MAX + 1)
    for wire in _wired(session, info, cursor):
        first = int(wire["first"])
        if not ranges or ranges[-1].last + 1 != first or first - ranges[-1].first >= size:
            if ranges:
                ranges[-1].end()
            ranges.append(Range(first, first))
        ranges[-1].add(wire)
    if ranges:
        ranges[-1].end()
    return ranges[-RANGES_MAX * 2 :]


def _wired(session: SessionDir, info: Writer, cursor: int) -> Iterator[dict[str, Any]]:
    """Yield the batches of the journal up to the cursor, encoded as they were for the lab."""
    stream = Stream(info)
    reached = 0
    for frame, location in Tail(session.path / "journal").read():
        if isinstance(frame, Ack) or frame.writer != info.writer:
            continue
        if isinstance(frame, Keys):
            stream.learn(frame.table)
        elif isinstance(frame, Lost):
            reached = max(reached, frame.last)
        elif isinstance(frame, Data) and reached < frame.last <= cursor and location is not None:
            batch = Batch(frame.first, frame.last, location.size, location=location)
            try:
                encoded = encode.encoded(stream, batch, reached)
            except (encode.UndecodableError, OSError):
                continue  # the lab has a loss in its place
            finally:
                reached = frame.last
            stream.heed(encoded.end, encoded.settings)
            yield encoded.wire


def _counts(points: int, events: int) -> str:
    return f"{counted(points, 'point')} and {counted(events, 'event')}"


def _column(typecode: str, raw: bytes) -> array[Any]:
    column = array(typecode)
    column.frombytes(raw)
    if sys.byteorder == "big":
        column.byteswap()
    return column


def _bytes(column: array[Any]) -> bytes:
    if sys.byteorder == "big":
        column = column[:]
        column.byteswap()
    return column.tobytes()
