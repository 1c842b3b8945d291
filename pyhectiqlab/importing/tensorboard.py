"""TensorBoard event files, with their steps and wall times; one run for each folder that holds some.

An event file is a TFRecord file of `Event` messages, whose values tensorboard_values.py reads.
"""

from __future__ import annotations

import hashlib
import os
import struct
from collections.abc import Iterable, Iterator
from functools import partial
from pathlib import Path

from ..errors import ConfigurationError
from .files import report, reporting
from .points import Problems, digest_of
from .protobuf import BYTES, FIXED64, VARINT, fields, message, signed
from .source import Item, Part, Source
from .tensorboard_values import Values
from .tfrecord import records

_MARK = "tfevents"
_CONTENT = "tensorboard with media"  # an older version brought scalars alone, and named its content otherwise


def sources(paths: Iterable[Path], problems: Problems) -> list[Source]:
    """Return the runs of folders (and all below them) or event files. A run gets the name of its folder's path below
    the one given, or the name of that one if the files are in it.

    What is appended to the files after this call is not read. Files and folders that cannot be read are reported; so is
    a run whose first file is one of them, as it tells which run it is. Blocks on the disk. Raises ConfigurationError
    where there are no event files.
    """
    runs = []
    for path in paths:
        known = problems.lines()
        folders: dict[Path, list[Path]] = {}
        with reporting(path, problems):
            folders = {path.parent: [path]} if path.is_file() else _event_files(path, problems)
        if not folders and problems.lines() == known:
            missing = "holds no event files (*tfevents*)" if path.exists() else "does not exist"
            raise ConfigurationError(f"{path} {missing}: give the folder that you give to `tensorboard --logdir`.")
        root = path.parent if path.is_file() else path
        for folder, files in folders.items():
            name = root.resolve().name if folder == root else folder.relative_to(root).as_posix()
            parts: list[Part] = []
            sized: list[tuple[Path, int]] = []
            for file in files:
                with reporting(file, problems):
                    parts.append(_part(file, file.stat().st_size))
                    sized.append((file, parts[-1].size))
            if sized and sized[0][0] == files[0]:
                runs.append(Source(name, digest_of(_CONTENT, sized), tuple(parts)))
            elif sized:
                said = f"the run {name!r}: its first file cannot be read: import it again when it can"
                problems.add(f"first {folder}", said)
    return runs


def _part(path: Path, size: int) -> Part:
    """Return a file as a part. Its head is its first record, which says when the file was made."""
    with path.open("rb") as file:
        first = next(records(file, size), (0, None))[1] or b""
    head = hashlib.sha256(path.name.encode("utf-8", "surrogateescape") + b"\0" + first).hexdigest()[:32]
    return Part(
        path.name, head, size, lambda some: digest_of("tensorboard", [(path, some)]), partial(_items, path, size, head)
    )


def _event_files(path: Path, problems: Problems) -> dict[Path, list[Path]]:
    """Return folder → its event files, sorted by names, which begin with the time when they were made.

    Links to folders are followed, as TensorBoard does. Each folder is read once, so that links in a circle have an end.
    If a folder and a link to it are both below `path`, its own name counts.
    """

    def unreadable(error: OSError) -> None:
        report(error, path, problems)

    folders: dict[Path, list[Path]] = {}
    seen: set[Path] = set()
    left = [path] if path.exists() else []
    while left:
        start = left.pop(0)
        for folder, inner, names in os.walk(start, onerror=unreadable):
            real = Path(folder).resolve()
            if real in seen:
                inner.clear()
                continue
            seen.add(real)
            inner.sort()
            left += [Path(folder, name) for name in inner if Path(folder, name).is_symlink()]
            files = [Path(folder, name) for name in sorted(names) if _MARK in name]
            files = [file for file in files if file.is_file()]  # a link may lead nowhere
            if files:
                folders[Path(folder)] = files
    return dict(sorted(folders.items()))


def _items(path: Path, size: int, head: str, problems: Problems) -> Iterator[Item]:
    """Yield what the first so many bytes of a file hold."""
    values = Values(path, head, problems)
    with path.open("rb") as file:
        for at, data in records(file, size):
            if data is None:
                problems.add(f"checksum {path}", f"{path}: what is at byte {at:,} is damaged and left out")
                continue
            try:
                items = list(_of_event(memoryview(data), values))
            except (ValueError, struct.error):
                problems.add(f"event {path}", f"{path}: the record at byte {at:,} is not an event and left out")
                continue
            yield from items


def _of_event(data: memoryview, values: Values) -> Iterator[Item]:
    """Event: 1 wall_time (double), 2 step (int64), 3 file_version, 5 summary, whose 1 are its values."""
    time, step, summaries = 0.0, 0, []
    for number, kind, value in fields(data):
        if (number, kind) == (1, FIXED64) and not isinstance(value, int):
            time = struct.unpack("<d", value)[0]
        elif (number, kind) == (2, VARINT) and isinstance(value, int):
            step = signed(value)
        elif (number, kind) == (3, BYTES) and not isinstance(value, int):
            values.check_version(bytes(value))
        elif (number, kind) == (5, BYTES) and not isinstance(value, int):
            summaries.append(value)
    for summary in summaries:
        for one in message(summary).get(1, []):
            if not isinstance(one, int):
                yield from values.of(one, step, time)
