"""Files of records as LevelDB writes its log: blocks of 32 KiB with checksums, behind a header. Bytes only.

A record is one or several pieces; a piece lies in one block and has a checksum (CRC-32 of its type and data), its
length, its type (1 whole, 2 first, 3 middle, 4 last) and its data; little-endian. The end of a block that has no room
for the head of a piece is zeros.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable, Iterator
from typing import BinaryIO

BLOCK_BYTES = 32 << 10
RECORD_BYTES_MAX = 1 << 30
_HEAD = struct.Struct("<IHB")
_WHOLE, _FIRST, _MIDDLE, _LAST = 1, 2, 3, 4


def records(file: BinaryIO, size: int, damaged: Callable[[int, str], object]) -> Iterator[bytes]:
    """Yield the records behind the header, in the first `size` bytes. A record that the end cuts off is left out.

    Where a checksum or a length is wrong, what lies before the next whole piece of that block is left out, and
    `damaged` is called with the place and what is wrong there. Raises OSError.
    """
    parts: list[bytes] = []
    for start in range(0, size, BLOCK_BYTES):
        file.seek(start)
        block = file.read(min(BLOCK_BYTES, size - start))
        at = 7 if start == 0 else 0
        while at + _HEAD.size <= len(block):
            checksum, length, kind = _HEAD.unpack_from(block, at)
            if checksum == length == kind == 0 and not any(block[at:]):
                break
            data = block[at + _HEAD.size : at + _HEAD.size + length]
            if len(data) < length:
                beyond = _next(block, at + 1)
                if start + len(block) < size or beyond < len(block):
                    damaged(start + at, "a length that leads out of its block")
                    parts = []
                at = beyond
                continue
            if not _is_whole(block, at):
                damaged(start + at, "a wrong checksum")
                parts = []
                at = _next(block, at + 1)
                continue
            at += _HEAD.size + length
            if kind == _WHOLE:
                parts = []
                yield data
            elif kind == _FIRST:
                parts = [data]
            elif parts and sum(map(len, parts)) + length <= RECORD_BYTES_MAX:  # else its beginning was damaged
                parts.append(data)
                if kind == _LAST:
                    yield b"".join(parts)
                    parts = []


def _is_whole(block: bytes, at: int) -> bool:
    """Return whether a piece with the right checksum begins here."""
    checksum, length, kind = _HEAD.unpack_from(block, at)
    data = block[at + _HEAD.size : at + _HEAD.size + length]
    if len(data) < length or kind not in (_WHOLE, _FIRST, _MIDDLE, _LAST):
        return False
    return bool(zlib.crc32(data, zlib.crc32(bytes([kind]))) == checksum)


def _next(block: bytes, at: int) -> int:
    """Return where the next whole piece of a block begins; the end of the block where there is none."""
    return next((place for place in range(at, len(block) - _HEAD.size + 1) if _is_whole(block, place)), len(block))
