"""The quarantine: what can never be sent, moved aside instead of deleted. `$HECTIQLAB_HOME/quarantine/<session>/`.

    <writer>-<first>-<last>.msgpack   events that the lab refused, or whose run it deleted or denies: {writer, run, url,
                                      reason, table, records, frame}, with the records and the keys that they
                                      need (protocol/FORMAT.md, sections 1 and 2); `frame`: the first and
                                      last number of the records, where they are more than those that were refused
    NNNN-NNNNNN.seg                   a segment of the journal with bytes that are no frame

Nothing here is read again by pyhectiqlab; `hectiqlab status` counts it, and it may be deleted by hand.
"""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import Any

import msgpack

from .. import settings
from ..journal import Tail
from ..spool import SessionDir
from .stream import Batch, Stream


def folder_of(session: SessionDir) -> Path:
    return session.path.parent.parent / "quarantine" / session.name


def keep(session: SessionDir, stream: Stream, batch: Batch, reason: str) -> None:
    """Writes the records of a batch aside. Raises OSError: the disk is full, or the quarantine over its bound."""
    folder = _made(session)
    if _bytes_in(folder.parent) > settings.QUARANTINE_BYTES_MAX:
        raise OSError(errno.EDQUOT, "the quarantine is full", str(folder.parent))
    kept = {
        "writer": stream.id,
        "run": stream.run_id,
        "url": stream.info.url,
        "reason": reason,
        "table": stream.table(),
        "records": batch.read(),
        "frame": batch.frame,
    }
    path = folder / f"{stream.id}-{batch.first}-{batch.last}.msgpack"
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    with os.fdopen(fd, "wb") as f:
        f.write(msgpack.packb(kept))


def keep_stopped(session: SessionDir, stream: Stream) -> None:
    """All that a writer that the lab stopped has not sent. Raises OSError."""
    for batch in tuple(stream.pending):
        if batch.last > stream.acked and batch.lost is None:
            keep(session, stream, batch, stream.stopped)


def keep_damaged(session: SessionDir) -> None:
    """Segments of a delivered session that hold bytes which could not be read. Raises OSError."""
    for path in Tail(session.path / "journal").damaged():
        os.replace(path, _made(session) / path.name)


def contents(home: Path) -> list[dict[str, Any]]:
    """What is there, a session each: its name, `files` and `bytes`."""
    try:
        found = sorted(p for p in (home / "quarantine").iterdir() if p.is_dir())
    except OSError:
        return []
    return [{"session": p.name, "path": str(p), "files": len(os.listdir(p)), "bytes": _bytes_in(p)} for p in found]


def _made(session: SessionDir) -> Path:
    folder = folder_of(session)
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    return folder


def _bytes_in(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
