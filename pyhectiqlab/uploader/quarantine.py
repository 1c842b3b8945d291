"""The quarantine: what the lab no longer takes, moved aside instead of deleted.
`$HECTIQLAB_HOME/quarantine/<session>/`.

    <writer>-<first>-<last>.msgpack   events that the lab refused, or whose run it deleted: {writer, run, url, reason,
                                      table, records, frame, info, end}, with the records and the keys that they need
                                      (protocol/FORMAT.md, sections 1 and 2); `frame`: the first and last number of the
                                      records, where they are more than those that were refused; `info`, `end`: the
                                      writer as the spool had it, and how its process ended
    files/<id>.json, <id>.data        files of a run that was deleted, as in the spool
    NNNN-NNNNNN.seg                   a segment of the journal with bytes that are no frame

`hectiqlab quarantine` lists it, puts it back into the spool (restore.py), or drops it.
"""

from __future__ import annotations

import errno
import os
import re
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgpack

from .. import settings
from ..base.texts import counted
from ..journal import Tail
from ..spool import FileRequest, SessionDir, places, read_json, read_ours, write_json
from .stream import Batch, Stream

EVENTS_NAME = re.compile(r"([0-9a-f]{32})-(\d+)-(\d+)\.msgpack")


@dataclass
class Aside:
    """What the quarantine has of one session. `runs`: names, or ids where an older version kept no name. `run_ids`: the
    labs' ids. `damaged`: how many segments, which nothing reads again.
    """

    session: str
    path: Path
    events: int = 0
    files: int = 0
    bytes: int = 0
    damaged: int = 0
    reasons: dict[str, int] = field(default_factory=dict)
    runs: dict[str, None] = field(default_factory=dict)
    run_ids: dict[str, int] = field(default_factory=dict)  # id → events and files

    def text(self) -> str:
        """Return what is there as a text, such as "99 events and 1 file (0.1 MB)"."""
        amounts = ((self.events, "event"), (self.files, "file"), (self.damaged, "damaged segment"))
        parts = [counted(count, what) for count, what in amounts if count]
        return f"{' and '.join(parts) or 'nothing'} ({self.bytes / 1e6:.1f} MB)"


def folder_of(session: SessionDir) -> Path:
    return session.path.parent.parent / "quarantine" / session.name


def keep(session: SessionDir, stream: Stream, batch: Batch, reason: str) -> None:
    """Put the records of a batch aside. Raises OSError where the disk is full, or the quarantine is over its bound."""
    folder = _made(session)
    _check_room(folder)
    kept = {
        "writer": stream.id,
        "run": stream.run_id,
        "url": stream.info.url,
        "reason": reason,
        "table": stream.table(),
        "records": batch.read(),
        "frame": batch.frame,
        "info": stream.info.as_dict(),
        "end": read_json(session.end_path(stream.info.owner)),
    }
    path = folder / f"{stream.id}-{batch.first}-{batch.last}.msgpack"
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    with os.fdopen(fd, "wb") as f:
        f.write(msgpack.packb(kept))


def keep_rejected(session: SessionDir, stream: Stream, batch: Batch, log: Callable[[str], None]) -> None:
    """Put aside what the lab can never accept. Raises nothing: a failure is logged."""
    try:
        keep(session, stream, batch, "rejected")
    except OSError as e:
        log(f"events {batch.first} to {batch.last} of {stream.id} could not even be put aside: {e}")


def keep_stopped(session: SessionDir, stream: Stream) -> None:
    """Put aside what was not sent of a writer that the lab stopped. Raises OSError."""
    for batch in tuple(stream.pending):
        if batch.last > stream.acked and batch.lost is None:
            keep(session, stream, batch, stream.stopped)


def keep_file(session: SessionDir, stream: Stream, request: FileRequest) -> None:
    """Put a file's request aside, with its snapshot if it has one. Raises OSError."""
    folder = _made(session) / "files"
    folder.mkdir(mode=0o700, exist_ok=True)
    _check_room(folder.parent)
    fields = {"request": request.as_dict(), "info": stream.info.as_dict(), "run": stream.run_id}
    write_json(folder / f"{request.id}.json", fields, durable=True)
    data = session.file_path(request.id, "data")
    if data.exists():
        os.replace(data, folder / data.name)


def keep_damaged(session: SessionDir) -> None:
    """Put aside the segments of a delivered session with bytes that could not be read. Raises OSError."""
    for path in Tail(session.path / "journal").damaged():
        os.replace(path, _made(session) / path.name)


def contents(home: Path) -> list[Aside]:
    """Return what the quarantine of a home has, by session. Reads every file there."""
    try:
        folders = sorted(p for p in (home / "quarantine").iterdir() if p.is_dir())
    except OSError:
        return []
    return [_aside(path) for path in folders]


def everywhere() -> list[Aside]:
    """Return the same of all homes: the one of now, and the places used instead of it."""
    return [aside for home in places.homes() for aside in contents(home)]


def _aside(path: Path) -> Aside:
    aside = Aside(path.name, path, bytes=_bytes_in(path))
    for _, first, last, kept in kept_events(path):
        count = last - first + 1
        aside.events += count
        _count(aside, str(kept.get("reason", "")), count, kept)
    for _, fields in kept_files(path):
        aside.files += 1
        _count(aside, str(fields["request"].get("reason", "")), 1, fields)
    aside.damaged = sum(1 for _ in path.glob("*.seg"))
    if aside.damaged:
        aside.reasons["damaged"] = aside.damaged
    return aside


def _count(aside: Aside, reason: str, count: int, kept: dict[str, Any]) -> None:
    aside.reasons[reason] = aside.reasons.get(reason, 0) + count
    name = ((kept.get("info") or {}).get("attach") or {}).get("name") or kept.get("run")
    aside.runs |= {str(name): None} if name else {}
    if kept.get("run"):
        aside.run_ids[str(kept["run"])] = aside.run_ids.get(str(kept["run"]), 0) + count


def kept_events(folder: Path) -> Iterator[tuple[Path, int, int, dict[str, Any]]]:
    """Yield (path, first, last, content) of each file of events, sorted by writer and number. A file that is not
    understood is left out.
    """
    named = []
    for path in folder.glob("*.msgpack"):
        if match := EVENTS_NAME.fullmatch(path.name):
            named.append((match[1], int(match[2]), int(match[3]), path))
    for _, first, last, path in sorted(named):
        try:
            kept = msgpack.unpackb(read_ours(path), strict_map_key=False)
        except (OSError, ValueError, msgpack.UnpackException):
            continue
        if isinstance(kept, dict):
            yield path, first, last, kept


def kept_files(folder: Path) -> Iterator[tuple[Path, dict[str, Any]]]:
    """Yield (path, request and writer) of each file that is in the quarantine."""
    for path in sorted((folder / "files").glob("*.json")):
        fields = read_json(path)
        if fields is not None and isinstance(fields.get("request"), dict):
            yield path, fields


def drop(aside: Aside) -> None:
    """Delete what the quarantine has of a session, for good. Raises OSError."""
    shutil.rmtree(aside.path)


def _check_room(folder: Path) -> None:
    if _bytes_in(folder.parent) > settings.QUARANTINE_BYTES_MAX:
        raise OSError(errno.EDQUOT, "the quarantine is full", str(folder.parent))


def _made(session: SessionDir) -> Path:
    folder = folder_of(session)
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    return folder


def _bytes_in(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
