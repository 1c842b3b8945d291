"""TFRecord files: records with masked CRC-32C checksums. Bytes only.

A record is its length (uint64), the checksum of those 8 bytes, its data, and the checksum of the data; little-endian.
"""

from __future__ import annotations

import struct
import sys
from array import array
from collections.abc import Iterator
from functools import lru_cache
from typing import BinaryIO

RECORD_BYTES_MAX = 256 << 20
_WINDOW_BYTES = 1 << 20
_HEADER = struct.Struct("<QI")


def records(file: BinaryIO, size: int) -> Iterator[tuple[int, bytes | None]]:
    """Yield (position, data) of each record in the first `size` bytes; data is None where something is damaged: a
    record whose checksum is wrong, or what lies before the next place at which a record begins.

    A record that is cut off by the end is left out: the process that writes the file was killed, or still writes.
    Raises OSError.
    """
    at = 0
    while at + _HEADER.size <= size:
        file.seek(at)
        length = _length(file.read(_HEADER.size))
        if length is None:
            yield at, None
            at = _next(file, at + 1, size)
            continue
        data = file.read(length)
        trailer = file.read(4)
        if len(trailer) < 4 or at + _HEADER.size + length + 4 > size:
            return
        yield at, data if masked_crc32c(data) == struct.unpack("<I", trailer)[0] else None
        at += _HEADER.size + length + 4


def _length(header: bytes) -> int | None:
    """Return how long the data of a record is; None where this is not a header of one."""
    if len(header) < _HEADER.size:
        return None
    length, checksum = _HEADER.unpack(header)
    return length if length <= RECORD_BYTES_MAX and masked_crc32c(header[:8]) == checksum else None


def _next(file: BinaryIO, at: int, size: int) -> int:
    """Return where the next header is; `size` where there is none. Four bytes of a length that can be are zeros."""
    while at + _HEADER.size <= size:
        file.seek(at)
        window = file.read(min(_WINDOW_BYTES, size - at))
        zeros = window.find(bytes(4), 4)
        while zeros >= 0:
            if _length(window[zeros - 4 : zeros + 8]) is not None:
                return at + zeros - 4
            zeros = window.find(bytes(4), zeros + 1)
        if len(window) < _WINDOW_BYTES:
            break
        at += len(window) - _HEADER.size + 1
    return size


def masked_crc32c(data: bytes) -> int:
    """Return the checksum as these files have it: rotated, with a number added, so that data may hold checksums,
    too.
    """
    crc = crc32c(data)
    return ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF


def crc32c(data: bytes) -> int:
    """Return the CRC-32C (Castagnoli), computed in steps of two bytes."""
    table = _table()
    words = array("H", data[: len(data) & ~1])
    if sys.byteorder == "big":
        words.byteswap()
    crc = 0xFFFFFFFF
    for word in words:
        crc = table[(crc ^ word) & 0xFFFF] ^ crc >> 16
    if len(data) & 1:
        crc = _shift(crc ^ data[-1])
    return crc ^ 0xFFFFFFFF


def _shift(crc: int) -> int:
    """Return `crc` after eight bits of zeros."""
    for _ in range(8):
        crc = crc >> 1 ^ 0x82F63B78 * (crc & 1)
    return crc


@lru_cache(maxsize=1)
def _table() -> array[int]:
    """Return the table of what 16 bits do to a checksum. It is made at the first use, in some 20 ms."""
    one = [_shift(byte) for byte in range(256)]
    half = [(one[word & 0xFF] ^ word >> 8) for word in range(1 << 16)]
    return array("I", [one[crc & 0xFF] ^ crc >> 8 for crc in half])
