"""Makes the golden files: `python -m tests.compat.golden`. Only for a new version of a format, into new files."""

from __future__ import annotations

import struct
from pathlib import Path

from pyhectiqlab.journal import Ack, Data, Keys, Lost
from pyhectiqlab.journal.frames import SEGMENT_MAGIC
from pyhectiqlab.protocol import records
from pyhectiqlab.ring import layout
from pyhectiqlab.ring.mapping import _header
from pyhectiqlab.ring.spill import frame

FOLDER = Path(__file__).parent
WRITER = "0123456789abcdef" * 2
TABLE = records.intern_entry(0, "train/loss") + records.intern_entry(1, ("train/loss", "train/accuracy"))
T = 1_700_000_000.25


def record_bytes() -> bytes:
    """Return one record of each tag."""
    point = records.POINT.pack(records.point_head(0), 10, 0xCB, 0.982, 0xCB, T)
    points = records.POINTS_HEAD.pack(records.points_head(1, 2), -3, 0xCB, T, 0xC6, 16) + struct.pack(">2d", 0.5, 0.75)
    full = records.point_full("perte/é", 1 << 40, float("inf"), T)
    points_full = records.points_full(("a", "b"), 0, [1.0, 2.0], T)
    event = records.event("log", T, {"text": "hello\n", "level": "INFO", "channel": "root", "none": None, "n": 1 << 63})
    loss = records.event("loss", T, {"reason": "queue_full", "count": 3})
    return point + points + full + points_full + event + loss + records.record(42, b"newer")


def queue_bytes() -> bytes:
    """Return a queue of 4,096 bytes whose ring has wrapped: one record before the end of the lap, padding,
    the others.
    """
    first = records.POINT.pack(records.point_head(0), 9, 0xCB, 1.25, 0xCB, T)
    body, at = record_bytes(), 4096 - 60
    ring = bytearray(4096)
    ring[at : at + len(first)] = first
    ring[at + len(first) : at + len(first) + 4] = records.WORD.pack(255 << 24 | 60 - len(first) - 4)
    ring[: len(body)] = body
    words = bytearray(_header(4096, 4096).ljust(layout.HEADER_BYTES, b"\0"))
    for index, value in ((layout.TAIL, 8192 + len(body)), (layout.TABLE, len(TABLE)), (layout.HEAD, 4096 + at)):
        words[8 * index : 8 * index + 8] = value.to_bytes(8, "little")
    return bytes(words) + TABLE.ljust(4096, b"\0") + bytes(ring)


def spill_bytes() -> bytes:
    return frame(8192, records.event("note", T, {"text": "spilled"}))


def journal_bytes() -> bytes:
    frames = (
        Keys(WRITER, TABLE),
        Data(WRITER, 1, 12, 36, 436, 0, 50, record_bytes()),
        Ack(WRITER, 12),
        Lost(WRITER, 13, 20, "spool_full"),
    )
    return SEGMENT_MAGIC + b"".join(f.pack() for f in frames)


if __name__ == "__main__":
    for name, data in (("queue-1.q", queue_bytes()), ("spill-1", spill_bytes()), ("0001-000000.seg", journal_bytes())):
        (FOLDER / name).write_bytes(data)
