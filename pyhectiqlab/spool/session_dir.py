"""The spool: a folder per session with everything that is not yet at the lab. Who writes which file, and how.

    spool/<session>/            0700
      session.json              by the owner, once: who owns it, since when
      writers/<writer>.json     by the producing process when it starts to log; then only by the uploader. Where that
                                cannot be written then, <session>-<writer>.json beside an older queue, until it can
      spill/<writer>            by the producing process
      queues/<writer>.q         only where no memory can be mapped
      journal/                  by the uploader: journal/FORMAT.md
      files/<id>.json           by the producing process: a file to upload; then only by the uploader
      files/<id>.data           the snapshot of that file, where one could be made (capture/snapshot.py); a folder
                                with the files of a model or dataset
      files/<id>.failed.json    by the uploader, in place of the request: why it is not at the lab
      files/<id>.answer.json    by the uploader, for a process that waits; which removes it
      console/                  what C libraries and child processes print: consolefiles.py
      ends/<pid>-<start>.json   by a process at its end: how it ended, as it saw it
      crash/<pid>               by faulthandler, in C: the stacks at a deadly signal
      lease, lease.json         by the process that drains it: an uploader, or a sync
      wake                      by a sync: the uploader is to send all now; and to which lab what was kept goes
      hurry                     touched by a process that waits for what is to be sent anyway
      status.json, uploader.log by the uploader
      synced.json, sync-lease   by a sync on another machine: how far it brought the lab (uploader/relay.py)

Where no home can be written, the folder is in another place: places.py.

What a lab no longer takes is moved to `quarantine/<session>/` beside the spool (uploader/quarantine.py).

A file to upload is a request with its snapshot. The request says whose run it goes to, its name and step, where the
bytes are and how they are held, and what the file was at the call: inode, size, time of the last change. Its id is the
lab's idempotency key. The uploader adds the digest once it is computed, so that a file is hashed once, whichever
process is killed. When the lab has the file, the request becomes `<id>.done`. Then the snapshot is removed, and
`<id>.done` last, so that no crash leaves a request without its snapshot. A snapshot is a file of ours alone (a copy, a
reflink, a zip), or a hard link. A hard link is uploaded only if nobody has written to the file; and so is a `source`
outside the folder, which is the user's own file.

A session is believed only if nobody else wrote it or could have written it (capture/ownership.py): its folders and
files are this user's, and others cannot write to them. Any other session is left alone, which is reported.

Small files are replaced whole (written beside, then renamed), so that a reader never sees half of one.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from .. import settings
from ..base.lazyclass import dataclass, field
from ..capture import ownership
from ..capture.process import Process
from ..errors import ConfigurationError
from . import places
from .entries import VERSION, FileRequest, Writer
from .smallfiles import opened_alone, read_json, read_ours, sync_path, write_json

LOG_BYTES_MAX = 1 << 20
DELIVERED_BYTES_MAX = 1 << 20  # of the notes on delivered files, twice: some 4,000 files


def _read_writers(folder: Path, prefix: str) -> Iterator[Writer]:
    """Yield the writers in `folder` whose files begin with `prefix`, sorted by name."""
    try:
        names = sorted(n for n in os.listdir(folder) if n.startswith(prefix) and n.endswith(".json") and n[0] != ".")
    except OSError:
        return
    for name in names:
        writer = _read_writer(folder / name)
        if writer is not None:
            yield writer


def _read_writer(path: Path) -> Writer | None:
    raw = read_json(path)
    if raw is not None:
        with contextlib.suppress(KeyError, TypeError, ValueError):
            return Writer.from_dict(raw)
    return None


def remove(path: Path) -> None:
    """Remove a file, or a folder. `shutil.rmtree` would cost `import pyhectiqlab` two milliseconds. Raises nothing."""
    with contextlib.suppress(OSError):
        path.unlink()
        return
    for folder, _, files in os.walk(path, topdown=False):
        with contextlib.suppress(OSError):
            for name in files:
                os.unlink(os.path.join(folder, name))
            os.rmdir(folder)


@dataclass(frozen=True)
class SessionDir:
    """Paths of one session and the small files in it."""

    path: Path
    name: str = field(init=False)
    writers_dir: Path = field(init=False, repr=False)  # made once: the uploader looks there fifty times a second
    files_dir: Path = field(init=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "name", self.path.name)
        object.__setattr__(self, "writers_dir", self.path / "writers")
        object.__setattr__(self, "files_dir", self.path / "files")

    @classmethod
    def create(cls, spool: Path, owner: Process, started: float) -> SessionDir:
        """Make a session. Raises OSError where the spool cannot be written, or is open to others; then nothing is left
        there.
        """
        spool.parent.mkdir(mode=0o700, parents=True, exist_ok=True)  # by itself: a parent would follow the umask
        spool.mkdir(mode=0o700, exist_ok=True)
        session = cls(spool / os.urandom(8).hex())
        session.path.mkdir(mode=0o700)
        try:
            for sub in ("writers", "spill", "journal", "ends", "crash"):
                (session.path / sub).mkdir(mode=0o700)
            if problem := ownership.folder_problem(session.path):  # a file system that knows no modes
                raise PermissionError(errno.EPERM, problem, str(session.path))
            fields = {"version": VERSION, "owner": owner.as_dict(), "started": started}
            write_json(session.path / "session.json", fields)
        except OSError:
            remove(session.path)
            raise
        return session

    @classmethod
    def create_somewhere(cls, owner: Process, started: float) -> tuple[SessionDir, str]:
        """Make a session in the home's spool or, if that cannot be written, in a place that stands in for it. Return
        also why it is there; "" for the home's spool. Raises OSError where there is no place at all.
        """
        try:
            return cls.create(settings.spool_dir(), owner, started), ""
        except ConfigurationError as e:
            why, error = f"no spool is known: {e}", OSError(errno.ENOENT, str(e))
        except OSError as e:
            why, error = f"the spool {settings.spool_dir()} cannot be written ({os.strerror(e.errno or 5)})", e
        for home in places.substitute_homes():
            with contextlib.suppress(OSError):
                return cls.create(home / "spool", owner, started), why
        raise error

    @classmethod
    def everywhere(cls) -> list[SessionDir]:
        """Return sessions on this machine in all places that a session of this user may be in, oldest first in each."""
        return [session for home in places.homes() for session in cls.all(home / "spool")]

    @classmethod
    def all(cls, spool: Path) -> list[SessionDir]:
        """Return this user's sessions in a spool, oldest first."""
        seen = []
        with contextlib.suppress(OSError), os.scandir(spool) as entries:
            for entry in entries:
                with contextlib.suppress(OSError):  # somebody else's, in a spool that several share
                    if entry.is_dir(follow_symlinks=False):
                        began = os.lstat(f"{entry.path}/session.json").st_mtime_ns  # written once
                        if ownership.is_ours(entry.stat(follow_symlinks=False), Path(entry.path)):
                            seen.append((began, entry.name))
        return [cls(spool / name) for _, name in sorted(seen)]

    def problem(self) -> str:
        """Return why somebody else may have written what is in it, and what to do about it; "" where nobody could. Call
        it before a session is delivered. Raises nothing.
        """
        # A snapshot is checked by its identity, and may be a link to another user's file. `.d` is a folder that is
        # being packed.
        return ownership.tree_problem(self.path, but=(".data", ".d"))

    def info(self) -> dict[str, Any]:
        return read_json(self.path / "session.json") or {}

    def owner(self) -> Process | None:
        try:
            return Process.from_dict(self.info()["owner"])
        except (KeyError, TypeError, ValueError):
            return None

    def file_path(self, ident: str, what: str = "json") -> Path:
        """`what`: json, data, failed.json, answer.json or done."""
        return self.files_dir / f"{ident}.{what}"

    def file_request(self, ident: str, what: str = "json") -> FileRequest | None:
        """Return a request; None where there is none (any more), or it is not understood."""
        raw = read_json(self.file_path(ident, what))
        try:
            return None if raw is None else FileRequest.from_dict(raw)
        except (KeyError, TypeError, ValueError):
            return None

    def file_ids(self, what: str = "json") -> list[str]:
        """Return the ids of requests that wait (`json`) or failed (`failed.json`), in no order."""
        try:
            names = os.listdir(self.files_dir)
        except OSError:
            return []
        return [name[:32] for name in names if name[32:] == f".{what}"]

    def note_delivered(self, request: FileRequest) -> None:
        """Remember a file that the lab has, in case the lab is restored from an older backup. The last few thousand are
        kept. Best effort.
        """
        path = self.path / "delivered"
        with contextlib.suppress(OSError):
            if path.exists() and path.stat().st_size > DELIVERED_BYTES_MAX:
                os.replace(path, self.path / "delivered.old")
            with open(path, "a", opener=opened_alone) as f:
                f.write(json.dumps(request.as_dict()) + "\n")

    def delivered(self) -> list[FileRequest]:
        """Return the files that the lab had, each once, as last noted. A `reason` says that the file was given up
        since.
        """
        by_id: dict[str, FileRequest] = {}
        for name in ("delivered.old", "delivered"):
            with contextlib.suppress(OSError):
                for line in read_ours(self.path / name).decode().splitlines():
                    with contextlib.suppress(KeyError, TypeError, ValueError):  # a torn line
                        request = FileRequest.from_dict(json.loads(line))
                        by_id[request.id] = request
        return list(by_id.values())

    def log(self, text: str) -> None:
        """Append a line to uploader.log, up to a bound. Never raises. From any thread."""
        path = self.path / "uploader.log"
        line = f"{time.strftime('%Y-%m-%dT%H:%M:%S')} [{os.getpid()}] {text}\n"
        with contextlib.suppress(OSError):
            if not path.exists() or path.stat().st_size < LOG_BYTES_MAX:
                with open(path, "a", opener=opened_alone) as f:
                    f.write(line)

    def spill(self, writer: str) -> Path:
        return self.path / "spill" / writer

    def writers(self) -> Iterator[Writer]:
        """Yield the writers that announced themselves. A file that is not understood is skipped."""
        seen, folders = set(), set(places.queue_folders())
        for writer in _read_writers(self.writers_dir, ""):
            seen.add(writer.writer)
            folders.add(Path(writer.queue).parent)
            yield writer
        for _, writer in self.announced_beside(folders):
            if writer.writer not in seen:
                yield writer

    def writer(self, writer: str) -> Writer | None:
        """Return one writer's file. None where there is none that is understood, or only an announcement elsewhere."""
        return _read_writer(self.writer_path(writer))

    def writer_path(self, writer: str) -> Path:
        return self.writers_dir / f"{writer}.json"

    def save_writer(self, writer: Writer, *, durable: bool = False) -> None:
        write_json(self.writer_path(writer.writer), writer.as_dict(), durable=durable)

    def announce(self, writer: Writer) -> None:
        """Announce a writer; for the producing process. If the disk is full or read-only now, the announcement goes
        beside a queue, which is in another file system, so that the process can still log. Raises OSError where that
        fails, too.
        """
        try:
            self.save_writer(writer)
        except OSError:
            beside = (*(Path(known.queue).parent for known in self.writers()), *places.queue_folders())
            for folder in dict.fromkeys(beside):  # the parent's folder first: it lives as long as the session
                with contextlib.suppress(OSError):
                    write_json(folder / f"{self.name}-{writer.writer}.json", writer.as_dict())
                    return
            raise

    def announced_beside(self, folders: Iterable[Path]) -> Iterator[tuple[Path, Writer]]:
        """Yield the announcements beside queues: each file, and its writer."""
        for folder in folders:
            for writer in _read_writers(folder, f"{self.name}-"):
                yield folder / f"{self.name}-{writer.writer}.json", writer

    def sync_writers(self, writers: Iterable[str]) -> None:
        """Put the files of these writers on disk, so that they survive a power failure: without them nobody would know
        whose events the journal holds. The uploader does this, not the call, as it takes milliseconds. Best effort.
        """
        for path in (*map(self.writer_path, writers), self.path / "session.json"):
            with contextlib.suppress(OSError):
                sync_path(path)
        for folder in (self.writers_dir, self.path, self.path.parent):
            with contextlib.suppress(OSError):
                sync_path(folder)

    def end_path(self, process: Process) -> Path:
        return self.path / "ends" / f"{process.pid}-{process.start:.0f}.json"

    def crash_path(self, pid: int) -> Path:
        return self.path / "crash" / str(pid)
