"""The log of a database in WAL mode, read as a file: which pages it holds, how long it is, and whether it is whole.

SQLite compares each frame with its checksum and takes the first wrong one for the end of the log. That is right if a
power failure cut the log off. But if a bit flips in the middle, transactions that were durable are lost, and SQLite
does not say so. The frames behind the damage show which of the two it was: a transaction begins only once the one
before it was synced.

The index beside the log would say more, but SQLite has locks on it, and to close any descriptor of it gives them up.
"""

from __future__ import annotations

import functools
import os
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

Words = NDArray[np.uint32]

_HEAD_WORDS, _FRAME_WORDS = 8, 6
_MAGIC = 0x377F0682  # the last bit is set if the words of checksums are big-endian
_PAGE, _COMMIT, _SALT, _SUM = 0, 1, slice(2, 4), slice(4, 6)  # in the head of a frame
_HEAD_BYTES = 4 * _HEAD_WORDS


def log_of(database: Path) -> Path:
    return database.with_name(f"{database.name}-wal")


def frames(database: Path) -> int:
    """Return how many frames the log has since it was last begun anew, rolled back ones included. Raises OSError."""
    try:
        fd = os.open(log_of(database), os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return 0
    try:
        head = os.pread(fd, _HEAD_BYTES, 0)
        if len(head) < _HEAD_BYTES:
            return 0
        size, salts = _frame_bytes(head), head[16:24]
        here, end = 0, (os.fstat(fd).st_size - _HEAD_BYTES) // size
        while here < end:  # frames of the log before it was begun anew come behind
            middle = (here + end) // 2
            if os.pread(fd, 8, _HEAD_BYTES + middle * size + 8) == salts:
                here = middle + 1
            else:
                end = middle
        return here
    finally:
        os.close(fd)


def pages(database: Path, n: int) -> NDArray[np.int64]:
    """Return the numbers of the pages that the first n frames of the log hold, sorted. Raises OSError."""
    if not n:
        return np.empty(0, np.int64)
    fd = os.open(log_of(database), os.O_RDONLY | os.O_CLOEXEC)
    try:
        size = _frame_bytes(os.pread(fd, _HEAD_BYTES, 0))
        numbers = {os.pread(fd, 4, _HEAD_BYTES + i * size) for i in range(n)}
    finally:
        os.close(fd)
    return np.array(sorted(int.from_bytes(number, "big") for number in numbers), np.int64)


def damage(database: Path) -> str | None:
    """Return what is wrong with the log, in a sentence. Reads all of it, before SQLite does. Raises OSError."""
    words = _words(log_of(database))
    if not len(words) or not words[:_HEAD_WORDS].any():  # a new log that was not written
        return None
    magic = int(words[0])
    order = ">u4" if magic & 1 else "<u4"
    if magic & ~1 != _MAGIC or not _is_sound_head(words[:_HEAD_WORDS], order):
        return "the head of its log is damaged: nothing that the log holds is read"
    its = _frames(words)
    sound = _sound(words[:_HEAD_WORDS], its, order)
    if sound.all():
        return None
    wrong = int(np.argmin(sound))
    if not _was_durable(sound[wrong:], its[wrong:, _COMMIT] != 0):
        return None  # as a power failure leaves the last transaction
    return (
        f"frame {wrong + 1} of its log is damaged: it and the {len(its) - wrong - 1} behind it, which were durable,"
        " are not read"
    )


def _frame_bytes(head: bytes) -> int:
    return 4 * _FRAME_WORDS + int.from_bytes(head[8:12], "big")


def _words(path: Path) -> Words:
    """Return the log as big-endian words; no words if it holds no frame."""
    try:
        while True:
            words = np.fromfile(path, ">u4")
            if (np.fromfile(path, ">u4", _HEAD_WORDS) == words[:_HEAD_WORDS]).all():
                return words if len(words) > _HEAD_WORDS else words[:0]
            # A lab that runs has begun it anew meanwhile: half of it was of the one before.
    except FileNotFoundError:
        return np.empty(0, ">u4")


def _frames(words: Words) -> Words:
    """Return the frames, whole or not, up to the last one that was written since the log was last begun anew."""
    size = _FRAME_WORDS + int(words[2]) // 4
    n = (len(words) - _HEAD_WORDS) // size
    its = words[_HEAD_WORDS : _HEAD_WORDS + n * size].reshape(n, size)
    current = np.flatnonzero((its[:, _SALT] == words[4:6]).all(axis=1))
    return its[: current[-1] + 1 if len(current) else 0]


def _is_sound_head(head: Words, order: str) -> bool:
    sums = _contributions(head[None, :6], order)[0]
    return bool((sums == head[6:8].astype(np.uint32)).all())


def _sound(head: Words, its: Words, order: str) -> NDArray[np.bool_]:
    """Return for each frame whether it is as it was written behind the one before it."""
    if not len(its):
        return np.ones(0, bool)
    summed = np.concatenate([its[:, :2], its[:, _FRAME_WORDS:]], axis=1).astype(">u4", copy=False)
    before = np.concatenate([head[None, 6:8], its[:-1, _SUM]]).astype(np.uint32)
    sums = before @ _powers(summed.shape[1] // 2)[-1].T + _contributions(summed, order)
    same = (sums == its[:, _SUM].astype(np.uint32)).all(axis=1)
    sound: NDArray[np.bool_] = same & (its[:, _SALT] == head[4:6]).all(axis=1)
    return sound


def _was_durable(sound: NDArray[np.bool_], commits: NDArray[np.bool_]) -> bool:
    """Return whether sound frames without a gap end two transactions. Then the first of the two was synced."""
    stretch = np.cumsum(~sound)
    return bool((np.bincount(stretch[sound & commits], minlength=1) >= 2).any())


def _contributions(rows: Words, order: str) -> Words:
    """Return what the words of each row add to a checksum: uint32[n, 2]."""
    pairs = rows.shape[1] // 2
    values = np.ascontiguousarray(rows).view(order).astype(np.uint32).reshape(len(rows), pairs, 2)
    powers = _powers(pairs)[:-1][::-1]  # the last pair is multiplied by none
    # With a pair (a, b), the sums (s, t) become s + t + a and s + 2 t + a + b.
    of_a, of_b = powers[:, :, 0] + powers[:, :, 1], powers[:, :, 1]
    sums: Words = values[:, :, 0] @ of_a + values[:, :, 1] @ of_b
    return sums


@functools.cache
def _powers(n: int) -> Words:
    """Return the powers, from the 0th to the nth, of the matrix that a step of a checksum multiplies its two sums by:
    uint32[n + 1, 2, 2].

    All arithmetic is modulo 2^32.
    """
    powers = np.empty((n + 1, 2, 2), np.uint32)
    powers[0] = np.eye(2, dtype=np.uint32)
    step = np.array([[1, 1], [1, 2]], np.uint32)
    for i in range(n):
        powers[i + 1] = step @ powers[i]
    return powers
