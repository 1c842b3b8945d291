"""Journal: appends frames to segments, finds them again after a crash, removes segments that are no longer needed."""

from __future__ import annotations

import contextlib
import os
import re
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from ..base import crashpoints
from ..settings import FSYNC_INTERVAL_S, JOURNAL_KEEP_BYTES, JOURNAL_KEEP_S, JOURNAL_SEGMENT_BYTES
from .frames import DATA_HEAD_BYTES, SEGMENT_MAGIC, Ack, Damage, Data, Frame, Keys, Lost, read_frames

SEGMENT_NAME = re.compile(r"(\d{4,})-(\d{6,})\.seg")


@dataclass(frozen=True, slots=True)
class Location:
    """Where the records of a data frame are."""

    path: Path
    offset: int
    size: int

    def read(self) -> bytes:
        """Return the records. Raises OSError where the segment is gone or cut short."""
        with open(self.path, "rb") as f:
            data = os.pread(f.fileno(), self.size, self.offset)
        if len(data) != self.size:
            raise OSError(5, "the journal is shorter than it was", str(self.path))
        return data


class _Segment:
    def __init__(self, path: Path, size: int, written: float) -> None:
        self.path, self.size, self.written = path, size, written
        self.last: dict[str, int] = {}  # writer → last sequence number in here
        self.writers: set[str] = set()  # writers whose keys are in here


class Journal:
    """One session's journal. One thread appends; reading locations is safe from any.

    Appends may raise OSError (disk full). Then nothing counts as appended, and the caller goes on without the journal
    until an append succeeds again.
    """

    def __init__(
        self,
        folder: Path,
        *,
        clock: Callable[[], float] = time.monotonic,
        fsync: Callable[[int], None] = os.fsync,
        segment_bytes_max: int | None = None,
    ) -> None:
        self.folder = folder
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._clock, self._fsync, self._segment_bytes_max = clock, fsync, segment_bytes_max
        self._segments: list[_Segment] = []
        self._fd = -1
        self._index = 0
        self._synced_at = clock()
        self._dirty = False
        self._unnamed = False  # whether the name of a new segment may not be on disk yet
        self._damaged = False
        self._acked: dict[str, int] = {}
        self._acked_once: dict[str, int] = {}  # the same, without going back where the lab went back
        paths = self._paths()
        self.incarnation = 1 + max((n for n, _, _ in paths), default=0)

    def _paths(self) -> list[tuple[int, int, Path]]:
        paths = []
        for path in self.folder.iterdir():
            if match := SEGMENT_NAME.fullmatch(path.name):
                paths.append((int(match[1]), int(match[2]), path))
        return sorted(paths)

    def recover(self, report: Callable[[str], None] = lambda text: None) -> Iterator[tuple[Frame, Location | None]]:
        """Yield every frame of earlier incarnations, oldest first, with its location where it is data. Call it once,
        before appending.

        Damage is reported by a line, and skipped. One segment is read at a time.
        """
        for number, _, path in self._paths():
            if number >= self.incarnation:
                continue
            stat = path.stat()
            segment = _Segment(path, stat.st_size, stat.st_mtime)
            self._segments.append(segment)
            for frame, location in _recover_segment(segment, report):
                if isinstance(frame, Ack):
                    self._forget(frame.writer, frame.cursor)
                yield frame, location

    def append(self, item: Data, keys: Callable[[], bytes]) -> Location:
        """Append a batch. `keys` returns the writer's whole intern table, which is written first if this segment lacks
        it.
        """
        self._room(DATA_HEAD_BYTES + len(item.records))
        segment = self._segments[-1]
        if item.writer not in segment.writers:
            table = keys()
            if table:
                self._write(Keys(item.writer, table).pack())
            segment.writers.add(item.writer)
        offset = segment.size + DATA_HEAD_BYTES
        self._write(item.pack())
        segment.last[item.writer] = item.last
        return Location(segment.path, offset, len(item.records))

    def append_keys(self, writer: str, table: bytes) -> None:
        """Append what a writer's intern table gained. If its snapshot is not written yet, do nothing: the snapshot will
        have it.
        """
        if self._segments and self._fd >= 0 and writer in self._segments[-1].writers:
            self._write(Keys(writer, table).pack())

    def append_ack(self, writer: str, cursor: int) -> None:
        self._forget(writer, cursor)  # first: on a full disk, it allows segments to be removed
        self._room(64)
        self._write(Ack(writer, cursor).pack())

    def _forget(self, writer: str, cursor: int) -> None:
        self._acked[writer] = max(cursor, self._acked.get(writer, 0))
        self._acked_once[writer] = max(cursor, self._acked_once.get(writer, 0))

    def rewind(self, writer: str, cursor: int) -> None:
        """Note that the lab holds no more than this after all: what is behind it is needed again, and not released."""
        self._acked[writer] = min(cursor, self._acked.get(writer, 0))

    def _is_acked(self, segment: _Segment) -> bool:
        return all(last <= self._acked.get(writer, 0) for writer, last in segment.last.items())

    def append_lost(self, item: Lost) -> None:
        self._room(64)
        self._write(item.pack())
        last = self._segments[-1].last
        last[item.writer] = max(item.last, last.get(item.writer, 0))

    def _room(self, size: int) -> None:
        """Open a new segment if there is none, it has no room, or a failed write left a torn frame in it."""
        most = min(JOURNAL_SEGMENT_BYTES, self._segment_bytes_max or JOURNAL_SEGMENT_BYTES)
        if self._fd >= 0 and not self._damaged and self._segments[-1].size + size <= most:
            return
        self._end_segment()
        path, self._fd = self._new_segment()
        self._damaged = False
        self._segments.append(_Segment(path, 0, time.time()))
        self._unnamed = True
        crashpoints.passing("journal.opened")
        try:
            # The acks are repeated. Else they would be removed with an older segment, and the numbers before this
            # segment would be taken for damage.
            self._write(SEGMENT_MAGIC + b"".join(Ack(*acked).pack() for acked in self._acked_once.items()))
        except OSError:  # each try on a full disk would leave an empty file
            self._segments.pop()
            os.close(self._fd)
            self._fd = -1
            path.unlink(missing_ok=True)
            raise

    def _new_segment(self) -> tuple[Path, int]:
        while True:
            path = self.folder / f"{self.incarnation:04d}-{self._index:06d}.seg"
            self._index += 1
            with contextlib.suppress(FileExistsError):  # two uploaders may begin before either has written
                return path, os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_CLOEXEC, 0o600)

    def _write(self, data: bytes) -> None:
        segment = self._segments[-1]
        try:
            written = os.write(self._fd, data)
        except OSError:
            self._damaged = True
            raise
        if written != len(data):
            self._damaged = True
            try:  # a torn frame in the middle would be reported as damage
                os.ftruncate(self._fd, segment.size)
            except OSError:
                pass  # then reading skips it, by the frame's CRC
            raise OSError(28, "No space left on device", str(segment.path))
        segment.size += written
        segment.written = time.time()
        self._dirty = True

    def _end_segment(self) -> None:
        if self._fd >= 0:
            self.sync(force=True)
            os.close(self._fd)
            self._fd = -1

    def sync(self, force: bool = False) -> None:
        """Put on disk what was appended, so that it survives a power failure; at most once a second unless forced."""
        now = self._clock()
        if self._dirty and self._fd >= 0 and (force or now - self._synced_at >= FSYNC_INTERVAL_S):
            self._fsync(self._fd)
            if self._unnamed:
                self._fsync_folder()
            self._dirty, self._synced_at = False, now
            crashpoints.passing("journal.synced")

    def _fsync_folder(self) -> None:
        fd = os.open(self.folder, os.O_RDONLY | os.O_CLOEXEC)
        try:
            os.fsync(fd)
        finally:
            os.close(fd)
        self._unnamed = False

    def bytes(self) -> int:
        return sum(segment.size for segment in self._segments)

    def release(self, budget: int, keep_s: float = JOURNAL_KEEP_S) -> None:
        """Remove acked segments: those older than `keep_s`; and, oldest first, others while all segments take more than
        `budget` bytes or the acked ones more than JOURNAL_KEEP_BYTES. Never removes an unacked segment, nor the one
        that is appended to.
        """
        now = time.time()
        total = self.bytes()
        acked = sum(s.size for s in self._segments if self._is_acked(s))
        last = self._segments[-1] if self._fd >= 0 else None
        kept = []
        for segment in self._segments:
            done = segment is not last and self._is_acked(segment)
            if done and (total > budget or acked > JOURNAL_KEEP_BYTES or now - segment.written > keep_s):
                segment.path.unlink(missing_ok=True)
                crashpoints.passing("journal.released")
                total, acked = total - segment.size, acked - segment.size
            else:
                kept.append(segment)
        self._segments = kept

    def all_acked(self) -> bool:
        return all(map(self._is_acked, self._segments))

    def close(self) -> None:
        """Close the journal. Safe twice."""
        self._end_segment()


def _recover_segment(segment: _Segment, report: Callable[[str], None]) -> Iterator[tuple[Frame, Location | None]]:
    path = segment.path
    with open(path, "rb") as f:
        try:
            for item in read_frames(lambda at, size: os.pread(f.fileno(), size, at), segment.size):
                if isinstance(item, Damage):
                    report(f"{path.name}: bytes {item.start} to {item.end} are damaged and were skipped")
                    continue
                offset, size, frame = item
                location = None
                if isinstance(frame, Data):
                    location = Location(path, offset + DATA_HEAD_BYTES, size - DATA_HEAD_BYTES)
                if isinstance(frame, Data | Lost):
                    segment.last[frame.writer] = max(frame.last, segment.last.get(frame.writer, 0))
                yield frame, location
        except ValueError as e:
            report(f"{path.name}: {e}")
