"""First puts: what a producer does with a key that it has not put before; and records with their keys in full."""

from __future__ import annotations

import struct
import time
from collections.abc import Callable, Mapping, Sequence

from ..protocol import records
from .keys import KeyTable

Point = Callable[[str, int, float], None]
Points = Callable[[Mapping[str, float], int], None]


class NotPlainError(Exception):
    """A point that the fixed shape cannot hold. The caller's slow path converts it, or says why it cannot."""


def first_puts(
    keys: KeyTable,
    plain_types: set[type],
    check_key: Callable[[object], None],
    alone: Callable[[Callable[[], bool]], bool],
    point: Point,
    points: Points,
    record: Callable[[bytes], None],
) -> tuple[Point, Points]:
    """Return two functions: the first put of a key, and of a tuple of keys. Each interns the keys, then puts. Once the
    table is full, the keys go in full.

    Args:
        alone: calls its argument if no put is under way, and returns the result; else it returns False.
    """

    def first_point(key: str, step: int, value: float) -> None:
        if key not in keys.heads:
            check_key(key)
        if type(value) not in plain_types:
            raise NotPlainError
        data = full_point(key, step, value, time.time())  # checks the step before anything is interned
        return point(key, step, value) if alone(lambda: keys.add_key(key)) else record(data)

    def first_points(mapping: Mapping[str, float], step: int) -> None:
        names = tuple(mapping)
        if not names:
            return None
        if not plain_types.issuperset(map(type, mapping.values())):
            raise NotPlainError
        for name in names:
            check_key(name)
        data = full_points(mapping, step, time.time())
        return points(mapping, step) if alone(lambda: keys.add_keys(names)) else record(data)

    return first_point, first_points


def full_point(key: str, step: int, value: float, now: float) -> bytes:
    try:
        step, value = struct.unpack("=qd", struct.pack("=qd", step, value))
        return records.point_full(key, step, value, now)
    except (struct.error, TypeError):
        raise NotPlainError from None


def full_points(mapping: Mapping[str, float], step: int, now: float) -> bytes:
    try:
        (step,) = struct.unpack("=q", struct.pack("=q", step))
        values: Sequence[float] = list(mapping.values())
        return records.points_full(tuple(mapping), step, list(values), now)
    except (struct.error, TypeError):
        raise NotPlainError from None
