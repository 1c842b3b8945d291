"""The lease: which process may drain a session. The kernel's file lock where there is one, else a pid file with a
pulse.

Correctness does not rest on it: were two uploaders to run, both would give the same events the same numbers, and the
lab takes each number once.
"""

from __future__ import annotations

import errno
import fcntl
import os
import time
from pathlib import Path

from ..capture.process import Process, this_process
from ..settings import STUCK_AFTER_S
from ..spool import read_json, write_json

_NO_LOCKS = {errno.ENOLCK, errno.ENOTSUP, errno.EOPNOTSUPP, errno.EINVAL, errno.ENOSYS}


class Lease:
    def __init__(self, folder: Path) -> None:
        self._path = folder / "lease"
        self._fd = -1
        self._pulsing = False
        self._pulsed_at = 0.0

    def acquire(self) -> bool:
        """Whether this process now holds it. Never waits. Raises OSError where the folder cannot be written."""
        fd = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as e:
            os.close(fd)
            if e.errno not in _NO_LOCKS:
                return False
            holder = self.holder()
            if holder is not None and not holder.has_ended() and self._pulse_is_fresh():
                return False
            self._pulsing = True
        else:
            self._fd = fd
        write_json(self._path.with_name("lease.json"), this_process().as_dict())
        return True

    def _pulse_is_fresh(self) -> bool:
        try:
            return time.time() - self._path.with_name("lease.json").stat().st_mtime < 4 * STUCK_AFTER_S
        except OSError:
            return False

    def renew(self) -> None:
        """Call it every few seconds while holding the lease."""
        if self._pulsing and time.monotonic() - self._pulsed_at > 2:
            self._pulsed_at = time.monotonic()
            os.utime(self._path.with_name("lease.json"))

    def holder(self) -> Process | None:
        """Who took it last, whether or not it still lives."""
        try:
            return Process.from_dict(read_json(self._path.with_name("lease.json")) or {})
        except (KeyError, TypeError, ValueError):
            return None

    def is_held(self) -> bool:
        """Whether another process holds it now."""
        try:
            fd = os.open(self._path, os.O_RDWR | os.O_CLOEXEC)
        except OSError:
            return False
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as e:
            if e.errno not in _NO_LOCKS:
                return True
            holder = self.holder()
            return holder is not None and not holder.has_ended() and self._pulse_is_fresh()
        finally:
            os.close(fd)
        return False

    def release(self) -> None:
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1
        self._pulsing = False
