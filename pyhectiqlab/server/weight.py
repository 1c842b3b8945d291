"""Weight: how much memory msgpack would take as Python's objects, found without making one of them.

15 KiB of gzip can be 15.7 million empty maps, 1.4 GB once they are made. The items of msgpack stand one behind the
other, whatever is nested in what, so a walk from head to head sees them all; long texts and columns are passed at once.
"""

from __future__ import annotations

POINTER = 8  # of whatever holds the item
_INT, _FLOAT, _TEXT, _BIN, _LIST, _MAP = 36, 24, 49, 33, 56, 64  # CPython, 64 bits
_MAP_ENTRY = 100


def _map_bytes(n: int) -> int:
    return POINTER + (_MAP if not n else 184 if n <= 5 else 120 + _MAP_ENTRY * n)


def _tables() -> tuple[list[int], list[int]]:
    """Of each first byte: the bytes of the item, 0 where more must be looked at; and its weight."""
    sizes, weights = [1] * 256, [POINTER] * 256
    for n in range(16):
        weights[0x80 + n] = _map_bytes(n)
        weights[0x90 + n] = POINTER + _LIST
    for n in range(32):
        sizes[0xA0 + n], weights[0xA0 + n] = 1 + n, POINTER + (_TEXT + 4 * n if n > 1 else 0)
    for first, size, weight in (
        *((0xCA, 5, _FLOAT), (0xCB, 9, _FLOAT), (0xCC, 2, 0), (0xCD, 3, _INT), (0xCE, 5, _INT), (0xCF, 9, _INT)),
        *((0xD0, 2, _INT), (0xD1, 3, _INT), (0xD2, 5, _INT), (0xD3, 9, _INT)),
        *((0xD4 + i, 2 + (1 << i), _BIN + 64) for i in range(5)),
    ):
        sizes[first], weights[first] = size, POINTER + weight
    for first in (*range(0xC4, 0xCA), *range(0xD9, 0xE0)):
        sizes[first] = 0
    return sizes, weights


_SIZES, _WEIGHTS = _tables()
_LENGTHS = {0xC4: 1, 0xC5: 2, 0xC6: 4, 0xC7: 1, 0xC8: 2, 0xC9: 4, 0xD9: 1, 0xDA: 2, 0xDB: 4, 0xDC: 2, 0xDD: 4, 0xDE: 2}
_LENGTHS[0xDF] = 4


def weigh(data: bytes, most: int) -> int:
    """Bytes, about; more than `most` where it is more, found as soon as it is. What is no msgpack has any weight."""
    sizes, weights = _SIZES, _WEIGHTS
    position, end, weight = 0, len(data), 0
    while position < end and weight <= most:
        first = data[position]
        size = sizes[first]
        if size:
            position += size
            weight += weights[first]
            continue
        body = position + 1 + _LENGTHS[first]
        n = int.from_bytes(data[position + 1 : body], "big")
        position = body
        if n > end - position:  # it is cut off: whoever makes its values finds that at once
            return weight
        if first >= 0xDE:
            weight += _map_bytes(n)
        elif first >= 0xDC:
            weight += POINTER + _LIST + POINTER * n
        elif first >= 0xD9:
            position += n
            weight += POINTER + _TEXT + (n if data[body:position].isascii() else 4 * n)
        else:
            position += n + (first >= 0xC7)
            weight += POINTER + _BIN + n
    return weight
