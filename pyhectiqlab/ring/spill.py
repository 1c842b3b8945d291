"""The spill file: records that the ring could not take, each with its place in the order of calls."""

from __future__ import annotations

import os
import struct
import sys
import zlib
from collections.abc import Iterator
from pathlib import Path

from ..base.fds import lifted

MAGIC = b"\xffHQS"
FRAME = struct.Struct("<4sQII")  # magic, tail, length, crc
READ_BYTES = 1 << 20
PUNCH_BYTES = 4 << 20  # give disk blocks back once this much has been drained


def frame(tail: int, record: bytes) -> bytes:
    return FRAME.pack(MAGIC, tail, len(record), zlib.crc32(record)) + record


class SpillWriter:
    """Appends frames. Any thread, handler or re-entrant call may append: each append is one O_APPEND write."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._fd = -1

    def append(self, tail: int, record: bytes) -> None:
        """Append a record. Raises OSError (disk full, folder gone). A short write is an error, too; the reader skips
        it.
        """
        if self._fd < 0:
            flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC
            fd = lifted(os.open(self.path, flags, 0o600))
            if self._fd < 0:
                self._fd = fd
            else:  # a handler interrupted us here and opened it first
                os.close(fd)
        data = frame(tail, record)
        if os.write(self._fd, data) != len(data):
            raise OSError(28, "No space left on device", str(self.path))

    def size(self) -> int:
        """Return the size of the file; 0 where there is none."""
        return os.fstat(self._fd).st_size if self._fd >= 0 else 0

    def close(self) -> None:
        if self._fd >= 0:
            fd, self._fd = self._fd, -1
            os.close(fd)


class SpillReader:
    """Reads frames from a byte offset on; for the consumer, while the producer appends."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._fd = -1
        self._punched = 0

    def size(self) -> int:
        if self._fd < 0:
            try:
                self._fd = os.open(self.path, os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC)
            except FileNotFoundError:
                return 0
        return os.fstat(self._fd).st_size

    def frames(self, start: int, end: int) -> Iterator[tuple[int, bytes, int]]:
        """Yield (tail, record, offset behind the frame) of the whole frames in [start, end), in the order written.

        Bytes that are no frame (a write cut short by a full disk) are skipped up to the next frame. A frame cut off by
        `end` is left for the next call.
        """
        block, base, at = b"", start, start  # `block` holds the file's bytes from `base` on
        while at + FRAME.size <= end:
            if at + FRAME.size > base + len(block):
                block, base = self._load(at, READ_BYTES, end), at
            magic, tail, length, crc = FRAME.unpack_from(block, at - base)
            behind = at + FRAME.size + length
            if magic == MAGIC and behind <= end:
                if behind > base + len(block):
                    block, base = self._load(at, max(READ_BYTES, behind - at), end), at
                record = block[at + FRAME.size - base : behind - base]
                if zlib.crc32(record) == crc:
                    yield tail, record, behind
                    at = behind
                    continue
            next_at = self._next_magic(at + 1, end)
            if next_at is None:
                return
            at = next_at

    def _load(self, at: int, size: int, end: int) -> bytes:
        """Return bytes of the file. Raises OSError where the file became shorter."""
        block = os.pread(self._fd, min(size, end - at), at)
        if len(block) < min(size, end - at):
            raise OSError(5, "the spill file is shorter than it was", str(self.path))
        return block

    def _next_magic(self, at: int, end: int) -> int | None:
        while at + len(MAGIC) <= end:
            block = self._load(at, READ_BYTES, end)
            offset = block.find(MAGIC)
            if offset >= 0:
                return at + offset
            at += len(block) - len(MAGIC) + 1
        return None

    def free(self, upto: int) -> None:
        """Free the disk blocks of drained bytes, where the file system can do that (fallocate PUNCH_HOLE). The file
        keeps its length, so the producer does not notice.
        """
        if upto - self._punched >= PUNCH_BYTES and self._fd >= 0 and punch(self._fd, self._punched, upto & ~4095):
            self._punched = upto & ~4095

    def close(self) -> None:
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1


def punch(fd: int, start: int, end: int) -> bool:
    """Free the disk blocks of a file's bytes in [start, end), multiples of 4096. Return whether the file system can."""
    if sys.platform != "linux" or end <= start:
        return False
    import ctypes  # only once several MiB went through the spill file

    fallocate = ctypes.CDLL(None, use_errno=True).fallocate
    keep_size_punch_hole = 0x01 | 0x02
    return bool(fallocate(fd, keep_size_punch_hole, ctypes.c_longlong(start), ctypes.c_longlong(end - start)) == 0)
