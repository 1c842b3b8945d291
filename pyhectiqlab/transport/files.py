"""Digests, and when to try again: what uploads (file_upload.py) and downloads (file_download.py) share.

A failure that may pass is tried again, within bounds that start anew with every byte that gets through.
"""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Callable
from typing import TypeVar

from ..errors import LabRequestError
from .retry import Backoff

T = TypeVar("T")
BLOCK_BYTES = 1 << 20  # read or written at once
TRIES = 8  # in a row without a byte of progress; with the delays of Backoff about a minute
PATIENCE_S = 90.0  # how long the tries may take in all: a lab may ask to wait an hour, but a caller waits
CHECKSUM_MISMATCH = 460
_PASSING = {408, 409, 423}  # of an upload: the earlier connection is not closed yet; the offset is another one

Progress = Callable[[int], object]  # takes the bytes so far; if it raises, the call ends, and may be repeated later


def no_progress(done: int) -> None:
    pass


def hash_file(fd: int, progress: Progress = no_progress) -> tuple[str, int]:
    """Return SHA-256 (hex) and size of an open file, from its beginning. Its position does not move. Raises OSError."""
    digest, block, at = hashlib.sha256(), memoryview(bytearray(BLOCK_BYTES)), 0
    while count := os.preadv(fd, [block], at):
        digest.update(block[:count])
        at += count
        progress(at)
    return digest.hexdigest(), at


def retried(
    work: Callable[[Backoff], T],
    tries: int,
    sleep: Callable[[float], object] = time.sleep,
    patience_s: float | None = None,
) -> T:
    """Call `work` until it succeeds, and return its result. Give up after `tries` failures in a row, or when the next
    try would come more than `patience_s` (None: PATIENCE_S) after the first of them. `work` tells the Backoff of any
    progress.
    """
    patience = PATIENCE_S if patience_s is None else patience_s
    backoff = Backoff()
    began = time.monotonic()
    while True:
        try:
            return work(backoff)
        except LabRequestError as e:
            delay = backoff.failed(e.retry_after_s)
            if backoff.failures == 1:
                began = time.monotonic()
            late = time.monotonic() + delay - began > patience
            if backoff.failures >= tries or late or not (e.retry or _may_pass(e)):
                raise
            sleep(delay)


def _may_pass(error: LabRequestError) -> bool:
    """Return whether an upload that was refused with this error can go on, after asking where it is."""
    return error.status in _PASSING or error.code == "upload_not_found"
