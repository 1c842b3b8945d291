"""Blobs of columns of a batch as earlier versions wrote them, in the kinds 0 and 1 of chunks.py."""

from __future__ import annotations

import struct
from collections.abc import Sequence

from pyhectiqlab.store.points import Float64s, Int64s
from pyhectiqlab.store.sqlite_points.columns import narrowed, pack_offsets

PLAIN_POINTS_MAX = 64
_PLAIN = struct.Struct("<BIqq")
_OFFSETS = struct.Struct("<BI" + "Bqq" * 5 + "B")


def encode_column(seq: Int64s, step: Int64s, time: Int64s, value: Float64s, arrival: int, writer: int) -> bytes:
    """Return the blob of one column of a batch: arrays of length n ≥ 1, one arrival and one writer for all."""
    n = len(step)
    if n > PLAIN_POINTS_MAX:
        same = ((0, number, 0, b"") for number in (arrival, writer))  # as pack_offsets has a column of equal numbers
        return _of_offsets([pack_offsets(seq), pack_offsets(step), pack_offsets(time), *same], value)
    return b"".join(
        (_PLAIN.pack(0, n, arrival, writer), seq.tobytes(), step.tobytes(), time.tobytes(), value.tobytes())
    )


def _of_offsets(integers: Sequence[tuple[int, int, int, bytes]], value: Float64s) -> bytes:
    """Return a blob of kind 1, of the packed columns in their order."""
    head: list[int] = [1, len(value)]
    body = []
    for width, base, delta, packed in integers:
        head += (width, base, delta)
        body.append(packed)
    narrow = narrowed(value)
    head.append(8 if narrow is None else 4)
    body.append((value if narrow is None else narrow).tobytes())
    return _OFFSETS.pack(*head) + b"".join(body)
