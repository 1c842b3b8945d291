"""Restore: from the quarantine back into the spool, from where a sync sends it.

Events of a run that was deleted keep their numbers: once the run is restored, the lab's cursor is still at the number
before. Events that the lab refused have a loss in their place there, so they come as a new writer. Its id follows from
the old writer and numbers, so that restoring twice doubles nothing.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..errors import ConfigurationError
from ..journal import Data, Journal, Lost, Tail
from ..protocol import records
from ..spool import FileRequest, SessionDir, Writer, read_json, write_json
from . import quarantine
from .lease import Lease
from .quarantine import Aside

IN_PLACE = {"deleted", "denied"}  # denied: an earlier version took any refusal as final


@dataclass(frozen=True)
class _Part:
    """One batch on its way back, with the writer and the numbers that it gets."""

    path: Path
    info: Writer
    first: int
    last: int
    frame: tuple[int, int]  # first and last of the records
    records: bytes
    kept: dict[str, Any]


def restore(spool: Path, aside: Aside) -> tuple[int, int]:
    """Put events and files of a session back into the spool, on disk, and take them out of the quarantine. Return how
    many of each. Damaged segments stay. Raises ConfigurationError where the session is at work, or where nobody knows
    whose it is; OSError.
    """
    session = SessionDir(spool / aside.session)
    session.path.mkdir(mode=0o700, parents=True, exist_ok=True)
    lease = Lease(session.path)
    if not lease.acquire():
        raise ConfigurationError(
            f"The session {aside.session} is at work: its script or a sync still runs; restore when it has ended."
        )
    try:
        events, files = _events_back(session, aside), _files_back(session, aside)
    finally:
        lease.release()
    with contextlib.suppress(OSError):  # not empty: damaged segments
        (aside.path / "files").rmdir()
    with contextlib.suppress(OSError):
        aside.path.rmdir()
    if not (session.path / "session.json").exists():  # nothing could be put back
        shutil.rmtree(session.path, ignore_errors=True)
    return events, files


def _events_back(session: SessionDir, aside: Aside) -> int:
    known = {w.writer: w for w in session.writers()}
    parts = [_part(path, first, last, kept, known) for path, first, last, kept in quarantine.kept_events(aside.path)]
    if not parts:
        return 0
    _make_session(session, parts[0].info)
    there = _journaled(session)
    journal = Journal(session.path / "journal")
    try:
        for part in parts:
            reached = there.get(part.info.writer, 0)
            if part.last <= reached:
                continue  # the session is still here, and has it in its journal
            if not reached and part.first > 1:  # the lab has what comes before
                journal.append_ack(part.info.writer, part.first - 1)
            frame = Data(part.info.writer, *part.frame, 0, 0, 0, 0, part.records)
            journal.append(frame, lambda part=part: part.kept["table"])  # type: ignore[misc]
            there[part.info.writer] = part.frame[1]
        journal.sync(force=True)
    finally:
        journal.close()
    for part in parts:
        if part.kept.get("end"):
            path = session.end_path(part.info.owner)
            path.parent.mkdir(mode=0o700, exist_ok=True)
            write_json(path, part.kept["end"])
        session.save_writer(part.info, durable=True)
    _tell_status(session, parts)
    for part in parts:
        part.path.unlink()
    return sum(part.last - part.first + 1 for part in parts)


def _tell_status(session: SessionDir, parts: list[_Part]) -> None:
    """Write `status.json`, so that `hectiqlab status` shows what waits even before an uploader has been here."""
    status = {"files": {}, **(read_json(session.path / "status.json") or {}), "pid": os.getpid(), "trouble": ""}
    writers = dict(status.get("writers", {}))
    for part in reversed(parts):  # the first batch of a writer decides from where on it waits
        before = writers.get(part.info.writer, {})
        last = before.get("journaled", part.last) if before.get("stopped") == "" else part.last
        at = part.first - 1
        writers[part.info.writer] = {
            "journaled": max(last, part.last),
            "sent": at,
            "acked": at,
            "lost": {},
            "stopped": "",
            "queued_bytes": 0,
            "behind_since": part.info.created,
        }
    write_json(session.path / "status.json", {**status, "writers": writers})


def _part(path: Path, first: int, last: int, kept: dict[str, Any], known: dict[str, Writer]) -> _Part:
    info = _writer_of(kept, known)
    if info is None:
        raise ConfigurationError(
            f"{path} was put aside by an older version, which did not note its writer, and its session is gone: it "
            "cannot be restored."
        )
    info = info.changed(done=False, drained=True)
    start, stop = kept.get("frame") or (first, last)  # of the records, where only some of them were refused
    if kept.get("reason") in IN_PLACE:
        return _Part(path, info, first, last, (start, stop), kept["records"], kept)
    name = hashlib.sha256(f"{info.writer} {first} {last}".encode()).hexdigest()[:32]
    cache = [[0, settings] for at, settings in info.cache if at < first][-1:]
    again = info.changed(writer=name, ends_run=False, cache=cache, queue=f"{info.queue}.none")
    picked = _records_of(kept, first - start, last - start) if (start, stop) != (first, last) else kept["records"]
    return _Part(path, again, 1, last - first + 1, (1, last - first + 1), picked, kept)


def _records_of(kept: dict[str, Any], first: int, last: int) -> bytes:
    """Return the records with the offsets from `first` to `last`."""
    columns, events, _ = records.decode(kept["records"], records.read_interned(kept["table"]))
    packed = {seq: records.event(kind, at, fields) for seq, kind, at, fields in events}
    for key, column in columns.items():
        for seq, step, value, at in zip(column.seq, column.step, column.value, column.time, strict=True):
            packed[seq] = records.point_full(key, step, value, at)
    return b"".join(packed[seq] for seq in sorted(packed) if first <= seq <= last)


def _writer_of(kept: dict[str, Any], known: dict[str, Writer]) -> Writer | None:
    with contextlib.suppress(KeyError, TypeError, ValueError):
        return Writer.from_dict(kept["info"])
    return known.get(str(kept.get("writer")))


def _make_session(session: SessionDir, info: Writer) -> None:
    for sub in ("writers", "journal", "ends"):
        (session.path / sub).mkdir(mode=0o700, exist_ok=True)
    if not (session.path / "session.json").exists():
        started = {"version": 1, "owner": info.owner.as_dict(), "started": info.created or time.time()}
        write_json(session.path / "session.json", started, durable=True)


def _journaled(session: SessionDir) -> dict[str, int]:
    """Return up to which number the journal has each writer's events."""
    there: dict[str, int] = {}
    for frame, _ in Tail(session.path / "journal").read():
        if isinstance(frame, Data | Lost):
            there[frame.writer] = max(frame.last, there.get(frame.writer, 0))
    return there


def _files_back(session: SessionDir, aside: Aside) -> int:
    count = 0
    known = {w.writer: w for w in session.writers()}
    for path, fields in quarantine.kept_files(aside.path):
        request = FileRequest.from_dict(fields["request"]).changed(reason="", detail="", told=False, answer=False)
        info = _writer_of(fields, known)
        if info is None:
            continue
        _make_session(session, info)
        session.files_dir.mkdir(mode=0o700, exist_ok=True)
        data = path.with_name(f"{request.id}.data")
        if data.exists():
            os.replace(data, session.file_path(request.id, "data"))
        write_json(session.file_path(request.id), request.as_dict(), durable=True)
        session.file_path(request.id, "failed.json").unlink(missing_ok=True)
        if info.writer not in known or known[info.writer].done:
            session.save_writer((known.get(info.writer) or info).changed(done=False, drained=True), durable=True)
        path.unlink()
        count += 1
    return count
