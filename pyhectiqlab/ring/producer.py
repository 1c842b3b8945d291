"""The producer's end of a queue: puts, as closures over one set of positions, as attribute look-ups would cost time.

Guarantees
* A put makes no system call, takes no lock and wakes nobody, except when the ring is full or another put is under way.
* When a put has returned, its record is published: it is in memory that outlives the process. When it raised, it was
  not accepted.
* Any thread, signal handler, `__del__` or interrupt at any bytecode is safe. After a fork, the child's copy refuses
  puts (see `disown`).

The one flag `busy` is enough on builds with a GIL, because it is read and set in one statement, `taken, busy = busy,
True`, in which there is no call and no jump, and so no switch of threads and no signal handler. (`if busy: …; busy =
True` is not enough: CPython 3.10 looks for both at a jump, and several threads then wrote over each other's records.)
Free-threaded builds take a re-entrant lock around it (untested: none was at hand).
"""

from __future__ import annotations

import struct
import sys
import threading
import time
from collections.abc import Callable, Mapping
from types import CodeType
from typing import Any, NoReturn

from ..base.lazyclass import dataclass
from ..protocol import records
from ..settings import LOOK_AFTER_S, PUT_WAIT_S
from . import layout
from .first_puts import NotPlainError, first_puts, full_point, full_points
from .keys import KeyTable, Shape
from .mapping import Mapping as QueueMapping

CHECK_BYTES = 1 << 14  # at least this often, and at least every CHECK_S, a put looks at the uploader's sign of life
CHECK_S = 1.0


@dataclass(frozen=True)
class Puts:
    """The calls of one producer. Each raises what `overflow` raises where the ring cannot take the record.

    point(key, step, value): raises NotPlainError where key is not interned and not internable, step no int64, or value
        not of a type in `plain_types`.
    points(mapping, step): the same for all scalars of a dict at once.
    record(bytes): any record of the protocol.
    """

    point: Callable[[str, int, float], None]
    points: Callable[[Mapping[str, float], int], None]
    record: Callable[[bytes], None]
    wait_idle: Callable[[float], bool]
    disown: Callable[[], None]
    retire: Callable[[Callable[[], NoReturn]], bool]
    tail: Callable[[], int]


def make_puts(
    mapping: QueueMapping,
    overflow: Callable[[int, bytes], None],
    plain_types: set[type],
    check_key: Callable[[object], None] = lambda key: None,
    on_silence: Callable[[], None] | None = None,
) -> Puts:
    """Make the puts of the queue file `mapping`. The caller must be its only producer.

    Args:
        overflow: called with (tail, record) for what the ring cannot take now.
        plain_types: types whose every value `struct` packs as the float64 it means; the caller may add to it later.
        check_key: called once for each new key, before it is interned; it raises what the call is to raise.
        on_silence: called from a put, at most every few seconds, while the uploader gives no sign of life.
    """
    words: Any = mapping.words
    ring = mapping.ring
    keys = KeyTable(mapping)
    heads, shapes = keys.heads, keys.shapes
    silence = _Silence(on_silence) if on_silence is not None else None
    capacity, mask = mapping.capacity, mapping.capacity - 1
    pack_point, point_bytes = records.POINT.pack_into, records.POINT_BYTES
    pack_points_head, points_head_bytes = records.POINTS_HEAD.pack_into, records.POINTS_HEAD_BYTES
    float64, bin32 = records.FLOAT64, records.BIN32
    wall = time.time

    tail: int = words[layout.TAIL]
    limit = 0  # puts beyond this position call `room` first
    check_at = 0.0  # … and puts after this wall time
    busy = False
    disowned = False
    last_keys: tuple[str, ...] | None = None
    last_shape: Shape
    codes: set[CodeType] = set()

    def refuse() -> NoReturn:
        raise ForkedError

    def point(key: str, step: int, value: float) -> None:
        nonlocal busy, tail
        taken, busy = busy, True
        if taken:
            return turned_away(lambda: full_point(key, step, value, wall()), lambda: point(key, step, value))
        try:
            at = tail
            now = wall()
            if at + point_bytes > limit or now > check_at:
                at = room(point_bytes, now)
            if type(value) not in plain_types:
                raise NotPlainError
            if at < 0:
                overflow(tail, full_point(key, step, value, now))
            else:
                pack_point(ring, at & mask, heads[key], step, float64, value, float64, now)
                tail = at = at + point_bytes
                words[layout_tail] = at
            return None
        except KeyError:
            pass
        except (struct.error, TypeError):
            raise NotPlainError from None
        finally:
            busy = disowned
        return first_point(key, step, value)

    def points(mapping: Mapping[str, float], step: int) -> None:
        nonlocal busy, tail, last_keys, last_shape
        taken, busy = busy, True
        if taken:
            return turned_away(lambda: full_points(mapping, step, wall()), lambda: points(mapping, step))
        try:
            names = tuple(mapping)
            if names != last_keys:  # comparing with the last call's keys is cheaper than hashing a hundred
                last_shape, last_keys = shapes[names], names
            head, size, pack_values = last_shape
            at = tail
            now = wall()
            if at + size > limit or now > check_at:
                at = room(size, now)
            values = mapping.values()
            kinds = [*map(type, values)]
            if kinds.count(float) != len(kinds) and not plain_types.issuperset(kinds):
                raise NotPlainError
            if at < 0:
                overflow(tail, full_points(mapping, step, now))
            else:
                offset = at & mask
                pack_points_head(ring, offset, head, step, float64, now, bin32, size - points_head_bytes)
                pack_values(ring, offset + points_head_bytes, *values)
                tail = at = at + size
                words[layout_tail] = at
            return None
        except KeyError:
            pass
        except (struct.error, TypeError):
            raise NotPlainError from None
        finally:
            busy = disowned
        return first_points(mapping, step)

    def record(data: bytes) -> None:
        nonlocal busy, tail
        taken, busy = busy, True
        if taken:
            return turned_away(lambda: data, lambda: record(data))
        try:
            size = len(data)
            at = room(size, wall())
            if at < 0:
                overflow(tail, data)
            else:
                offset = at & mask
                ring[offset : offset + size] = data
                tail = at = at + size
                words[layout_tail] = at
            return None
        finally:
            busy = disowned

    layout_tail = layout.TAIL
    codes.update(f.__code__ for f in (point, points, record))

    def room(size: int, now: float) -> int:
        """Return the position for `size` bytes that do not cross the ring's end, or -1. Move the limits. Call it under
        `busy`.
        """
        nonlocal tail, limit, check_at
        if silence is not None:
            silence.look(words[layout.ALIVE_MS])
        if size > capacity >> 2:
            return -1
        at = tail
        free_end = words[layout.HEAD] + capacity
        lap_end = (at | mask) + 1
        if at + size > lap_end:
            if lap_end + size > free_end:
                return -1
            left = lap_end - at
            if left >= 4:
                offset = at & mask
                ring[offset : offset + 4] = records.WORD.pack(records.TAG_PADDING << 24 | left - 4)
            tail = at = lap_end
            lap_end += capacity
        if at + size > free_end:
            return -1
        limit = min(free_end, lap_end, at + CHECK_BYTES)
        check_at = now + CHECK_S
        return at

    def alone(work: Callable[[], bool]) -> bool:
        """Call `work` and return its result; return False where a put is under way."""
        nonlocal busy
        taken, busy = busy, True
        if taken:
            return False
        try:
            return work()
        finally:
            busy = disowned

    first_point, first_points = first_puts(keys, plain_types, check_key, alone, point, points, record)

    def turned_away(full: Callable[[], bytes], again: Callable[[], None]) -> None:
        """Put while another put is under way. A put of another thread ends soon, so wait for it. A put that we
        interrupted cannot end before us, so do not wait for it.
        """
        if disowned:
            refuse()
        if not interrupted_a_put(codes) and wait_idle(PUT_WAIT_S):
            return again()
        return overflow(tail, full())

    def wait_idle(timeout: float) -> bool:
        deadline = time.monotonic() + timeout
        while busy:
            if time.monotonic() > deadline:
                return False
            time.sleep(0)
        return True

    def disown() -> None:
        """Refuse puts in a forked child. A put that the fork interrupted in its own thread goes on here as well, while
        the parent publishes the same call. Here it fills memory of the child's own, never the parent's ring.
        """
        nonlocal busy, disowned, words, ring, overflow
        if busy:
            words, ring = [0] * layout.WORDS, memoryview(bytearray(capacity))
            keys.let_go()
            overflow = lambda tail, record: None  # noqa: E731
        disowned = busy = True

    def retire(refusal: Callable[[], NoReturn]) -> bool:
        """End the puts: later ones raise what `refusal` raises, and the queue's memory is used no more. Return False
        where a put is under way for longer than a moment; then nothing has changed. Safe twice.
        """
        nonlocal busy, disowned, refuse, words, ring
        if not disowned:
            if not wait_idle(PUT_WAIT_S):
                return False
            disowned = busy = True
        refuse = refusal
        words, ring = [0] * layout.WORDS, memoryview(b"")
        keys.let_go()
        return True

    puts = Puts(point, points, record, wait_idle, disown, retire, lambda: tail)
    return _locked(puts) if not getattr(sys, "_is_gil_enabled", lambda: True)() else puts


class _Silence:
    """Calls `tell`, at most every few seconds, while the uploader gives no sign of life."""

    def __init__(self, tell: Callable[[], None]) -> None:
        self._tell = tell
        self._called_at = time.monotonic()

    def look(self, alive_ms: int) -> None:
        now = time.monotonic()
        if now - max(alive_ms / 1e3, self._called_at) > LOOK_AFTER_S:
            self._called_at = now
            self._tell()


class ForkedError(Exception):
    """This producer belongs to the parent process; the child needs one of its own."""


def interrupted_a_put(codes: set[CodeType]) -> bool:
    """Return whether the put that was turned away interrupted another put of its own thread."""
    frame: Any = sys._getframe(2)
    seen = 0
    while frame is not None:
        seen += frame.f_code in codes
        frame = frame.f_back
    return seen > 1


def _locked(puts: Puts) -> Puts:
    """Return puts for builds without a GIL: one thread at a time is in a put. The lock is re-entrant, so that a handler
    of that thread gets to the flag.
    """
    lock = threading.RLock()

    def point(key: str, step: int, value: float) -> None:
        with lock:
            puts.point(key, step, value)

    def points(mapping: Mapping[str, float], step: int) -> None:
        with lock:
            puts.points(mapping, step)

    def record(data: bytes) -> None:
        with lock:
            puts.record(data)

    def retire(refusal: Callable[[], NoReturn]) -> bool:
        with lock:
            return puts.retire(refusal)

    return Puts(point, points, record, puts.wait_idle, puts.disown, retire, puts.tail)
