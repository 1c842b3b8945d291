"""Kept: what was read of builds stays in memory, since builds never change.

It keeps what searches compare and sort by, for all series of a key; and answers about some series, which pages ask for
again and again.
"""

from __future__ import annotations

import hashlib
import threading
from collections import OrderedDict
from typing import Any

import numpy as np
from numpy.typing import NDArray

BYTES_MAX = 64 << 20  # some 400,000 series
_ENTRY_BYTES = 400  # memory of an entry beside its rows

Builds = tuple[int, ...]
Name = tuple[object, ...]  # says what was read of the builds


class Kept:
    """Arrays by builds and name. Safe for several threads.

    Rows of a build never change. Those of purged series are dropped, but nobody asks for these any more.
    """

    def __init__(self, bytes_max: int = BYTES_MAX) -> None:
        self._bytes_max = bytes_max
        self._lock = threading.Lock()
        self._rows: OrderedDict[tuple[Builds, Name], NDArray[Any]] = OrderedDict()  # the least recently used first
        self._bytes = 0

    def get(self, builds: Builds, name: Name) -> NDArray[Any] | None:
        with self._lock:
            rows = self._rows.get((builds, name))
            if rows is not None:
                self._rows.move_to_end((builds, name))
            return rows

    def keep(self, builds: Builds, name: Name, rows: NDArray[Any]) -> None:
        """Keep rows, which the caller must not change any more. What nobody asked for the longest goes, such as rows of
        builds that were merged meanwhile.
        """
        with self._lock:
            self._forget((builds, name))
            self._rows[builds, name] = rows
            self._bytes += rows.nbytes + _ENTRY_BYTES
            while self._bytes > self._bytes_max:
                self._forget(next(iter(self._rows)))

    def _forget(self, place: tuple[Builds, Name]) -> None:
        rows = self._rows.pop(place, None)
        if rows is not None:
            self._bytes -= rows.nbytes + _ENTRY_BYTES


def name_of(kind: np.dtype[Any], series: NDArray[np.int64]) -> Name:
    """Return the name of such rows of these series."""
    return kind.names, hashlib.blake2b(series.tobytes(), digest_size=16).digest()
