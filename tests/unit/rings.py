"""A ring with its spill file, both ends in one hand, and the plainest decoder of what lies in it."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgpack

from pyhectiqlab.protocol import records
from pyhectiqlab.ring import mapping
from pyhectiqlab.ring.consumer import Consumer
from pyhectiqlab.ring.producer import make_puts
from pyhectiqlab.ring.spill import SpillReader, SpillWriter

PLAIN = {float, int, bool}
Item = tuple[Any, ...]  # ("point", key, step, value) or ("event", kind, fields)


class Ring:
    """Producer and consumer of one queue file of `capacity` bytes, below any minimum that a real one keeps to."""

    def __init__(self, folder: Path, capacity: int, table_bytes: int | None = None) -> None:
        made = mapping._create_mapped(folder, "q", capacity)
        assert made is not None
        if table_bytes is not None:
            made.table = made.table[:table_bytes]
        self.mapping = made
        self.path = made.path
        self.spill = SpillWriter(folder / "spill")
        self.puts = make_puts(self.mapping, self.spill.append, PLAIN)
        self.reader = Reader(self.mapping, folder / "spill")

    def close(self) -> None:
        self.spill.close()
        self.reader.consumer.close()


class Reader:
    """Takes, decodes and frees, from the queue file alone."""

    def __init__(self, opened: mapping.Mapping, spill: Path) -> None:
        self.consumer = Consumer(opened, SpillReader(spill), 0, 0)
        self.keys: records.Keys = {}
        self.count = 0

    @classmethod
    def open(cls, folder: Path) -> Reader:
        return cls(mapping.open_existing(folder / "q"), folder / "spill")

    def read(self, bytes_max: int = 1 << 20, *, final: bool = False) -> list[Item]:
        """Return what one `take` gives."""
        taken = self.consumer.take(bytes_max, final=final)
        if taken is None:
            return []
        self.keys.update(records.read_interned(self.consumer.new_interned()))
        items = list(naive_decode(taken.data, self.keys))
        assert taken.count == len(items)
        self.consumer.advance(taken)
        self.count += taken.count
        return items

    def read_all(self, bytes_max: int = 1 << 20, *, final: bool = False) -> list[Item]:
        """Read all items. `final`: the producer is gone, and may have been cut off in the middle of a write."""
        items: list[Item] = []
        while self.consumer.backlog:
            items += self.read(bytes_max, final=final)
        return items


def naive_decode(buf: bytes, keys: records.Keys) -> Iterator[Item]:
    """Decode one record after another, by msgpack alone."""
    at = 0
    while at < len(buf):
        (word,) = struct.unpack_from(">I", buf, at)
        payload = buf[at + 4 : at + 4 + (word & 0xFFFFFF)]
        assert len(payload) == word & 0xFFFFFF
        at += 4 + len(payload)
        if word >> 24 > 5:
            yield "event", "unknown", {"tag": word >> 24, "payload": payload}
            continue
        tag, *rest = msgpack.unpackb(payload, strict_map_key=False, unicode_errors="surrogatepass")
        assert tag == word >> 24
        if tag in (1, 2):
            key, step, value, _ = rest
            yield "point", keys[key] if tag == 1 else key, step, value
        elif tag in (3, 4):
            names, step, _, packed = rest
            names = keys[names] if tag == 3 else names
            for key, value in zip(names, struct.unpack(f">{len(packed) // 8}d", packed), strict=True):
                yield "point", key, step, value
        else:
            kind, _, fields = rest
            yield "event", kind, fields
