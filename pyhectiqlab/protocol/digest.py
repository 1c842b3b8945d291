"""Digests of points and events, by which client and lab compare whether both hold the same.

A digest of a range of sequence numbers is the sum, modulo 2^256, of the SHA-256 of each key's points in it and of each
event's place and kind: the order of the keys does not matter. FORMAT.md, section 9.
"""

from __future__ import annotations

import hashlib
import struct

MODULUS = 1 << 256


def of_points(key: str, seq: bytes, step: bytes, value: bytes, time: bytes) -> int:
    """Return the digest of n points of one key, in order of `seq`.

    Args: little-endian columns: `seq` int64, absolute sequence numbers; `step` int64; `value` float64, in which every
    NaN has the bits 0x7ff8000000000000; `time` int64, in µs.
    """
    name = key.encode("utf-8", "replace")
    head = struct.pack("<II", len(name), len(seq) // 8)
    return int.from_bytes(hashlib.sha256(b"".join((head, name, seq, step, value, time))).digest(), "big")


def of_event(seq: int, kind: str) -> int:
    return int.from_bytes(hashlib.sha256(struct.pack("<Q", seq) + kind.encode("utf-8", "replace")).digest(), "big")


def as_hex(total: int) -> str:
    return f"{total % MODULUS:064x}"
