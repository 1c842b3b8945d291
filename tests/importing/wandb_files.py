"""Files of W&B, put together of bytes."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path


def varint(value: int) -> bytes:
    low, rest = value & 127, value >> 7
    return bytes([low | 128]) + varint(rest) if rest else bytes([low])


def field(number: int, data: bytes) -> bytes:
    """Return a field of a protobuf message."""
    return varint(number << 3 | 2) + varint(len(data)) + data


def wandb_records(path: Path, records: list[bytes]) -> None:
    """Write a file of these records, which are small enough for one block."""
    heads = [struct.pack("<IHB", zlib.crc32(record, zlib.crc32(b"\1")), len(record), 1) for record in records]
    path.write_bytes(b":W&B\xee\xe1\0" + b"".join(head + record for head, record in zip(heads, records, strict=True)))


def wandb_file(path: Path, run_id: str, name: str) -> None:
    """Write a file of W&B that has the run and a value."""
    run = field(1, run_id.encode()) + field(3, b"proj") + field(8, name.encode())
    item = field(1, b"loss") + field(16, b"0.5")
    wandb_records(path, [field(17, run), field(2, field(1, item))])
