"""Keys of a queue: each key, and each tuple of keys that are put together, gets a number at its first use."""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import Any

from ..protocol import records
from . import layout
from .mapping import Mapping as QueueMapping

KEYSETS_MAX = 1024  # interned tuples of keys; for a script that makes up new ones for ever, keys go in full

# What a put of a tuple of keys needs: the bytes it begins with, its size, how its values are packed.
Shape = tuple[bytes, int, Callable[..., None]]


class KeyTable:
    """The intern table in the queue file, for the process that fills it. The caller must not call it twice at once.

    Attributes:
        heads: key → the bytes that a point of it begins with.
        shapes: keys → what a put of them needs.
    """

    def __init__(self, mapping: QueueMapping) -> None:
        self._words: Any = mapping.words
        self._table = mapping.table
        self._next = 0
        self.heads: dict[str, bytes] = {}
        self.shapes: dict[tuple[str, ...], Shape] = {}

    def add_key(self, key: str) -> bool:
        """Intern a key. Return False where the key must go in full."""
        if key not in self.heads:
            ident = self._intern(key)
            if ident < 0:
                return False
            self.heads[key] = records.point_head(ident)
        return True

    def add_keys(self, keys: tuple[str, ...]) -> bool:
        """Intern a tuple of keys. Return False where the keys must go in full."""
        if keys not in self.shapes:
            ident = self._intern(keys) if len(self.shapes) < KEYSETS_MAX else -1
            if ident < 0:
                return False
            size = records.POINTS_HEAD_BYTES + 8 * len(keys)
            pack_values = struct.Struct(f">{len(keys)}d").pack_into
            self.shapes[keys] = records.points_head(ident, len(keys)), size, pack_values
        return True

    def _intern(self, key: str | tuple[str, ...]) -> int:
        """Append an entry to the table, then publish it. Return its number; -1 where there is no room."""
        if self._next >= records.IDS_MAX:
            return -1
        entry = records.intern_entry(self._next, key)
        used = self._words[layout.TABLE]
        if used + len(entry) > len(self._table):
            return -1
        self._table[used : used + len(entry)] = entry
        self._words[layout.TABLE] = used + len(entry)
        self._next += 1
        return self._next - 1

    def let_go(self) -> None:
        """Use the queue's memory no more: keys that are not interned yet go in full."""
        self._words, self._table = [0] * layout.WORDS, memoryview(b"")
