"""Frames of the journal: their bytes, and reading them back from bytes that may be torn or damaged."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
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
            bytes.fromhex(self.writer), self.first, self.last, self.ring_start, self.ring_end, self.spill_start, self.spill_end
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
    """None for a kind of a newer version."""
    if kind == KIND_DATA:
        writer, *numbers = _DATA.unpack_from(payload)
        return Data(writer.hex(), *numbers, records=payload[_DATA.size :])
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
    """Bytes [start, end) of a segment that are no frame though frames follow."""

    start: int
    end: int


def read_frames(data: bytes | memoryview) -> Iterator[tuple[int, int, Frame] | Damage]:
    """Yields (offset, size, frame) and Damage of a whole segment. A torn tail just ends it. Raises ValueError for what is no segment."""
    if bytes(data[:8]) != SEGMENT_MAGIC:
        if len(data) < 8 and SEGMENT_MAGIC.startswith(bytes(data)):
            return
        raise ValueError("not a journal segment of version 1")
    at, end = 8, len(data)
    whole = data if isinstance(data, bytes) else None
    while at < end:
        found = _frame_at(data, at)
        if found is not None:
            size, kind, payload = found
            decoded = unpack(kind, payload)
            if decoded is not None:
                yield at, size, decoded
            at += size
            continue
        if whole is None:
            whole = bytes(data)
        behind = at + 1
        while (behind := whole.find(MAGIC, behind)) >= 0 and _frame_at(data, behind) is None:
            behind += 1
        if behind < 0:
            return
        yield Damage(at, behind)
        at = behind


def _frame_at(data: bytes | memoryview, at: int) -> tuple[int, int, bytes] | None:
    if at + HEAD.size > len(data):
        return None
    magic, length, crc, kind = HEAD.unpack_from(data, at)
    if magic != MAGIC or length > FRAME_BYTES_MAX or at + HEAD.size + length > len(data):
        return None
    payload = bytes(data[at + HEAD.size : at + HEAD.size + length])
    if zlib.crc32(payload, zlib.crc32(bytes([kind]))) != crc:
        return None
    return HEAD.size + length, kind, payload
