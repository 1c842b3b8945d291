"""Bytes of nodes: the nodes of one level, axis and chunk, packed into a blob, and many such blobs back at once. No SQL.

All numbers are little-endian; n is the number of nodes.

    kind uint8 = 6 · n uint32 · shift uint8 · 9 × width uint8 · float width uint8 · 9 × base int64 · 9 × slope int64 ·
    n × (9 × unsigned integer of its width · sum float64 · min · max · last) · crc uint32

Each integer field of node i is base + i × slope + the field's unsigned integer, wrapping around at 64 bits. A field
that is the same in all nodes, or grows evenly, takes no byte. `cell` is start / 2^shift, `last_offset` is last_x −
start. min, max and last are float32 if that loses no bit, else float64. `crc` is the CRC-32 of all bytes before it.

Nodes lie row by row. A chart of a long series reads a thousand blobs of a few nodes each; nearly all of them have equal
widths, and become one array with a few calls of numpy.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any

import numpy as np

from ..points import Int64s
from ..series.grid import SHIFT_MAX
from ..series.levels import EMPTY, FIELDS, NODE, Nodes, concatenated
from .chunks import is_sound, with_crc
from .columns import narrowed

PACKED = 6
_INTEGERS = ("cell", "count", "nan", "pinf", "ninf", "last_step", "last_seq", "last_arrival", "last_offset")
_FLOATS = ("min", "max", "last")
_N = len(_INTEGERS)
_HEAD = np.dtype(
    [
        ("kind", "u1"),
        ("n", "<u4"),
        ("shift", "u1"),
        ("widths", "u1", _N + 1),
        ("bases", "<i8", _N),
        ("slopes", "<i8", _N),
    ]
)
_OLD = np.dtype([*NODE.descr[:8], ("step_min", "<i8"), *NODE.descr[8:]])
_WIDTHS = slice(_HEAD.fields["widths"][1], _HEAD.fields["widths"][1] + _N + 1)  # type: ignore[index]
_SHIFT = _HEAD.fields["shift"][1]  # type: ignore[index]
_CRC_BYTES = 4
_FEW = 32  # blobs of at most so many nodes use few different widths, so that more blobs are alike


def encode_nodes(nodes: Nodes, shift: int) -> bytes:
    """Return the blob of the n ≥ 1 nodes of a grid of 2^shift."""
    n = len(nodes)
    integers = np.empty((_N, n), np.int64)
    for name, column in zip(_INTEGERS[1:-1], integers[1:-1], strict=True):
        column[:] = nodes[name]
    integers[0] = nodes["start"] >> shift
    integers[-1] = nodes["last_x"] - nodes["start"]
    slopes = (integers[:, -1] - integers[:, 0]) // max(n - 1, 1)
    integers -= slopes[:, None] * np.arange(n)
    bases = integers.min(axis=1)
    above = (integers - bases[:, None]).view(np.uint64)
    floats = np.concatenate([nodes[name] for name in _FLOATS])
    narrow = narrowed(floats)
    head = np.zeros(1, _HEAD)
    head["kind"], head["n"], head["shift"], head["bases"], head["slopes"] = PACKED, n, shift, bases, slopes
    widths = (0, 1, 2, 4) if n > _FEW else (0, 4)
    head["widths"][0, :_N] = [_width_of(high, widths) for high in above.max(axis=1).tolist()]
    head["widths"][0, _N] = 8 if narrow is None else 4
    rows = np.empty(n, _row_type(head["widths"].tobytes()))
    for name, column in zip(_INTEGERS, above, strict=True):
        if name in (rows.dtype.names or ()):
            rows[name] = column
    rows["sum"] = nodes["sum"]
    for name, values in zip(_FLOATS, (floats if narrow is None else narrow).reshape(len(_FLOATS), n), strict=True):
        rows[name] = values
    return with_crc(head.tobytes() + rows.tobytes())


def decode_nodes(blobs: Sequence[bytes], shift_max: int = SHIFT_MAX, names: Sequence[str] = FIELDS) -> Nodes:
    """Return the nodes of some blobs, of grids no coarser than 2^shift_max; those of one blob stay together. `names`:
    which of their fields are wanted.

    Raises ValueError for a coarser one, for bytes that are no blob of ours, or whose checksum they do not match.
    """
    alike: dict[bytes, list[bytes]] = {}
    for blob in blobs:
        if not is_sound(blob) or blob[0] != PACKED:
            raise ValueError("nodes of other bytes than were written: their checksum is wrong")
        if blob[_SHIFT] > shift_max:
            raise ValueError("nodes of another grid than their chunk says")
        alike.setdefault(blob[_WIDTHS], []).append(blob)
    parts = [_decode_alike(widths, its, names) for widths, its in alike.items()]
    return concatenated(parts) if parts else EMPTY


def shift_of(blob: bytes) -> int:
    """Return log2 of the width of its nodes."""
    return blob[_SHIFT]


def decode_old_nodes(blobs: Sequence[bytes]) -> Nodes:
    """Return the nodes of blobs of the old table `node`, which has nodes as they lay in memory."""
    old = np.frombuffer(b"".join(blobs), _OLD)
    nodes = np.empty(len(old), NODE)
    for name in NODE.names or ():
        nodes[name] = old[name]
    return nodes


def _decode_alike(widths: bytes, blobs: Sequence[bytes], names: Sequence[str]) -> Nodes:
    size = _HEAD.itemsize
    heads = np.frombuffer(b"".join([blob[:size] for blob in blobs]), _HEAD)
    rows = np.frombuffer(b"".join([blob[size:-_CRC_BYTES] for blob in blobs]), _row_type(widths))
    counts = heads["n"].astype(np.int64)
    ends = np.cumsum(counts)
    if len(rows) != ends[-1]:
        raise ValueError("nodes of another number than their blob says")
    place = np.arange(len(rows)) - np.repeat(ends - counts, counts)
    bases, slopes = heads["bases"].astype(np.int64), heads["slopes"].astype(np.int64)

    def integers(name: str) -> Int64s:
        i = _INTEGERS.index(name)
        column = np.repeat(bases[:, i], counts)
        if slopes[:, i].any():
            column += np.repeat(slopes[:, i], counts) * place
        if widths[i]:
            column += rows[name].astype(np.int64)
        return column

    start = integers("cell") << np.repeat(heads["shift"].astype(np.int64), counts)
    nodes = np.empty(len(rows), NODE if tuple(names) == FIELDS else np.dtype([(name, NODE[name]) for name in names]))
    for name in names:
        if name == "start":
            nodes[name] = start
        elif name == "last_x":
            nodes[name] = start + integers("last_offset")
        else:
            nodes[name] = integers(name) if name in _INTEGERS else rows[name]
    return nodes


@functools.lru_cache(maxsize=1024)
def _row_type(widths: bytes) -> np.dtype[Any]:
    fields = [(name, f"<u{width}") for name, width in zip(_INTEGERS, widths, strict=False) if width]
    return np.dtype([*fields, ("sum", "<f8"), *((name, f"<f{widths[_N]}") for name in _FLOATS)])


def _width_of(number: int, widths: Sequence[int]) -> int:
    """Return how many bytes an unsigned integer needs to hold the number: the first of `widths` that do, else 8."""
    return next((width for width in widths if number < 1 << (8 * width)), 8)
