"""A point, and what a reader could not read, within bounds."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple, TypeVar

from ..errors import LabError
from ..protocol.limits import KEY_BYTES_MAX

PROBLEMS_MAX = 100  # kinds of problems that are kept apart
TIME_MAX_S = 1e12  # the lab takes no later time
_CHUNK = 1 << 20
_Item = TypeVar("_Item")


class Point(NamedTuple):
    """A point. `time` is in seconds since 1970 UTC, finite; `step` fits int64; the lab takes `key`."""

    key: str
    step: int
    value: float
    time: float


class Problems:
    """What could not be read: the first problem of each kind in words, and how many there are; at most PROBLEMS_MAX
    kinds.
    """

    def __init__(self) -> None:
        self._by_kind: dict[str, tuple[str, int]] = {}

    def add(self, kind: str, text: str) -> None:
        if kind not in self._by_kind and len(self._by_kind) >= PROBLEMS_MAX:
            kind, text = "", "and more of other kinds"
        first, count = self._by_kind.get(kind, (text, 0))
        self._by_kind[kind] = first, count + 1

    def lines(self) -> list[str]:
        return [
            text + (f" (and {count - 1:,} more like it)" if count > 1 else "") for text, count in self._by_kind.values()
        ]


def readable(items: Iterator[_Item], what: str, problems: Problems) -> Iterator[_Item]:
    """Yield what a reader yields. Where the files are not what it can read, report that, and end.

    Raises LabError.
    """
    try:
        yield from items
    except LabError:
        raise
    except Exception as e:  # what a damaged file of another tool makes of a reader is not foreseen
        said = str(e).partition("\n")[0]
        if isinstance(e, OSError):
            said = f"{e.filename or 'a file'}: {e.strerror or said}"
        else:
            said = f"{type(e).__name__}: {said}"
        problems.add(f"unreadable {what}", f"{what} cannot be read: {said}")


def digest_of(kind: str, files: list[tuple[Path, int]]) -> str:
    """Return the digest of the first so many bytes of each file, and of their names. Blocks on the disk. Raises
    OSError.
    """
    whole = hashlib.sha256(kind.encode())
    for path, size in files:
        one = hashlib.sha256()
        with path.open("rb") as file:
            while size > 0 and (data := file.read(min(size, _CHUNK))):
                one.update(data)
                size -= len(data)
        whole.update(path.name.encode("utf-8", "surrogateescape") + b"\0" + one.digest())
    return whole.hexdigest()[:32]


def trouble_with_key(key: str) -> str:
    """Return why the lab would not take this key; "" where it does."""
    try:
        size = len(key.encode())
    except UnicodeEncodeError:
        return "is not valid Unicode"
    return "is empty" if not size else f"has over {KEY_BYTES_MAX} bytes" if size > KEY_BYTES_MAX else ""


def is_time(seconds: float) -> bool:
    return math.isfinite(seconds) and abs(seconds) <= TIME_MAX_S
