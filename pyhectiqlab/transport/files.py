"""What uploads (file_upload.py) and downloads (file_download.py) share: digests, and when to try again.

Failures that may pass are tried again, in bounds that start anew with every byte that gets through.
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
PATIENCE_S = 90.0  # how long they may take in all: a lab may ask for an hour's patience, and a caller waits
CHECKSUM_MISMATCH = 460
_PASSING = {408, 409, 423}  # of an upload: the connection before this one is not closed yet; its offset is another

Progress = Callable[[int], object]  # bytes so far; what it raises ends the call, which may be repeated later


def no_progress(done: int) -> None:
    pass


def hash_file(fd: int, progress: Progress = no_progress) -> tuple[str, int]:
    """SHA-256 (hex) and size of an open file from its beginning; does not move its position. Raises OSError."""
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
    """Do it until it succeeds; gives up after `tries` failures in a row, and where another would come later than
    `patience_s` (None: PATIENCE_S) behind the first of them. `work` tells the Backoff of any progress.
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
    """Return whether an upload that was refused so can go on after a look at where it is."""
    return error.status in _PASSING or error.code == "upload_not_found"
