"""Tail: reads a journal that another process, perhaps on another machine, is writing. It changes nothing."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from .frames import DATA_HEAD_BYTES, Damage, Data, Frame, read_frames
from .journal import SEGMENT_NAME, Location


class Tail:
    """A reader. Each `read` goes on behind the last whole frame of every segment that it has seen."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._read_to: dict[str, int] = {}

    def read(self) -> Iterator[tuple[Frame, Location | None]]:
        """Yield every whole frame that was appended since, oldest first. A frame that is not whole is left for later.
        Damage with frames behind it is skipped; the session's own uploader reports it. Raises OSError where the folder
        cannot be read.
        """
        for path in self._segments():
            try:
                with open(path, "rb") as f:
                    yield from self._of(path, f.fileno())
            except FileNotFoundError:
                continue  # acked and released meanwhile
            except ValueError:
                continue  # no segment of a version known here

    def damaged(self) -> list[Path]:
        """Return the segments with bytes that are no frame although frames follow, and the files that are no
        segments.
        """
        paths = []
        for path in self._segments():
            try:
                with open(path, "rb") as f:
                    if _is_damaged(f.fileno()):
                        paths.append(path)
            except FileNotFoundError:
                continue  # acked and released meanwhile
            except ValueError:
                paths.append(path)
        return paths

    def _segments(self) -> list[Path]:
        try:
            names = os.listdir(self._folder)
        except FileNotFoundError:
            return []
        segments = [(int(match[1]), int(match[2]), name) for name in names if (match := SEGMENT_NAME.fullmatch(name))]
        return [self._folder / name for _, _, name in sorted(segments)]

    def _of(self, path: Path, fd: int) -> Iterator[tuple[Frame, Location | None]]:
        size, start = os.fstat(fd).st_size, self._read_to.get(path.name, 0)
        if size <= start:
            return
        for item in read_frames(lambda at, n: os.pread(fd, n, at), size, start):
            if isinstance(item, Damage):
                self._read_to[path.name] = item.end
                continue
            offset, length, frame = item
            self._read_to[path.name] = offset + length
            location = None
            if isinstance(frame, Data):
                location = Location(path, offset + DATA_HEAD_BYTES, length - DATA_HEAD_BYTES)
            yield frame, location


def _is_damaged(fd: int) -> bool:
    items = read_frames(lambda at, n: os.pread(fd, n, at), os.fstat(fd).st_size)
    return any(isinstance(item, Damage) for item in items)
