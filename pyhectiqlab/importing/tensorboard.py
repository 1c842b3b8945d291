"""Scalars of TensorBoard event files, with their steps and wall times; one run for each folder that holds some.

An event file is a TFRecord file of `Event` messages. A scalar is a `simple_value` or, as TensorFlow 2 writes it, a
tensor without dimensions. Images, histograms, texts, graphs and hyperparameters are left out.
"""

from __future__ import annotations

import hashlib
import os
import struct
from collections.abc import Iterable, Iterator
from functools import partial
from pathlib import Path

from ..errors import ConfigurationError
from .points import Part, Point, Problems, Source, digest_of, is_time, trouble_with_key
from .protobuf import BYTES, FIXED32, FIXED64, VARINT, fields, signed, varint
from .tfrecord import DamagedError, records

_MARK = "tfevents"
_SCALARS = ("", "scalars")  # plugins whose tensors are scalars; other plugins keep other things in such tensors
_FIXED_FORMS = {1: "f", 2: "d"}  # DataType → struct's letter
_INT_FORMS = {3: "i", 4: "B", 5: "h", 6: "b", 9: "q", 10: "?", 17: "H", 22: "I", 23: "Q"}
_UINT64 = 23


def sources(paths: Iterable[Path]) -> list[Source]:
    """Return the runs of folders (and all below them) or event files. A run gets the name of its folder's path below
    the one given, or the name of that one if the files are in it.

    What is appended to the files after this call is not read. Blocks on the disk. Raises ConfigurationError where there
    are no event files, OSError.
    """
    runs = []
    for path in paths:
        folders = {path.parent: [path]} if path.is_file() else _event_files(path)
        if not folders:
            missing = "holds no event files (*tfevents*)" if path.exists() else "does not exist"
            raise ConfigurationError(f"{path} {missing}: give the folder that you give to `tensorboard --logdir`.")
        root = path.parent if path.is_file() else path
        for folder, files in folders.items():
            sized = [(file, file.stat().st_size) for file in files]
            name = root.resolve().name if folder == root else folder.relative_to(root).as_posix()
            parts = tuple(_part(file, size) for file, size in sized)
            runs.append(Source(name, digest_of("tensorboard", sized), parts))
    return runs


def _part(path: Path, size: int) -> Part:
    """Return a file as a part. Its head is its first record, which says when the file was made."""
    with path.open("rb") as file:
        try:
            first = next(records(file, size), (0, None))[1] or b""
        except DamagedError:
            first = b""
    head = hashlib.sha256(path.name.encode("utf-8", "surrogateescape") + b"\0" + first).hexdigest()[:32]
    return Part(
        path.name, head, size, lambda some: digest_of("tensorboard", [(path, some)]), partial(_points, path, size)
    )


def _event_files(path: Path) -> dict[Path, list[Path]]:
    """Return folder → its event files, sorted by names, which begin with the time when they were made.

    Links to folders are followed, as TensorBoard does. Each folder is read once, so that links in a circle have an end.
    If a folder and a link to it are both below `path`, its own name counts.
    """

    def unreadable(error: OSError) -> None:
        raise error

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


def _points(path: Path, size: int, problems: Problems) -> Iterator[Point]:
    """Yield the points of the first so many bytes of a file."""
    plugins: dict[str, str] = {}  # only a tag's first value names the plugin
    with path.open("rb") as file:
        try:
            for at, data in records(file, size):
                if data is None:
                    problems.add(f"checksum {path}", f"{path}: the record at byte {at:,} is damaged and left out")
                    continue
                try:
                    points = list(_of_event(memoryview(data), plugins))
                except (ValueError, struct.error):
                    problems.add(f"event {path}", f"{path}: the record at byte {at:,} is no event and left out")
                    continue
                for point in points:
                    trouble = trouble_with_key(point.key)
                    if trouble:
                        problems.add(f"key {path}", f"{path}: the tag {point.key[:40]!r} {trouble} and is left out")
                    elif not is_time(point.time):
                        problems.add(f"time {path}", f"{path}: step {point.step} of {point.key!r} has no valid time")
                    else:
                        yield point
        except DamagedError as e:
            problems.add(f"damage {path}", f"{path} {e}")


def _of_event(data: memoryview, plugins: dict[str, str]) -> Iterator[Point]:
    """Event: 1 wall_time (double), 2 step (int64), 5 summary, whose 1 are its values."""
    time, step, summaries = 0.0, 0, []
    for number, kind, value in fields(data):
        if (number, kind) == (1, FIXED64):
            time = struct.unpack("<d", _bytes(value))[0]
        elif (number, kind) == (2, VARINT):
            step = signed(_int(value))
        elif (number, kind) == (5, BYTES):
            summaries.append(_bytes(value))
    for summary in summaries:
        for number, kind, value in fields(summary):
            if (number, kind) == (1, BYTES):
                yield from _of_value(_bytes(value), step, time, plugins)


def _of_value(data: memoryview, step: int, time: float, plugins: dict[str, str]) -> Iterator[Point]:
    """Summary.Value: 1 tag, 2 simple_value (float), 8 tensor, 9 metadata, whose 1 (plugin_data) has 1 (plugin_name)."""
    tag = ""
    scalar: float | None = None
    tensor: memoryview | None = None
    for number, kind, value in fields(data):
        if (number, kind) == (1, BYTES):
            tag = bytes(_bytes(value)).decode()
        elif (number, kind) == (2, FIXED32):
            scalar = struct.unpack("<f", _bytes(value))[0]
        elif (number, kind) == (8, BYTES):
            tensor = _bytes(value)
        elif (number, kind) == (9, BYTES):
            plugin = _inner(_inner(_bytes(value)))
            plugins.setdefault(tag, bytes(plugin).decode())
    if tensor is not None and plugins.get(tag, "") in _SCALARS:
        scalar = _scalar(tensor)
    if scalar is not None:
        yield Point(tag, step, scalar, time)


def _inner(data: memoryview) -> memoryview:
    """Return field 1 of a message, if it is a field of bytes."""
    return next((_bytes(v) for number, kind, v in fields(data) if (number, kind) == (1, BYTES)), memoryview(b""))


def _scalar(data: memoryview) -> float | None:
    """Return the value of a tensor without dimensions; None for any other.

    TensorProto: 1 dtype, 2 shape (whose 2 are its dimensions), 4 tensor_content, else the value in a field by its type:
    5 float, 6 double, 7 int32 and smaller, 10 int64, 11 bool, 16 uint32, 17 uint64. A value of zero may be left out.
    """
    dtype, content, fixed, whole = 0, memoryview(b""), memoryview(b""), 0
    for number, kind, value in fields(data):
        if (number, kind) == (1, VARINT):
            dtype = _int(value)
        elif (number, kind) == (2, BYTES):
            if any(n == 2 for n, _, _ in fields(_bytes(value))):
                return None
        elif (number, kind) == (4, BYTES):
            content = _bytes(value)
        elif number in (5, 6) and kind != VARINT:
            fixed = _bytes(value)
        elif number in (7, 10, 11, 16, 17):
            whole = _int(value) if kind == VARINT else _first_varint(_bytes(value))
    if dtype in _FIXED_FORMS:
        raw = content or fixed
        return float(struct.unpack("<" + _FIXED_FORMS[dtype], raw)[0]) if raw else 0.0
    if dtype in _INT_FORMS:
        if content:
            return float(struct.unpack("<" + _INT_FORMS[dtype], content)[0])
        return float(whole if dtype == _UINT64 else signed(whole))
    return None


def _first_varint(data: memoryview) -> int:
    return varint(data, 0)[0]


def _int(value: int | memoryview) -> int:
    assert isinstance(value, int)
    return value


def _bytes(value: int | memoryview) -> memoryview:
    assert isinstance(value, memoryview)
    return value
