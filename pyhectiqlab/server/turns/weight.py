"""Weight: how much memory msgpack would take as Python's objects, found without making one of them.

15 KiB of gzip can be 15.7 million empty maps, 1.4 GB once they are made. The items of msgpack stand one behind the
other, whatever is nested in what, so a walk from head to head sees them all; long texts and columns are passed at once,
and so are stretches of items of one size, which are what compresses best.
"""

from __future__ import annotations

import numpy as np

from ...store.pauses import may_pause

POINTER = 8  # of whatever holds the item
_INT, _FLOAT, _TEXT, _BIN, _LIST, _MAP = 36, 24, 49, 33, 56, 64  # CPython, 64 bits
_MAP_ENTRY = 100
_STEPS_MIN, _STEPS_MAX = 128, 4096  # items that are looked at one by one before a stretch is looked for again
_ALIKE = 16  # items of one size that make it worth looking for more
_STRETCH_MIN, _STRETCH_MAX = 512, 1 << 15  # items of a stretch that are looked at together


def _map_bytes(n: int) -> int:
    return POINTER + (_MAP if not n else 184 if n <= 5 else 120 + _MAP_ENTRY * n)


def _tables() -> tuple[list[int], list[int]]:
    """Return for each first byte how many bytes the item has (0: more must be looked at), and its weight."""
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
_SIZES_ARRAY, _WEIGHTS_ARRAY = np.array(_SIZES, np.uint8), np.array(_WEIGHTS, np.int64)
_LENGTHS = {0xC4: 1, 0xC5: 2, 0xC6: 4, 0xC7: 1, 0xC8: 2, 0xC9: 4, 0xD9: 1, 0xDA: 2, 0xDB: 4, 0xDC: 2, 0xDD: 4, 0xDE: 2}
_LENGTHS[0xDF] = 4


def weigh(data: bytes, most: int) -> int:
    """Return the bytes, about; more than `most` where it is more, found as soon as it is. What is no msgpack has any
    weight.
    """
    scale = Scale(most)
    scale.weigh(data, whole=True)
    return scale.weight


class Scale:
    """Weighs data as it comes. `weight` is what was found so far; it stops once that is over `most`."""

    def __init__(self, most: int) -> None:
        self.most, self.weight = most, 0
        self._position = 0  # of the next item
        self._steps, self._stretch = _STEPS_MIN, _STRETCH_MIN

    def weigh(self, data: bytes | bytearray, *, whole: bool) -> None:
        """Go on where the last call ended.

        Args:
            data: all that came until now, from the beginning.
            whole: nothing follows.
        """
        end = len(data)
        while self._position < end and self.weight <= self.most:
            may_pause()
            before = self._position
            if not self._pass_stretch(data):
                self._walk(data, whole)
            if self._position == before:  # the rest of an item is still to come
                return

    def _pass_stretch(self, data: bytes | bytearray) -> bool:
        """Pass items of one size that follow one another, where there seem to be many."""
        position = self._position
        first = data[position : position + 9 * _ALIKE]
        size = _SIZES[first[0]]
        if not 0 < size <= 9:
            return False
        heads = first[: size * _ALIKE : size]
        if len(heads) < _ALIKE or any(_SIZES[head] != size for head in heads):
            return False
        count = min(self._stretch * size, len(data) - position)
        firsts = np.frombuffer(data, np.uint8, count, position)[::size]
        same = _SIZES_ARRAY[firsts] == size
        n = len(same) if same.all() else int(same.argmin())
        self.weight += int(_WEIGHTS_ARRAY[firsts[:n]].sum())
        self._position += n * size
        if n < _STRETCH_MIN:  # it was not worth it
            self._steps, self._stretch = min(_STEPS_MAX, 2 * self._steps), _STRETCH_MIN
        else:
            self._steps, self._stretch = _STEPS_MIN, min(_STRETCH_MAX, 2 * self._stretch)
        return True

    def _walk(self, data: bytes | bytearray, whole: bool) -> None:
        """Pass some items, one by one."""
        sizes, weights = _SIZES, _WEIGHTS
        position, end, weight, most = self._position, len(data), self.weight, self.most
        for _ in range(self._steps):
            if position >= end or weight > most:
                break
            first = data[position]
            size = sizes[first]
            if size:
                position += size
                weight += weights[first]
                continue
            body = position + 1 + _LENGTHS[first]
            n = int.from_bytes(data[position + 1 : body], "big")
            if not whole and (body > end or (0xD9 <= first < 0xDC and body + n > end)):
                break
            position = body
            if whole and n > end - position:  # it is cut off: whoever makes its values finds that at once
                position = end
                break
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
        self._position, self.weight = position, weight
