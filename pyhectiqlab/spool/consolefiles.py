"""A captured console in the spool: the files that the printing process and the uploader share. Files only.

    console/stdout, stderr    appended to by C libraries and child processes, through descriptors 1 and 2
    console/shown             words: how far the files were copied to the terminal; flocked by the process that copies
    console/<writer>-<run>    words: how far they were recorded, for the run of the writer `run`, by a writer of its own

Each word has 8 bytes and one process that writes it, by one `pwrite`.
"""

from __future__ import annotations

import fcntl
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ..base.fds import lifted
from ..ring.mapping import FileWords

STREAMS = ("stdout", "stderr")
COPY_BYTES_MAX = 4096  # a pipe that is ready takes this much without blocking

# Words of `shown`. Those of a stream are at the word plus the stream's index.
SHOWN = 0  # bytes on the terminal, or given up because it is gone
ENDED = 2  # written by the process: 1: descriptors 1 and 2 are its own again
FULL = 3  # written by the uploader: 1: take them back, the disk is full

# Words of a recording.
FROM = 0  # written by the process: bytes before this are not recorded
UNTIL = 2  # written by the process: 0: it goes on; else 1 more than the byte at which it ends
RECORDED = 4  # written by the uploader: bytes that are log events in its queue
INTENT = 6  # written by the uploader, three words: stream, RECORDED after the next put, the queue's end before it
JOURNALED = 9  # bytes whose events are in the journal
ACKED = 11  # … and at the lab
WORDS = 13


class ConsoleDir:
    """The folder `console` of a session."""

    def __init__(self, session: Path) -> None:
        self.path = session / "console"

    def exists(self) -> bool:
        return self.path.is_dir()

    def make(self) -> None:
        """Make the folder and its files. Safe twice. Raises OSError."""
        self.path.mkdir(mode=0o700, exist_ok=True)
        for name in (*STREAMS, "shown"):
            os.close(os.open(self.path / name, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600))

    def file(self, stream: str) -> Path:
        return self.path / stream

    def shown(self) -> Words:
        return Words(self.path / "shown")

    def ask(self, run: str, start: tuple[int, int]) -> Words:
        """Ask the uploader to record from here on, for the run of the writer `run`. Raises OSError."""
        writer = os.urandom(16).hex()
        made = self.path / f".{writer}"
        fd = os.open(made, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        try:
            words = [0] * WORDS
            for at in (FROM, RECORDED, JOURNALED, ACKED):
                words[at : at + 2] = start
            os.write(fd, b"".join(n.to_bytes(8, sys.byteorder) for n in words))
        finally:
            os.close(fd)
        made.rename(self.path / f"{writer}-{run}")
        return Words(self.path / f"{writer}-{run}")

    def asked(self) -> Iterator[tuple[str, str, Path]]:
        """Yield (writer, run, file) of each recording."""
        try:
            names = sorted(os.listdir(self.path))
        except OSError:
            return
        for name in names:
            writer, dash, run = name.partition("-")
            if dash and not name.startswith("."):
                yield writer, run, self.path / name


class Words(FileWords):
    """Words of a file. Two processes see each other's words at once. Raises OSError."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.fd = lifted(os.open(path, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW))
        super().__init__(self.fd)

    def pair(self, at: int) -> tuple[int, int]:
        return self[at], self[at + 1]

    def store(self, at: int, values: tuple[int, ...]) -> None:
        os.pwrite(self.fd, b"".join(n.to_bytes(8, sys.byteorder) for n in values), 8 * at)

    @contextmanager
    def copying(self) -> Iterator[bool]:
        """Take the right to copy to the terminal. Yields False where another process has it. A process that is killed
        loses it.
        """
        try:
            fcntl.flock(self.fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            yield False
            return
        try:
            yield True
        finally:
            fcntl.flock(self.fd, fcntl.LOCK_UN)

    def close(self) -> None:
        os.close(self.fd)


def copy_some(file: int, terminal: int, shown: Words, stream: int) -> int:
    """Copy the next bytes of a stream to its terminal. Return how many; 0 where all are there. Blocks as long as the
    terminal does. Raises OSError. Call it within `shown.copying()`.
    """
    start = shown[SHOWN + stream]
    data = os.pread(file, COPY_BYTES_MAX, start)
    if not data:
        return 0
    written = os.write(terminal, data)
    shown[SHOWN + stream] = start + written
    return written
