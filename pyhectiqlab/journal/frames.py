"""Frames of the journal: their bytes, and reading them back from bytes that may be torn or damaged."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass

SEGMENT_MAGIC = b"HQLJ" + (1).to_bytes(4, "little")
MAGIC = b"\xf5FRM"
HEAD = struct.Struct("<4sIIB")
FRAME_BYTES_MAX = 64 << 20

KIND_DATA, KIND_KEYS, KIND_ACK, KIND_LOST = 1, 2, 3, 4
_DATA = struct.Struct("<16sQQQQQQ")
_ACK = struct.Struct("<16sQ")
_LOST = struct.Struct("<16sQQ")
DATA_HEAD_BYTES = HEAD.size + _DATA.size


@dataclass(frozen=True)
class Data:
    writer: str
    first: int
    last: int
    ring_start: int
    ring_end: int
    spill_start: int
    spill_end: int
    records: bytes

    def pack(self) -> bytes:
        head = _DATA.pack(
            bytes.fromhex(self.writer),
            self.first,
            self.last,
            self.ring_start,
            self.ring_end,
            self.spill_start,
            self.spill_end,
        )
        return frame(KIND_DATA, head + self.records)


@dataclass(frozen=True)
class Keys:
    writer: str
    table: bytes

    def pack(self) -> bytes:
        return frame(KIND_KEYS, bytes.fromhex(self.writer) + self.table)


@dataclass(frozen=True)
class Ack:
    writer: str
    cursor: int

    def pack(self) -> bytes:
        return frame(KIND_ACK, _ACK.pack(bytes.fromhex(self.writer), self.cursor))


@dataclass(frozen=True)
class Lost:
    writer: str
    first: int
    last: int
    reason: str

    def pack(self) -> bytes:
        return frame(KIND_LOST, _LOST.pack(bytes.fromhex(self.writer), self.first, self.last) + self.reason.encode())


Frame = Data | Keys | Ack | Lost


def frame(kind: int, payload: bytes) -> bytes:
    return HEAD.pack(MAGIC, len(payload), zlib.crc32(payload, zlib.crc32(bytes([kind]))), kind) + payload


def unpack(kind: int, payload: bytes) -> Frame | None:
    """Return the frame of a payload; None for a kind of a newer version."""
    if kind == KIND_DATA:
        writer, first, last, ring_start, ring_end, spill_start, spill_end = _DATA.unpack_from(payload)
        records = payload[_DATA.size :]
        return Data(writer.hex(), first, last, ring_start, ring_end, spill_start, spill_end, records)
    if kind == KIND_KEYS:
        return Keys(payload[:16].hex(), payload[16:])
    if kind == KIND_ACK:
        writer, cursor = _ACK.unpack_from(payload)
        return Ack(writer.hex(), cursor)
    if kind == KIND_LOST:
        writer, first, last = _LOST.unpack_from(payload)
        return Lost(writer.hex(), first, last, payload[_LOST.size :].decode(errors="replace"))
    return None


@dataclass(frozen=True)
class Damage:
    """Bytes [start, end) of a segment that are no frame, although frames follow."""

    start: int
    end: int


Read = Callable[[int, int], bytes]  # (offset, size) → bytes, fewer at the end
SEARCH_BYTES = 1 << 20


def read_frames(read: Read, end: int, start: int = 0) -> Iterator[tuple[int, int, Frame] | Damage]:
    """Yield (offset, size, frame) and Damage of a segment of `end` bytes. A torn tail ends the segment without an
    error. Raises ValueError for what is no segment. `start`: 0, or where a frame begins.

    It reads a frame at a time, so that it needs little memory, whatever the segment's size.
    """
    magic = read(0, len(SEGMENT_MAGIC))
    if magic != SEGMENT_MAGIC:
        if SEGMENT_MAGIC.startswith(magic):
            return
        raise ValueError("not a journal segment of version 1")
    at = max(start, len(SEGMENT_MAGIC))
    while at < end:
        whole = _frame_at(read, at)
        if whole is not None:
            size, kind, payload = whole
            decoded = unpack(kind, payload)
            if decoded is not None:
                yield at, size, decoded
            at += size
            continue
        behind = _next_frame(read, at + 1, end)
        if behind is None:
            return
        yield Damage(at, behind)
        at = behind


def _next_frame(read: Read, at: int, end: int) -> int | None:
    while at < end:
        block = read(at, SEARCH_BYTES)
        offset = block.find(MAGIC)
        if offset < 0:
            at += max(1, len(block) - len(MAGIC) + 1)
        elif _frame_at(read, at + offset) is not None:
            return at + offset
        else:
            at += offset + 1
    return None


def _frame_at(read: Read, at: int) -> tuple[int, int, bytes] | None:
    head = read(at, HEAD.size)
    if len(head) < HEAD.size:
        return None
    magic, length, crc, kind = HEAD.unpack(head)
    if magic != MAGIC or length > FRAME_BYTES_MAX:
        return None
    payload = read(at + HEAD.size, length)
    if len(payload) < length or zlib.crc32(payload, zlib.crc32(bytes([kind]))) != crc:
        return None
    return HEAD.size + length, kind, payload
